"""What bounds the Sobel magnitude: memory, page faults and the compiler's loops.

    python tests/benchmarks/breakdown.py [--backend jax] [--shapes 8x512x512x3 ...]

For each shape the time of the compiled layer beside that of its interior alone (no
border to make), of an addition in the same mode, of copying the input into an existing
array and into a fresh one, and of OpenCV; with the page faults a call and the share of
the time that the kernel of the system takes. On JAX also the loops that XLA made of the
layer, how many threads each is split over, and the time in each; on torch the slices
that it differentiates in eager mode.

All of it twice: in a process that returns freed memory to the system, as glibc does by
default and the processes of the tables do, and in one that keeps it.
"""

import argparse
import math
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import _command as command

CALLS = 20


def main() -> None:
    parser = argparse.ArgumentParser(prog="breakdown.py")
    parser.add_argument(
        "--backend", default="jax", choices=["jax", "tensorflow", "torch"]
    )
    parser.add_argument("--shapes", nargs="*", metavar="8x512x512x3")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return broken_down(options)
    returned = command._settled(options.backend)
    kept = returned | command.KEPT_MEMORY
    for title, environment in {"returned": returned, "kept": kept}.items():
        print(f"memory that is freed is {title}", flush=True)
        child = [sys.executable, *sys.argv, "--child"]
        subprocess.run(child, env=environment, check=True)


def broken_down(options: argparse.Namespace) -> None:
    """Everything in this process."""
    import _backends as backends
    import edges
    import numpy as np

    backends.start(options.backend)
    mode = backends.MODES[options.backend][-1]
    for shape in edges.SHAPES:
        name = "x".join(map(str, shape))
        if options.shapes and name not in options.shapes:
            continue
        x = backends.image(shape)
        tensor, out = backends.native(x, options.backend), np.empty_like(x)
        layer = edges.layer("Sobel")
        inner = type(layer)(output="magnitude", padding="valid")
        layer(tensor), inner(tensor)  # built before anything is compiled
        print(f"{name}: {x.nbytes / 2**20:.1f} MiB in, as much out")
        for label, call in {
            "copy, existing array": lambda x=x, out=out: np.copyto(out, x),
            "copy, fresh array": x.copy,
            "OpenCV, existing array": edges.opencv(x, "Sobel"),
            "x + 1": backends.forward(plus_one, tensor, options.backend, mode),
            "interior alone": backends.forward(inner, tensor, options.backend, mode),
            "the layer": backends.forward(layer, tensor, options.backend, mode),
        }.items():
            print(f"  {label:22} {usage(call)}")
        if options.backend == "jax":
            loops(layer, tensor)
        if options.backend == "torch":
            slices(layer, tensor)


def plus_one(x):
    """What any function takes at least that reads an array and gives one."""
    return x + 1


def usage(call) -> str:
    """Time, page faults and the system's share, of the median call."""
    call(), call()
    found = []
    for _ in range(CALLS):
        before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        call()
        seconds = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_SELF)
        system = after.ru_stime - before.ru_stime
        user = after.ru_utime - before.ru_utime
        found.append((seconds, after.ru_minflt - before.ru_minflt, system, user))
    seconds, faults, system, user = (
        sorted(values)[CALLS // 2] for values in zip(*found, strict=True)
    )
    return (
        f"{1e3 * seconds:8.2f} ms {faults:6} page faults  processor: "
        f"{1e3 * user:.2f} ms in the program, {1e3 * system:.2f} ms in the system"
    )


def loops(layer, x) -> None:
    """Print XLA's loops over `x`, longest first, from its own profile."""
    import jax

    run = jax.jit(lambda x: layer(x)).lower(x).compile()
    program = run.as_text()
    entry = program[program.index("ENTRY") :]
    made = {}
    for name, shape, rest in re.findall(
        r"%(\S+) = (\S+?)(?:\{\S*)? (?:fusion|copy|concatenate)\((.*)", entry
    ):
        split = re.search(r'outer_dimension_partitions":\["(\d+)"', rest)
        made[name] = shape, int(split[1]) if split else 1
    jax.block_until_ready(run(x))
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            for _ in range(CALLS):
                jax.block_until_ready(run(x))
        (trace,) = Path(folder).rglob("*.xplane.pb")
        profile = jax.profiler.ProfileData.from_file(str(trace))
    spent = defaultdict(float)
    for plane in profile.planes:
        for line in plane.lines:
            for event in line.events:
                if event.name in made:
                    spent[event.name] += event.duration_ns / 1e6 / CALLS
    for name, (shape, threads) in sorted(made.items(), key=lambda m: -spent[m[0]]):
        print(f"    {spent[name]:8.3f} ms  {threads} thread(s)  {shape:22} {name}")


def slices(layer, x) -> None:
    """Print how many slices PyTorch differentiates one by one, and into how much."""
    import torch

    with torch.enable_grad():
        megabytes = sliced(layer(x.detach().requires_grad_()))
    print(
        f"    eager, backward: {len(megabytes)} slices, whose gradients are "
        f"{sum(megabytes):.0f} MiB in all"
    )


def sliced(result) -> list[float]:
    """MiB of the gradient of every slice that PyTorch differentiates by itself."""
    return [
        4 * math.prod(node._saved_self_sym_sizes) / 2**20
        for node in nodes(result)
        if node.name().startswith("SliceBackward")
    ]


def nodes(result) -> set:
    """All that PyTorch runs, one after another, to differentiate a result."""
    ahead = [result.grad_fn]
    seen = set(ahead)
    while ahead:
        node = ahead.pop()
        fresh = {after for after, _ in node.next_functions if after} - seen
        seen |= fresh
        ahead += fresh
    return seen


if __name__ == "__main__":
    main()
