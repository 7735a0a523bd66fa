"""What the crafted files of `test_untrusted_files.py` cost before they are refused.

    python tests/fuzz/crafted_files.py [WORD...] [--backend NAME]

Every file, or those with a WORD in their name, is loaded in a process of its own, which
has loaded a good file before. Printed are the megabytes that it took at its peak beyond
that, and the seconds of processor time, of the dearest five and of all; the exit status
is 1 if one takes over 200 MB or 2 s, or is not refused. Needs Linux.
"""

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kerasconv import backends

MEGABYTES, SECONDS = 200, 2


def peak() -> float:
    """The most memory that this process has had, in megabytes."""
    text = Path("/proc/self/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) / 1024


def forked(function, *arguments):
    """What a function returns in a process of its own; None if that ended early."""
    read, write = os.pipe()
    if (process := os.fork()) == 0:
        try:
            os.close(read)
            with os.fdopen(write, "w") as pipe:
                json.dump(function(*arguments), pipe)
        except Exception:
            traceback.print_exc()
        finally:  # the rest is the parent's
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    os.waitpid(process, 0)
    return json.loads(said) if said else None


def measure(folder: str, name: str) -> dict:
    """What the file of that name costs, in this process."""
    import test_untrusted_files as tests

    from kerasconv.errors import KerasconvError
    from kerasconv.models import load_model

    good, sealed = (Path(folder, n).read_bytes() for n in ("good", "sealed"))
    with tempfile.TemporaryDirectory() as own:
        kit = tests.Kit(Path(own), good, sealed)
        load_model(kit.write(good))
        kit.path.unlink()
        path = tests.TROUBLE[name][0](kit)
        size = path.stat().st_size if path.is_file() else 0
        Path("/proc/self/clear_refs").write_text("5")  # the peak is what is there now
        before, began = peak(), time.process_time()
        try:
            load_model(path)
            refused = False
        except KerasconvError:
            refused = True
        seconds = time.process_time() - began
        return {
            "name": name,
            "bytes": size,
            "seconds": seconds,
            "megabytes": peak() - before,
            "refused": refused,
        }


def prepare(folder: str) -> None:
    """Write the files that the others are made of."""
    import test_untrusted_files as tests

    from kerasconv.models import save_model

    for name in ("good", "sealed"):
        path = Path(folder, f"{name}.keras")
        model = tests.small_model()
        save_model(model, path) if name == "sealed" else model.save(path)
        path.rename(path.with_suffix(""))


def main() -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("words", nargs="*", metavar="WORD")
    parser.add_argument("--backend", metavar="NAME")
    asked = parser.parse_args()
    used = backends.activate(asked.backend)
    # What is imported here is not in the figures; nothing is computed, for threads do
    # not survive a fork.
    import test_untrusted_files as tests

    names = [n for n in tests.TROUBLE if all(word in n for word in asked.words)]
    with tempfile.TemporaryDirectory() as folder:
        forked(prepare, folder)
        found = [forked(measure, folder, name) or {"name": name} for name in names]
    ended = [f for f in found if len(f) > 1]
    print(f"{len(found)} files on {used}, Keras {version('keras')}:")
    for what, unit in (("megabytes", "MB"), ("seconds", "s")):
        for facts in sorted(ended, key=lambda f: -f[what])[:5]:
            shown = f"{facts[what]:8.2f} {unit:3}{facts['bytes']:10,} bytes"
            print(f"{shown}  {facts['name'].replace('_', ' ')}")
    bad = [
        f["name"]
        for f in found
        if len(f) == 1
        or not f["refused"]
        or f["megabytes"] > MEGABYTES
        or f["seconds"] > SECONDS
    ]
    print(f"beyond {MEGABYTES} MB or {SECONDS} s, or not refused: {bad or 'none'}")
    return int(bool(bad))


if __name__ == "__main__":
    raise SystemExit(main())
