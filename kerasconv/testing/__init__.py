"""The package's contract, as checks that hold any Keras layer to it.

`check_layer(layer)` runs every check that applies and reports all that fail, not the
first; `list_checks` says in a line each what they are. What a layer must compute is
not among them: that takes an oracle of its own.
"""

from kerasconv.testing.case import float64_context as float64_context
from kerasconv.testing.case import gradient as gradient
from kerasconv.testing.check import ContractError, Report, check_layer, list_checks

__all__ = ["ContractError", "Report", "check_layer", "list_checks"]
