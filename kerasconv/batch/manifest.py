"""The folder of a run: its manifest, its shards, and whether it is ours to go on with.

`_shards.jsonl` has a shard a line, `_manifest.json` what the run is. Programs that read
a folder of Parquet files pass by names that begin with an underscore.
"""

import contextlib
import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kerasconv import files
from kerasconv.batch import sources
from kerasconv.batch.marks import READING
from kerasconv.batch.sources import Shard
from kerasconv.errors import KerasconvError, UsageError

MANIFEST = "_manifest.json"
SHARDS = "_shards.jsonl"

FACTS = (
    *("kerasconv", "model", "model_sha256", "backend", "format", "shard_size"),
    *("column", "card_sha256", "shards", "pictures", "listing_sha256"),
)
"""What a manifest says beside the options of the reader."""


def read(out: Path) -> dict[str, Any] | None:
    """The manifest of a folder, or None where there is none.

    Raises:
        KerasconvError: it is damaged.
    """
    path = out / MANIFEST
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {**found, "shards": int(found["shards"])}
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise KerasconvError(
            f"{path} is damaged; remove the folder, and start the run again"
        ) from error


def begin(
    out: Path, listing: Iterable[Shard], facts: dict[str, Any], *, resume: bool
) -> dict[str, Any]:
    """Make the folder of a new run, or see that it is that of the run to go on with.

    Args:
        out: The folder.
        listing: The shards of the source as it is now.
        facts: What else decides the rows: model, options, format.
        resume: Whether the folder may hold this very run.

    Returns:
        The manifest: `facts`, and `shards`, `pictures` and `listing_sha256`.

    Raises:
        UsageError: the folder holds something else, or the source has changed.
        KerasconvError: the folder cannot be written.
    """
    earlier = read(out) if out.is_dir() else None
    if earlier is None:
        check_empty(out)
    elif not resume:
        raise UsageError(
            f"{str(out)!r} holds a run already: go on with `resume=True`, or choose "
            "another folder"
        )
    else:
        _check_same(out, earlier, json.loads(json.dumps(facts)))
    manifest = json.loads(json.dumps(facts))  # as it will be read
    listing = iter(listing)
    # Before there is a folder: where there is no source there shall be none.
    listing = itertools.chain([next(listing)], listing)
    if earlier is None:
        files.write_with(
            out / SHARDS, lambda beside: manifest.update(_write(beside, listing))
        )
        text = json.dumps(manifest, indent=2) + "\n"
        files.write_text(out / MANIFEST, text)
    else:
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            manifest.update(_written(nowhere, listing))
        _check_same(out, earlier, manifest)
    # Where processes were when they were ended, by whoever ended the run.
    with contextlib.suppress(OSError):
        for mark in os.scandir(out / READING):
            if mark.name.isdigit():
                os.unlink(mark)
    return manifest


def end(out: Path) -> None:
    """Tidy the folder of a run that is done."""
    with contextlib.suppress(OSError):
        (out / READING).rmdir()


def shards(out: Path) -> Iterator[Shard]:
    """The shards of a run, one by one."""
    with open(out / SHARDS, encoding="utf-8") as file:
        yield from map(json.loads, file)


def _write(place: Path, listing: Iterable[Shard]) -> dict[str, Any]:
    with open(place, "w", encoding="utf-8") as file:
        return _written(file, listing)


def _written(file: Any, listing: Iterable[Shard]) -> dict[str, Any]:
    """Write the shards, and return how many they are and the digest of what they are.

    Their lines hold the size and the time of every file.
    """
    digest, number, pictures = hashlib.sha256(), 0, 0
    for shard in listing:
        line = json.dumps(shard) + "\n"
        file.write(line)
        digest.update(line.encode())
        number += 1
        pictures += sources.count(shard)
    return {
        "shards": number, "pictures": pictures, "listing_sha256": digest.hexdigest(),
    }  # fmt: skip


def check_empty(out: Path, ours: str = SHARDS) -> None:
    """Refuse a folder with anything in it but what is hidden and what is ours."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"{str(out)!r} is a file: name a folder for the answers")
    try:
        # What a run that was killed at its very beginning left is no obstacle.
        names = [n for n in os.listdir(out) if n != ours and not n.startswith(".")]
    except FileNotFoundError:
        return
    if names:
        raise UsageError(
            f"{str(out)!r} holds other files, such as {names[0]!r}: choose an empty "
            "folder for the answers"
        )


def _check_same(out: Path, then: dict[str, Any], now: dict[str, Any]) -> None:
    changed = {k: v for k, v in now.items() if then.get(k) != v}
    if not changed:
        return
    if "pictures" in changed:
        what = (
            f"its source had {then.get('pictures'):,} pictures and has "
            f"{now['pictures']:,} now"
        )
    elif changed.keys() <= {"listing_sha256", "shards"}:
        what = "a file of its source has changed since"
    else:
        key, value = next(iter(changed.items()))
        what = f"its {key} was {then.get(key)!r} and would be {value!r}"
    raise UsageError(
        f"{str(out)!r} belongs to another run: {what}; choose another folder"
    )
