"""Files of unknown origin: looked over here before Keras may open them.

`archive` unpacks a `.keras` file and holds it to its digests, `hdf5` reads its tensors,
`allowed` says which classes and functions its configuration may name, and `load` gives
Keras a copy of what was understood. The rest of the package calls the functions below;
`kerasconv.models` makes the public ones of them.
"""

from kerasconv.untrusted.archive import (
    MAX_CARD_BYTES,
    Archive,
    card_text,
    inspect,
    save_model,
    settled,
    tensor_digests,
)
from kerasconv.untrusted.load import load_file, load_tensors, values_to_come

__all__ = [
    "MAX_CARD_BYTES",
    "Archive",
    "card_text",
    "inspect",
    "load_file",
    "load_tensors",
    "save_model",
    "settled",
    "tensor_digests",
    "values_to_come",
]
