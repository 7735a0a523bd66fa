"""What the wheel holds otherwise than the checkout does.

The tutorials are notebooks in it, so that none are made where it runs. The live page's
code is without comments, which are for those who change it, and the cards of the zoo
are without indents. Hatchling calls this while it builds. An editable install has no
need of either.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Wheel(BuildHookInterface):
    """Converts `tutorials/*.py`, and shortens the live page's code and the cards."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the files and say where they belong."""
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
            notebook = json.loads(path.read_text(encoding="utf-8"))
            for cell in notebook["cells"]:  # a text as good as a list of its lines
                cell["source"] = "".join(cell["source"])
            dense = json.dumps(notebook, ensure_ascii=False, separators=(",", ":"))
            path.write_text(dense, encoding="utf-8")
            build_data["force_include"][str(path)] = f"kerasconv/lessons/{path.name}"
        for folder, pattern, place in (
            ("kerasconv/play/page", "*.[jc]s*", "kerasconv/play/page"),
            ("models", "*/*.toml", "kerasconv/zoo"),
        ):
            for source in sorted(Path(self.root, folder).glob(pattern)):
                name = source.relative_to(Path(self.root, folder))
                path = self.folder / name
                path.parent.mkdir(exist_ok=True)
                path.write_text(bare(source.read_text("utf-8")), encoding="utf-8")
                build_data["force_include"][str(path)] = f"{place}/{name.as_posix()}"

    def finalize(self, version: str, build_data: dict[str, Any], made: str) -> None:
        """Remove what the wheel now holds."""
        shutil.rmtree(self.folder, ignore_errors=True)


def bare(text: str) -> str:
    """JavaScript, CSS or TOML without its blank lines, indents and lines of comment.

    It knows lines, not the languages: no text in these files goes over several.
    """
    kept, comment = [], False
    for line in map(str.strip, text.splitlines()):
        if comment or line.startswith("/*"):
            comment = "*/" not in line
        elif line and not line.startswith("//"):
            kept.append(line)
    return "\n".join(kept) + "\n"
