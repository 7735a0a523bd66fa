"""Shortens the graphs that torch exports of Keras models, for `kerasconv.predict`.

Keras's layers keep channels last. Around each convolution and pool such a graph turns
the axes, which costs nothing, but also copies images into another order, turns the
same weights at every call, adds the bias in a pass of its own and casts to the dtype
that a tensor has. `shorten` takes these out. What is left computes the same sums; a
bias that is added within a convolution may round otherwise.
"""

from typing import Any

import torch

aten = torch.ops.aten

_CONVOLUTIONS = (aten.conv1d.default, aten.conv2d.default, aten.conv3d.default)

# What takes tensors in any order of memory.
_ANY_ORDER = (
    *_CONVOLUTIONS,
    *(aten.max_pool1d.default, aten.max_pool2d.default, aten.max_pool3d.default),
    *(aten.avg_pool1d.default, aten.avg_pool2d.default, aten.avg_pool3d.default),
)

_CASTS = (aten.to.dtype_layout, aten.to.dtype, aten.to.device)


def shorten(program: torch.fx.GraphModule) -> torch.fx.GraphModule:
    """The same program, changed in place, with less to do at each call."""
    graph = program.graph
    if any(_changes_something(node) for node in graph.nodes):
        return program  # then what is constant here may not stay so
    for node in list(graph.nodes):
        if node.target is aten._assert_tensor_metadata.default or (
            # It compares the shape that the caller knows.
            node.op == "call_module" and not node.users
        ):
            graph.erase_node(node)
        elif _copies_in_vain(node):
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    constants = _fold_constants(program)
    for node in list(graph.nodes):
        if node.target in _CONVOLUTIONS:
            _take_bias(program, node, constants)
    for node in graph.nodes:
        # What no one else reads may be overwritten, which saves memory to be found.
        if node.target is aten.relu.default and _is_fresh(node.args[0]):
            node.target = aten.relu_.default
    graph.eliminate_dead_code()
    graph.lint()
    program.recompile()
    return program


def _changes_something(node: torch.fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and schema.is_mutable


def _copies_in_vain(node: torch.fx.Node) -> bool:
    """Whether a cast is to what the tensor is, or an order of memory is not needed."""
    if node.target is aten.contiguous.default:
        return all(user.target in _ANY_ORDER for user in node.users)
    if node.target not in _CASTS:
        return False
    before, after = (n.meta.get("val") for n in (node.args[0], node))
    return (
        before is not None
        and after is not None
        and (before.dtype, before.device) == (after.dtype, after.device)
    )


def _fold_constants(program: torch.fx.GraphModule) -> dict[torch.fx.Node, Any]:
    """Compute once what depends on weights alone; return the constants by node."""
    known: dict[torch.fx.Node, Any] = {}
    for node in list(program.graph.nodes):
        if node.op == "get_attr":
            known[node] = getattr(program, node.target, None)
        elif (
            isinstance(node.target, torch._ops.OpOverload)
            and torch.Tag.nondeterministic_seeded not in node.target.tags
            and node.all_input_nodes
            and all(known.get(i) is not None for i in node.all_input_nodes)
        ):
            args, kwargs = torch.fx.node.map_arg((node.args, node.kwargs), known.get)
            value = node.target(*args, **kwargs)
            if isinstance(value, torch.Tensor):
                known[node] = value
    for node in [n for n in known if n.op != "get_attr"]:
        if any(user not in known for user in node.users):
            value = known[node]
            convolves = any(user.target in _CONVOLUTIONS for user in node.users)
            last = convolves and value.ndim == 4  # as the images lie that it meets
            order = torch.channels_last if last else torch.contiguous_format
            known[_put(program, node, value.contiguous(memory_format=order))] = value
    return known


def _put(program: Any, node: torch.fx.Node, value: torch.Tensor) -> torch.fx.Node:
    """Put a constant in a node's place."""
    name = f"constant_{node.name}"
    program.register_buffer(name, value)
    with program.graph.inserting_before(node):
        new = program.graph.get_attr(name)
    new.meta = dict(node.meta)
    node.replace_all_uses_with(new)
    return new


def _take_bias(program: Any, node: torch.fx.Node, constants: dict) -> None:
    """Let a convolution add the constant that is added to each of its channels."""
    if (len(node.args) > 2 and node.args[2] is not None) or "bias" in node.kwargs:
        return
    axis, after = 1, _only_user(node)
    if after is not None and after.target is aten.permute.default:
        axis, after = list(after.args[1]).index(1), _only_user(after)
    if after is None or after.target is not aten.add.Tensor or after.kwargs:
        return
    turned, bias = after.args
    value = constants.get(bias)
    if not isinstance(value, torch.Tensor) or turned not in (node, *node.users):
        return
    channels = node.args[1].meta["val"].shape[0]
    rank = turned.meta["val"].ndim
    if value.dtype != turned.meta["val"].dtype:
        return
    shape = (1,) * (rank - value.ndim) + tuple(value.shape)
    if shape[axis] != channels or value.numel() != channels or len(shape) != rank:
        return
    with program.graph.inserting_before(node):
        name = f"bias_{node.name}"
        program.register_buffer(name, value.reshape(channels).contiguous())
        found = program.graph.get_attr(name)
    node.args = (*node.args[:2], found, *node.args[3:])
    after.replace_all_uses_with(turned)
    program.graph.erase_node(after)


def _only_user(node: torch.fx.Node) -> torch.fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _is_fresh(node: Any) -> bool:
    """Whether a tensor was made for its only reader."""
    if not isinstance(node, torch.fx.Node) or len(node.users) != 1:
        return False
    if node.target is aten.permute.default:
        return _is_fresh(node.args[0])
    return node.target in (*_CONVOLUTIONS, aten.add.Tensor)
