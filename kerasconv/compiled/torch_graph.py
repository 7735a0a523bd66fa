"""Shortens the graphs that torch exports of Keras models, for `kerasconv.predict`.

Keras's layers keep channels last. Around each convolution and pool such a graph turns
the axes, which costs nothing, but also copies images into another order, turns the
same weights at every call, adds the bias and normalises the batch in passes of their
own and casts to the dtype that a tensor has. `shorten` takes these out. What is left
computes the same sums; what is done within a convolution may round otherwise.
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

# What a convolution does as well, where there is one value a channel.
_SUBTRACTS = (aten.sub.Tensor, aten.subtract.Tensor)
_BY_CHANNEL = (aten.add.Tensor, *_SUBTRACTS, aten.mul.Tensor)

# What makes a tensor of its own.
_FRESH = (
    *_CONVOLUTIONS,
    *_BY_CHANNEL,
    *(aten.matmul.default, aten.stack.default),
)

# Keras's batch normalisation writes over what it has just computed.
_IN_PLACE = {
    aten.add_.Tensor: aten.add.Tensor,
    aten.mul_.Tensor: aten.mul.Tensor,
    aten.rsqrt_.default: aten.rsqrt.default,
}

_CASTS = (aten.to.dtype_layout, aten.to.dtype, aten.to.device)


def shorten(program: torch.fx.GraphModule) -> torch.fx.GraphModule:
    """The same program, changed in place, with less to do at each call."""
    graph = program.graph
    for node in reversed(graph.nodes):
        if node.target is aten._assert_tensor_metadata.default or (
            # It compares the shape that the caller knows.
            node.op == "call_module" and not node.users
        ):
            graph.erase_node(node)
    for node in graph.nodes:
        if node.target in _IN_PLACE and _is_fresh(node.args[0]):
            node.target = _IN_PLACE[node.target]
    if any(_changes_something(node) for node in graph.nodes):
        return program  # then what is constant here may not stay so
    # From the end: a cast is gone before the copy is looked at that it would read.
    for node in reversed(graph.nodes):
        if _copies_in_vain(node):
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    constants = _fold_constants(program)
    for node in list(graph.nodes):
        if node.target in _CONVOLUTIONS:
            _take_what_follows(program, node, constants)
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
    new = _constant(program, f"constant_{node.name}", value, node)
    new.meta = dict(node.meta)
    node.replace_all_uses_with(new)
    return new


def _constant(
    program: Any, name: str, value: torch.Tensor, before: torch.fx.Node
) -> torch.fx.Node:
    program.register_buffer(name, value)
    with program.graph.inserting_before(before):
        return program.graph.get_attr(name)


def _take_what_follows(program: Any, node: torch.fx.Node, constants: dict) -> None:
    """Let a convolution add, and multiply by, the constants that its channels meet."""
    kernel = constants.get(node.args[1])
    has_bias = (
        len(node.args) > 2 and node.args[2] is not None
    ) or "bias" in node.kwargs
    if kernel is None or has_bias:
        return
    scale, bias = torch.ones(len(kernel)).double(), torch.zeros(len(kernel)).double()
    followed = set()
    while (found := _next_constant(node, constants)) is not None:
        after, turned, value = found
        if after.target is aten.mul.Tensor:
            scale, bias = scale * value, bias * value
        else:
            bias = bias + (-value if after.target in _SUBTRACTS else value)
        followed.add(after.target)
        after.replace_all_uses_with(turned)
        program.graph.erase_node(after)
    weights = node.args[1]
    if aten.mul.Tensor in followed:
        by_filter = scale.reshape(-1, *[1] * (kernel.ndim - 1))
        value = torch.empty_like(getattr(program, weights.target)).copy_(
            kernel.cpu().double() * by_filter
        )
        weights = _constant(program, f"scaled_{node.name}", value, node)
    if followed:
        put = _constant(program, f"bias_{node.name}", bias.to(kernel), node)
        node.args = (node.args[0], weights, put, *node.args[3:])


def _next_constant(node: torch.fx.Node, constants: dict) -> tuple | None:
    """The operation with a value a channel that follows, what it takes, the values."""
    axis, turned, after = 1, node, _only_user(node)
    if after is not None and after.target is aten.permute.default:
        axis, turned = list(after.args[1]).index(1), after
        after = _only_user(after)
    if after is None or after.target not in _BY_CHANNEL or after.kwargs:
        return None
    value = constants.get(after.args[1])
    if after.args[0] is not turned or not isinstance(value, torch.Tensor):
        return None
    before = turned.meta["val"]
    channels = before.shape[axis]
    shape = (1,) * (before.ndim - value.ndim) + tuple(value.shape)
    if (
        shape[axis] != channels
        or value.numel() != channels
        or len(shape) != before.ndim
    ):
        return None
    # A kernel of few bits would lose more by the product than it does now.
    exact = after.target is not aten.mul.Tensor or value.dtype is torch.float32
    if value.dtype != before.dtype or not exact:
        return None
    return after, turned, value.reshape(channels).cpu().double()


def _only_user(node: torch.fx.Node) -> torch.fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _is_fresh(node: Any) -> bool:
    """Whether a tensor was made for its only reader."""
    if not isinstance(node, torch.fx.Node) or len(node.users) != 1:
        return False
    if node.target in (aten.permute.default, aten.reshape.default):
        return _is_fresh(node.args[0])
    return node.target in _FRESH
