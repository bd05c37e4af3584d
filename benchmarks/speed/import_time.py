"""What ``import pinnkit`` costs beside ``import torch, sympy``, which it cannot do without."""

import os
import subprocess
import sys
import time

from benchmarks.common import (
    BLUE,
    GREY,
    LIGHT,
    ROOT,
    Times,
    environment,
    figure,
    options,
    publish,
    ratio,
    table,
    verdict,
)

WAYS = {
    "import torch, sympy": "import torch, sympy",
    "import pinnkit, one name used": "import pinnkit; pinnkit.solve",
    "import pinnkit": "import pinnkit",
}
BASE, FULL, _ = WAYS
TARGET = 1.3


def once(code: str) -> tuple[float, float]:
    """Wall and CPU seconds of a fresh interpreter that runs the code."""
    start, before = time.perf_counter(), os.times()
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment(), check=True)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - start, cpu


def culprits(count: int = 8) -> list[tuple[str, float]]:
    """The packages that pinnkit loads besides torch and sympy, by their own milliseconds."""
    code = f"import torch, sympy, sys; sys.stderr.write('-\\n'); {WAYS[FULL]}"
    command = [sys.executable, "-X", "importtime", "-c", code]
    lines = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True).stderr
    spent: dict[str, float] = {}
    for line in lines.split("\n-\n")[-1].splitlines():
        own, _, module = line.removeprefix("import time:").split("|")
        spent[module.strip().split(".")[0]] = spent.get(module.strip().split(".")[0], 0.0) + int(own) / 1e3
    return sorted(spent.items(), key=lambda pair: -pair[1])[:count]


def main() -> None:
    """Time all ways in turn, name what takes the time, write the results."""
    repeats = 3 if options(__doc__).quick else 11
    times = {name: Times() for name in WAYS}
    for code in WAYS.values():
        once(code)
    for _ in range(repeats):
        for name, code in WAYS.items():
            wall, cpu = once(code)
            times[name].wall.append(wall)
            times[name].cpu.append(cpu)
    rows, found = [], {}
    for name, t in times.items():
        s, r = t.summary(), ratio(t, times[BASE])
        found[name] = s | {"ratio": r}
        rows.append([name, f"{s['wall_s']:.2f}", f"{s['cpu_s']:.2f}", f"{r['wall']:.2f}", f"{r['cpu']:.2f}"])
    heavy = culprits()
    text = "\n\n".join([
        table(["", "wall s", "CPU s", "ratio (wall)", "ratio (CPU)"], rows),
        f"Medians of {repeats} fresh interpreters in turn. `import pinnkit` alone loads nothing; the first of its "
        "names loads all of them.",
        verdict("one name used against torch and sympy", found[FULL]["ratio"]["cpu"], TARGET, most=True),
        "Time by package, torch and sympy loaded before:",
        table(["package", "ms"], [[name, f"{ms:.0f}"] for name, ms in heavy]),
    ])  # fmt: skip
    drawing, ax = figure(size=(6.4, 2.6))
    bars = ax.barh(list(found), [s["cpu_s"] for s in found.values()], color=[GREY, BLUE, LIGHT])
    ax.bar_label(bars, fmt="%.2f s", padding=3)
    ax.set(xlabel="seconds of CPU")
    ax.invert_yaxis()
    publish("import_time", "Import", text, {"results": found, "packages_ms": dict(heavy)}, drawing, repeats == 3)


if __name__ == "__main__":
    main()
