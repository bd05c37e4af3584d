"""All benchmarks one after the other: ``python -m benchmarks [--quick] [NAME ...]``."""

import subprocess
import sys

from .common import HERE, ROOT, environment

NAMES = (
    "import_time", "memory", "loss_gradient", "burgers_race", "influence_speed", "lie_symmetries", "lie_catalogue",
    "lie_cases", "certificates",
)  # fmt: skip
LONG = (  # only when named
    "accuracy", "api_calls", "calibration", "cavity", "correction", "cost", "coverage", "cylinder", "enclosed",
    "error_map", "faults", "flows", "influence_validation", "inverse", "long_times", "mutants", "published_resampling",
    "resampling", "singular", "soak", "stated", "tolerance", "zoo",
)  # fmt: skip


def module(name: str) -> str:
    """The module of a benchmark: its file in its topic's folder, or a folder of its own.

    >>> module("memory"), module("zoo")
    ('benchmarks.speed.memory', 'benchmarks.zoo')
    """
    file = next(HERE.glob(f"*/{name}.py"), HERE / name)
    return ".".join(file.relative_to(ROOT).with_suffix("").parts)


def main(arguments: list[str]) -> int:
    """Run each benchmark in a process of its own, so that none inherits another's state."""
    options = [a for a in arguments if a.startswith("-")]
    names = [a for a in arguments if not a.startswith("-")] or list(NAMES)
    unknown = sorted(set(names) - {*NAMES, *LONG})
    if unknown:
        known = ", ".join((*NAMES, *LONG))
        print(f"there is no benchmark {unknown[0]!r}: expected some of {known}", file=sys.stderr)
        return 2
    for name in names:
        command = [sys.executable, "-m", module(name), *options]
        code = subprocess.run(command, cwd=ROOT, env=environment()).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
