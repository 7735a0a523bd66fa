"""Training on several devices: each takes its share of every batch.

Keras distributes data on JAX alone. The batch stays that of the recipe, so the same
seed gives the same training, within the rounding of a sum in another order.
"""

import contextlib
from collections.abc import Iterator

from kerasconv._keras import keras
from kerasconv.errors import KerasconvError, UsageError

# What every other backend has for it, outside of Keras.
_TOOLS = {
    "tensorflow": "TensorFlow's own tool is tf.distribute.MirroredStrategy",
    "torch": "torch's own tool is torch.nn.parallel.DistributedDataParallel",
    "openvino": "which does not train",
    "numpy": "which does not train",
}


@contextlib.contextmanager
def spread(count: int = 1) -> Iterator[None]:
    """Train on the first `count` devices of the kind that JAX prefers here.

    Args:
        count: How many; with 1 nothing changes.

    Raises:
        UsageError: there are fewer devices.
        KerasconvError: the backend cannot.

    Example:
        >>> with spread(2):
        ...     run = fit(recipe, images, labels)
    """
    if count < 1:
        raise UsageError(f"`devices` must be at least 1. Received: {count}")
    if count == 1:
        yield
        return
    backend = keras.backend.backend()
    if backend in _TOOLS:
        raise KerasconvError(
            f"Keras trains on several devices with JAX only, not with {backend} "
            f"({_TOOLS[backend]}); choose jax as the backend"
        )
    there = keras.distribution.list_devices()
    if count > len(there):
        raise UsageError(
            f"`devices` must be at most {len(there)}, which is what JAX has here "
            f"({', '.join(there)}). Received: {count}"
        )
    before = keras.distribution.distribution()
    keras.distribution.set_distribution(
        keras.distribution.DataParallel(devices=there[:count], auto_shard_dataset=False)
    )
    try:
        yield
    finally:
        keras.distribution.set_distribution(before)


def names() -> list[str]:
    """The devices that a training is spread over, or none if it is on one."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return []
    return [str(name) for name in distribution.device_mesh.devices.ravel()]


def check_shares(*sizes: tuple[int, int]) -> None:
    """Refuse batches that the devices cannot share: Keras lays all like the first.

    Args:
        sizes: The number of images and the size of a batch, of each data set.

    Raises:
        UsageError: a batch has no equal share for each device.
    """
    count = len(names()) or 1
    for images, batch in sizes:
        for size in {min(images, batch), images % batch}:
            if size % count:
                raise UsageError(
                    f"{count} devices cannot share the last batch of {images:,} "
                    f"images, which has {size} of {batch}; choose another number with "
                    "`devices`, or leave images out with `limit`"
                )
