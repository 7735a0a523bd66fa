"""Puts the tutorials into the wheel as notebooks, so that none are made where it runs.

Hatchling calls this while it builds. An editable install has no need of it: there
`kerasconv tutorials --copy` writes the notebooks from the scripts of the checkout.
"""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Notebooks(BuildHookInterface):
    """Converts `tutorials/*.py` to `kerasconv/lessons/*.ipynb`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the notebooks and say where they belong."""
        self.folder = Path(tempfile.mkdtemp(prefix="kerasconv-"))
        if version == "editable":
            return
        # The package in this checkout; it needs nothing but Python for this.
        sys.path.insert(0, self.root)
        try:
            from kerasconv.tutorials import copy_notebooks

            written = copy_notebooks(self.folder)
        finally:
            sys.path.remove(self.root)
        for path in written:
            build_data["force_include"][str(path)] = f"kerasconv/lessons/{path.name}"

    def finalize(self, version: str, build_data: dict[str, Any], made: str) -> None:
        """Remove what the wheel now holds."""
        shutil.rmtree(self.folder, ignore_errors=True)
