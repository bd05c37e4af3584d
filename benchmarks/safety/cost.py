"""What safety costs: CPU time of saving and loading a run, against the same at an earlier commit of this repository."""

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.common import BLUE, GREY, LIGHT, ROOT, figure, options, publish, table, verdict

BEFORE = {"4c96a67~1": "before files were checked", "c3b637e": "when names loaded nothing"}  # commits
MOST = 1.1  # times
# Run in every checkout: what is timed uses nothing but what all of them have.
TIMED = """
import json, sys, tempfile, time
from pathlib import Path
import torch
import pinnkit as pk

torch.set_num_threads(1)
stages = [pk.Adam(5), pk.SSBroyden(20)]
u = pk.solve(pk.problem("burgers"), pk.MLP(2, *[int(sys.argv[1])] * 2, 1), 500, stages=stages, progress=False, seed=0)
path = Path(tempfile.mkdtemp()) / "run.h5"


def seconds(call):
    call()
    start, n = time.process_time(), 0
    while time.process_time() - start < float(sys.argv[2]):
        call()
        n += 1
    return (time.process_time() - start) / n


print(json.dumps({"save": seconds(lambda: pk.save(u, path)), "load": seconds(lambda: pk.load(path))}))
"""
WIDTHS = {"small network (8, 8)": 8, "large network (32, 32)": 32}


def extracted(commit: str, folder: Path) -> Path:
    """The repository as it was at a commit."""
    packed = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        tar.extractall(folder, filter="data")
    return folder


def timed(tree: Path, width: int, least: float) -> dict[str, float]:
    """CPU seconds of one save and one load, in a process of its own."""
    settings = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    words = [sys.executable, "-c", TIMED, str(width), str(least)]
    done = subprocess.run(words, cwd=tree, env=settings, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """CPU times of this checkout and of the earlier commits, taken in turn; medians, and of each turn's ratios too."""
    quick = options(__doc__).quick
    repeats, least = (1, 0.3) if quick else (9, 0.6)
    rows, lines, data = [], [], {}
    drawing, ax = figure()
    with tempfile.TemporaryDirectory() as place:
        trees = {commit: extracted(commit, Path(place) / str(i)) for i, commit in enumerate(BEFORE)} | {"now": ROOT}
        for name, width in WIDTHS.items():
            found = {commit: [] for commit in trees}
            for _ in range(repeats):
                for commit, tree in trees.items():
                    found[commit].append(timed(tree, width, least))
            for act in ("save", "load"):
                took = {commit: median(f[act] for f in runs) for commit, runs in found.items()}
                data[f"{act}, {name}"] = took
                for commit, said in BEFORE.items():
                    then, now = 1e3 * took[commit], 1e3 * took["now"]
                    turns = zip(found["now"], found[commit], strict=True)
                    ratio = median(n[act] / f[act] for n, f in turns)  # what disturbs a turn disturbs all of it
                    rows.append([act, name, f"{commit}: {said}", f"{then:.1f}", f"{now:.1f}", f"{ratio:.2f}"])
                    lines.append(verdict(f"{act}, {name}, against {commit}, times", ratio, MOST, most=True))
    for i, (commit, color) in enumerate(zip(("now", *BEFORE), (BLUE, GREY, LIGHT), strict=True)):
        at, ms = [x + 0.25 * i for x in range(len(data))], [1e3 * took[commit] for took in data.values()]
        ax.barh(at, ms, 0.25, label=commit, color=color)
    ax.set(xlabel="CPU time, ms", yticks=range(len(data)), yticklabels=list(data))
    ax.legend(frameon=False)
    head = ["", "run", "against", "CPU ms then", "CPU ms now", "ratio"]
    publish(
        "cost", "What safe files cost", f"{table(head, rows)}\n\n" + "\n".join(lines), {"cpu_s": data}, drawing, quick
    )


if __name__ == "__main__":
    main()
