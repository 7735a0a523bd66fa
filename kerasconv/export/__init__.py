"""A model in the format of another runtime, proven before it counts.

A converter that reports success may have written a file that does not run, that runs
for a batch of one only, or that answers something else. So every file is run again by
its own runtime, in a process that does not know Keras, on real digits: one, seven and
sixty-four of them. Only a file that takes every size of input that the model takes,
and answers as Keras does, is moved to where it was asked for.
"""

from kerasconv.export.formats import FORMATS, Format, check
from kerasconv.export.proof import BATCHES, TOLERANCE, Exported, export

__all__ = [
    "BATCHES",
    "FORMATS",
    "TOLERANCE",
    "Exported",
    "Format",
    "check",
    "export",
]
