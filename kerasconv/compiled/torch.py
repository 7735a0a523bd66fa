"""Steps in PyTorch: channels first in name, last in memory, as oneDNN wants them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from kerasconv._keras import keras
from kerasconv.compiled import steps as s

Call = Callable[[Any], Any]

# Bytes that a layer gives at a time: of much more, memory is mapped anew at every call.
# With fewer the threads are woken the more often.
_BLOCK = 16 << 20


def forward(
    steps: list[s.Step], shape: tuple[int, ...]
) -> Callable[[np.ndarray], np.ndarray]:
    """The steps as a function of images and of nothing else."""
    device = torch.device(keras.ops.convert_to_tensor(0.0).device)
    steps = s.smaller(steps)
    calls = [_CALLS[type(step)](step, device) for step in steps]
    block = max(1, _BLOCK // s.bytes_an_image(steps))

    def some(x):
        if x.ndim == 4:
            x = x.permute(0, 3, 1, 2)
        for call in calls:
            x = call(x)
        return x.permute(0, 2, 3, 1) if x.ndim == 4 else x

    def run(images):
        with torch.inference_mode():
            batch = torch.from_numpy(images).to(device)
            if device.type != "cpu" or len(images) <= block:
                return some(batch).contiguous().cpu().numpy()
            return torch.cat([some(part) for part in batch.split(block)]).numpy()

    return run


def _convolve(step: s.Convolve, device: torch.device) -> Call:
    kernel = torch.tensor(step.kernel.transpose(3, 2, 0, 1).copy(), device=device)
    kernel = kernel.contiguous(memory_format=torch.channels_last)
    bias = torch.tensor(step.bias, device=device)
    (top, bottom), (left, right) = step.pads
    if (top, left) == (bottom, right):
        return lambda x: functional.conv2d(x, kernel, bias, step.strides, (top, left))
    around = (left, right, top, bottom)
    return lambda x: functional.conv2d(
        functional.pad(x, around), kernel, bias, step.strides
    )


def _multiply(step: s.Multiply, device: torch.device) -> Call:
    kernel = torch.tensor(step.kernel, device=device)
    bias = torch.tensor(step.bias, device=device)
    return lambda x: torch.addmm(bias, x, kernel)


def _pool(step: s.Pool, device: torch.device) -> Call:
    if step.kind == "mean":
        return lambda x: functional.avg_pool2d(x, step.size, step.strides)
    if step.size != step.strides or max(step.size) > 3:
        return lambda x: functional.max_pool2d(x, step.size, step.strides)

    def call(x):
        # With the channels last in memory this is half of the time of its own pool.
        for axis, size in zip((2, 3), step.size, strict=True):
            whole = x.shape[axis] // size * size
            x, *others = (_every(x, axis, i, whole, size) for i in range(size))
            for other in others:
                x = torch.maximum(x, other)
        return x

    return call


def _every(x: Any, axis: int, start: int, end: int, step: int) -> Any:
    part = slice(start, end, step)
    return x[:, :, part] if axis == 2 else x[..., part]


_CALLS: dict[type, Callable[[Any, torch.device], Call]] = {
    s.Convolve: _convolve,
    s.Multiply: _multiply,
    s.Pool: _pool,
    s.Activate: lambda step, device: {
        "relu": torch.relu,
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "softsign": functional.softsign,
        "softmax": lambda x: torch.softmax(x, 1),
    }[step.name],
    s.Flatten: lambda step, device: (
        lambda x: (x.permute(0, 2, 3, 1) if x.ndim == 4 else x).flatten(1)
    ),
    s.Average: lambda step, device: lambda x: x.mean((2, 3)),
}
