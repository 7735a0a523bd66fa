"""Makes the description that a package index shows from the README.

An index has none of the files that the README links to, and the repository has no fixed
address to link to instead: there the texts of such links stay, without the links, and
pictures are left out.
"""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class Readme(MetadataHookInterface):
    """Sets `readme` of the project's metadata."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Hatchling calls this while it reads pyproject.toml."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        text = re.sub(r"!\[[^]]*\]\((?![a-z]+:)[^)]*\)\n*", "", text)
        text = re.sub(r"\[([^]]*)\]\((?![a-z]+:)[^)]*\)", r"\1", text)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
