"""The zoo's weights, written anew as `save_model` packs files now.

    python tests/repack.py

rewrites `models/*/*.keras` where that makes a file smaller, the size and the SHA-256
on its card, and the page of its folder. The configuration, the metadata and the values
of every tensor stay as they are: the digests in the file and on the card hold them, and
the new file is held to them before it replaces the old one.
"""

import tempfile
from pathlib import Path

from kerasconv import untrusted
from kerasconv.models import cards
from kerasconv.models._card import file_digest
from kerasconv.training import page, shipping
from kerasconv.untrusted.archive import repack


def main() -> None:
    """The command."""
    folders = set()
    for card in cards().values():
        with tempfile.TemporaryDirectory() as scratch:
            made = Path(scratch, card.path.name)
            repack(card.path, made)
            old, new = card.path.stat().st_size, made.stat().st_size
            if new >= old:
                continue
            was, now = untrusted.inspect(card.path), untrusted.inspect(made)
            assert now.digests == was.digests, card.path
            assert now.metadata == was.metadata, card.path
            sizes = {"sha256": file_digest(made), "bytes": new}
            shipping.replace(card.path, made, card.facts | sizes)
        print(f"{card.path}: {old:,} bytes, now {new:,}")
        folders.add(card.path.parent)
    for folder in folders:
        page.write(folder)


if __name__ == "__main__":
    main()
