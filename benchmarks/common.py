"""What the benchmarks share: fair timing, child processes, and results as JSON, Markdown and a figure."""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pinnkit.output.plot.layout import save_picture
from pinnkit.tools.atomic_file import put

HERE = Path(__file__).parent
ROOT, RESULTS, RUNS = HERE.parent, HERE / "results", HERE / "runs"
INK, BLUE, GREY, LIGHT = "#222222", "#1f5fa8", "#8a8a8a", "#d0d0d0"


def options(description: str | None, *more: tuple[str, dict]) -> argparse.Namespace:
    """The command line: ``--quick``, and more arguments as (name, settings)."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="fewer repeats, smaller sizes: not to be quoted")
    for name, settings in more:
        parser.add_argument(name, **settings)
    return parser.parse_args()


def environment(**more: str) -> dict[str, str]:
    """The environment of a child: one thread, this checkout first."""
    path = os.pathsep.join(p for p in (str(ROOT), os.environ.get("PYTHONPATH", "")) if p)
    return os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": path} | more


def child(module: str, *arguments: str, **more: str) -> Any:
    """What a benchmark prints as JSON on its last line when it is run in a process of its own."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment(**more), stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@dataclass(frozen=True)
class Times:
    """Seconds of one call, one number a repeat."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, float]:
        """Medians and the fastest wall time."""
        return {"wall_s": median(self.wall), "cpu_s": median(self.cpu), "fastest_s": min(self.wall)}


def interleave(calls: Mapping[str, Callable[[], Any]], repeats: int, least: float = 0.02) -> dict[str, Times]:
    """Time the calls in turn (A B C A B C ...), each sample long enough (``least`` seconds) for the clock."""
    times, loops = {name: Times() for name in calls}, {}
    for name, call in calls.items():
        call()
        start = time.perf_counter()
        call()
        loops[name] = max(1, round(least / (time.perf_counter() - start)))
    for _ in range(repeats):
        for name, call in calls.items():
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(loops[name]):
                call()
            times[name].wall.append((time.perf_counter() - wall) / loops[name])
            times[name].cpu.append((time.process_time() - cpu) / loops[name])
    return times


def ratio(slow: Times, fast: Times) -> dict[str, float]:
    """How many times faster, the median over repeats: what disturbs one repeat disturbs both of its sides."""
    pairs = {"wall": (slow.wall, fast.wall), "cpu": (slow.cpu, fast.cpu)}
    return {k: median(a / b for a, b in zip(s, f, strict=True)) for k, (s, f) in pairs.items()}


def machine() -> dict[str, str]:
    """The processor's kind and the versions that the figures depend on."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        flags = ""
    vectors = next((name for name in ("avx512f", "avx2", "neon", "asimd") if name in flags), "")
    kind = platform.machine().replace("_", "-") + (f" ({vectors.upper()})" if vectors else "")
    found = {"cores": str(os.cpu_count()), "processor": kind, "python": platform.python_version()}
    return found | {name: version(name) for name in ("torch", "deepxde", "numpy", "sympy")}


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def verdict(what: str, value: float, target: float, *, most: bool = False) -> str:
    """One line: reached or missed, and by how much."""
    good = value <= target if most else value >= target
    return f"- {what}: {value:.2f} ({'at most' if most else 'at least'} {target:g}): {'reached' if good else 'MISSED'}"


def figure(rows: int = 1, columns: int = 1, size: tuple[float, float] = (6.4, 4.0)) -> tuple[Figure, Any]:
    """A figure without a window, and its axes."""
    drawing = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(drawing)
    axes = drawing.subplots(rows, columns)
    for ax in axes.flat if hasattr(axes, "flat") else [axes]:
        ax.spines[["top", "right"]].set_visible(False)
    return drawing, axes


def publish(name: str, title: str, text: str, data: Mapping[str, Any], drawing: Figure, quick: bool) -> None:
    """Write results/NAME.{json,md,png} and print the Markdown; a quick run has a name of its own."""
    RESULTS.mkdir(exist_ok=True)
    name = f"{name}_quick" if quick else name
    about = machine()
    note = ", ".join(f"{k} {v}" for k, v in about.items() if k not in ("cores", "processor"))
    where = f"{about['cores']} cores, {about['processor']}; one thread; {note}"
    page = f"# {title}\n\n{text}\n\n{where}.{' Quick run.' if quick else ''}\n"
    figures = json.dumps({"machine": about, **data}, indent=1) + "\n"
    put(RESULTS / f"{name}.json", lambda file: file.write_text(figures))
    put(RESULTS / f"{name}.md", lambda file: file.write_text(page))
    save_picture(drawing, RESULTS / f"{name}.png", 150)
    print(page)
