"""HDF5 files of weights, written small with HDF5's own filters: shuffle, then deflate.

The last bits of a trained weight are noise, which nothing makes smaller; its sign and
exponent are not. Shuffled, the first bytes of all numbers stand together, then the
second ones, and so on, and each of these planes is coded for itself: float32 weights
take about 5/6 of their bytes. Deflate alone, which sees the planes mixed, saves 1/14.
"""

import io
import zlib
from collections.abc import Mapping

import numpy as np

from kerasconv.untrusted.hdf5 import BFLOAT16

MAX_RATIO = 4
"""A tensor that would pack better (zeros, say) is stored as it is: the archive packs it
once more, and what a file may unpack to is limited where it is read."""

# An index and the filters' names take 100 bytes, once the archive packs them too.
_MIN_BYTES = 1024
# HDF5 holds the size of a piece in 32 bits.
_MAX_BYTES = 1 << 31


def hdf5_file(tensors: Mapping[str, np.ndarray], *, packed: bool) -> bytes:
    """An HDF5 file of tensors by their places, as Keras reads it.

    Of what Keras writes it leaves out groups without tensors and the names of layers
    at the others, neither of which Keras reads.

    Args:
        tensors: What `hdf5.read_tensors` gives.
        packed: Whether to shuffle and deflate what becomes smaller.
    """
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, tensor in tensors.items():
            piece = _piece(tensor) if packed else None
            if piece is None:
                file[name] = tensor
            else:
                whole = {"chunks": tensor.shape, "shuffle": True, "compression": 9}
                made = file.create_dataset(name, tensor.shape, tensor.dtype, **whole)
                made.id.write_direct_chunk((0,) * tensor.ndim, piece)
            if tensor.dtype == BFLOAT16:
                file[name].attrs["dtype"] = "bfloat16"
    return buffer.getvalue()


def _piece(tensor: np.ndarray) -> bytes | None:
    """A tensor, shuffled and deflated; None where that is not worth it."""
    if tensor.ndim == 0 or not _MIN_BYTES <= tensor.nbytes <= _MAX_BYTES:
        return None
    planes = np.frombuffer(tensor.tobytes(), np.uint8).reshape(-1, tensor.itemsize).T
    # Sequences that come again by chance cost more to name than they save; only runs,
    # of zeros say, are looked for. After each plane begins a code of its own.
    deflate = zlib.compressobj(9, memLevel=9, strategy=zlib.Z_RLE)
    parts = [
        deflate.compress(plane.tobytes()) + deflate.flush(zlib.Z_SYNC_FLUSH)
        for plane in planes
    ]
    piece = b"".join(parts) + deflate.flush()
    return piece if len(piece) < tensor.nbytes <= MAX_RATIO * len(piece) else None
