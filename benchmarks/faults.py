"""Campaigns of robustness: killed runs, damaged and forged run files, fuzzed command lines and problem files.

Every case has a seed and is a line of benchmarks/runs/faults/NAME.jsonl: a campaign goes on where it stopped. A case
is "fine" (the undamaged file's contents to the last bit, or a changed value that was taken as it stands), "refused"
in one sentence, or a fault: a "traceback", "different" bits that nobody was told of, "slow" or "large", "executed"
(a planted Python file was run), "crashed" (the process died).
"""

import contextlib
import io
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .common import figure, options, publish, table
from .damage import HARMS, digest
from .memory import memory

RUNS = Path(__file__).parent / "runs" / "faults"
COUNTS = {"bytes": 3000, "structure": 2000, "texts": 5000, "commands": 2000, "problems": 500, "kills": 500}
QUICK = {"bytes": 60, "structure": 60, "texts": 60, "commands": 40, "problems": 20, "kills": 4}
SECONDS, MEGABYTES = 5.0, 300.0  # beyond the undamaged file's
HANG = 60  # seconds after which a case is given up
BATCH = 50  # cases a process, so that one that dies takes no others with it
GOOD = ("fine", "refused")
Case = Callable[[int], dict[str, Any]]


class Hang(BaseException):
    """A case took too long."""


def _hang(*_: Any) -> None:
    raise Hang


def made(folder: Path) -> dict[str, Path]:
    """Two runs to be damaged: of the catalogue, and of a problem of one's own, whose file holds its statement."""
    import sympy as sp

    import pinnkit as pk

    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    own = pk.Problem(
        "mine", u, u.diff(t) - sp.Symbol("k") * u.diff(x, 2) - sp.sin(x), pk.Box(x=(0, 1), t=(0, 1)),
        [pk.Initial(u, sp.Piecewise((x, x < 1), (1, True))), pk.Dirichlet(u, t, on="x")], {"k": 0.2},
        reference=x * t, derived={"flux": u.diff(x)},
    )  # fmt: skip
    found = {}
    for name, problem in (("listed", pk.problem("diffusion")), ("own", own)):
        path = folder / f"{name}.h5"
        stages = [pk.Adam(2), pk.SSBroyden(2)]
        pk.solve(problem, pk.MLP(2, 4, 1), 40, stages=stages, resample=pk.rad(every=1, candidates=60), checkpoint=path,
                 progress=False)  # fmt: skip
        found[name] = path
    return found


def plant(folder: Path) -> None:
    """A Python file that leaves a trace when it is run or imported."""
    for name in ("evil", "mine"):
        (folder / f"{name}.py").write_text("import pathlib\npathlib.Path('RAN').touch()\nproblem = None\n")


def damaged(kind: str, folder: Path) -> Case:
    """Cases that harm one of the two runs, open it, and look."""
    import pinnkit as pk

    runs = made(folder)
    whole = {name: digest(pk.load(path)) for name, path in runs.items()}
    plant(folder)
    sys.path.insert(0, str(folder))

    def case(seed: int) -> dict[str, Any]:
        rng = random.Random(f"{kind} {seed}")
        name, path = rng.choice(sorted(runs)), folder / "run.h5"
        path.write_bytes(runs[name].read_bytes())
        what = f"{name} {HARMS[kind](path, rng)}"
        start, before = time.process_time(), _peak()
        try:
            same = digest(pk.load(path)) == whole[name]
            result, text = ("fine" if same or kind != "bytes" else "different"), ""
        except (ValueError, OSError) as error:
            text = str(error)
            result = "refused" if str(path) in text and "\n" not in text else "unnamed"
        seconds, large = time.process_time() - start, memory("VmHWM") - before
        result = "slow" if seconds > SECONDS else "large" if large > MEGABYTES else result
        result = "executed" if Path("RAN").exists() else result
        return {"result": result, "what": what, "text": text[:200]}

    return case


def _peak() -> float:
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


WORDS = (
    "", " ", "-", "--", "nan", "inf", "-1", "0", "1e999", "99999999999999999999", "x", "x=", "=x", "u@", "u@x=nan",
    "adam:0", "adam:-1", "adam:x", "rad:9", "é\u202e", "../..", ".", "/dev/null", "nowhere/x.h5", "mine.py", "x.png",
    "run.h5", "--json", "--problem", "--set", "nu=1", "--network", "8,8", "--points", "pde=3", "--seed", "--out",
    "--of", "--top", "--resample", "--stages", "--dtype", "--device", "--balance", "--every", "--threads", "--check",
)  # fmt: skip
VALID = (
    ["solve", "diffusion", "--time-limit", "0", "--points", "20", "--out", "made.h5", "--overwrite"],
    ["report", "run.h5", "--no-estimate"], ["plot", "run.h5", "--format", "png"], ["problems"], ["--version"],
    ["export", "run.h5", "--nodes", "30", "--times", "2"], ["certify", "run.h5", "--no-twin"],
    ["certify", "run.h5", "--check"], ["influence", "run.h5", "--of", "loss", "--top", "1"],
    ["symmetries", "diffusion"], ["correct", "run.h5"], ["error", "run.h5"], ["validate", "run.h5"],
)  # fmt: skip


def commands(folder: Path) -> Case:
    """Cases that change some words of a command line."""
    run = made(folder)["listed"].rename(folder / "run.h5").read_bytes()
    plant(folder)

    def case(seed: int) -> dict[str, Any]:
        rng = random.Random(f"commands {seed}")
        words = list(rng.choice(VALID))
        for _ in range(rng.choice([1, 1, 2, 3])):
            at, word = rng.randrange(1, len(words) + 1), rng.choice(WORDS)
            words[at : at + rng.randrange(2)] = [word]
        (folder / "run.h5").write_bytes(run)
        return {"what": " ".join(map(repr, words))} | called(words)

    return case


def called(words: list[str]) -> dict[str, Any]:
    """What a command did: the exit status must be 0, or 1 or 2 with a sentence."""
    from pinnkit.cli import main

    out, complaint = io.StringIO(), io.StringIO()
    code: Any = None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(complaint):
        try:
            main(words)
        except SystemExit as left:
            code = left.code
    text = complaint.getvalue()
    fine = code == 0 or (code in (1, 2) and bool(text.strip() or out.getvalue().strip()))
    result = "traceback" if "Traceback" in text or not fine else "fine" if code == 0 else "refused"
    return {"result": result, "text": text[-200:]}


STATEMENT = """import sympy as sp
import pinnkit as pk

x, t = pk.coordinates("x t")
u = pk.field("u", x, t)


def problem():
    return pk.Problem(
        "mine", u, u.diff(t) - 0.2 * u.diff(x, 2) - sp.sin(x), pk.Box(x=(0, 1), t=(0, 1)),
        [pk.Initial(u, x * (1 - x)), pk.Dirichlet(u, 0, on="x")], reference=None,
    )
"""
PIECES = (
    "0", "None", "-1", "'x'", "x", "u", "sp.oo", "sp.nan", "sp.I", "[]", "{}", "lambda: 1", "1/0", "sp.Symbol('q')",
    "pk", "u.diff(x, 5)", "float('nan')", "(", ")", ",", "\n", "  ", "é", "sp.DiracDelta(x)", "1e400", "raise", "yield",
)  # fmt: skip


def problems(folder: Path) -> Case:
    """Cases that change a file which states a problem, and solve it for no time."""

    def case(seed: int) -> dict[str, Any]:
        rng = random.Random(f"problems {seed}")
        text = STATEMENT
        for _ in range(rng.choice([1, 1, 2])):
            at = rng.randrange(100, len(text))
            text = text[:at] + rng.choice(PIECES) + text[at + rng.choice([0, 1, 1, 3, 8]) :]
        (folder / "mine.py").write_text(text)
        words = ["solve", "mine.py", "--time-limit", "0", "--points", "20", "--network", "4", "--out", "made.h5"]
        return {"what": text[100:]} | called([*words, "--overwrite", "--quiet"])

    return case


def campaign(name: str, count: int) -> list[dict[str, Any]]:
    """All cases of a campaign, those that were never run in processes of their own, a batch each."""
    RUNS.mkdir(parents=True, exist_ok=True)
    file = RUNS / f"{name}.jsonl"
    while len(known := _known(file)) < count:
        child = os.fork()
        if child == 0:
            try:
                _batch(name, file, [s for s in range(count) if s not in known][:BATCH])
            except BaseException:
                traceback.print_exc()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        begun = [r["seed"] for r in _lines(file) if "result" not in r]
        left = set(begun) - set(_known(file))
        for seed in left:
            _append(file, {"seed": seed, "result": "crashed", "what": f"wait status {status}", "text": ""})
        if not left and len(_known(file)) == len(known):
            raise RuntimeError(f"the campaign {name} does not get on: wait status {status}")
    return [r for s, r in sorted(_known(file).items()) if s < count]


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def _known(file: Path) -> dict[int, dict[str, Any]]:
    return {r["seed"]: r for r in _lines(file) if "result" in r}


def _append(file: Path, row: dict[str, Any]) -> None:
    with file.open("a") as out:
        out.write(json.dumps(row) + "\n")


def _batch(name: str, file: Path, seeds: list[int]) -> None:
    from . import kills

    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        folder = Path(place)
        makers = {"commands": commands, "problems": problems, "kills": kills.cases}
        case = damaged(name, folder) if name in HARMS else makers[name](folder)
        signal.signal(signal.SIGALRM, _hang)
        for seed in seeds:
            _append(file, {"seed": seed})
            signal.alarm(HANG * (10 if name == "kills" else 1))
            try:
                found = case(seed)
            except Hang:
                found = {"result": "slow", "what": "", "text": f"no end within {HANG} s"}
            except Exception:
                found = {"result": "traceback", "what": "", "text": traceback.format_exc()[-1500:]}
            signal.alarm(0)
            _append(file, {"seed": seed} | found)
        os.chdir("/")


def main() -> None:
    """The campaigns that are named, all of them unless told otherwise, and one table."""
    arguments = options(
        __doc__, ("--only", {"nargs": "*", "choices": list(COUNTS), "help": "these campaigns"}),
        ("--count", {"type": int, "help": "cases of each"}),
        ("--known", {"action": "store_true", "help": "no new ones"}),
    )  # fmt: skip
    rows, data, faults = [], {}, []
    for name, most in (QUICK if arguments.quick else COUNTS).items():
        if arguments.only and name not in arguments.only:
            continue
        count = len(_known(RUNS / f"{name}.jsonl")) if arguments.known else arguments.count or most
        found = campaign(name, count)
        results = Counter(r["result"] for r in found)
        bad = [r for r in found if r["result"] not in GOOD]
        faults += [f"- {name} {r['seed']}: {r['result']}: {r['what'][-80:]!r}" for r in bad[:20]]
        data[name] = dict(results)
        rows.append([name, len(found), results["fine"], results["refused"], len(bad)])
    head = ["campaign", "cases", "fine", "refused in one sentence", "faults"]
    text = f"{table(head, rows)}\n\n{_limits()}" + ("\n\n" + "\n".join(faults) if faults else "")
    drawing, ax = figure()
    ax.barh([r[0] for r in rows], [r[1] for r in rows], color="#1f5fa8")
    ax.set(xlabel="cases", xscale="log")
    publish("faults", "Campaigns of robustness", text, {"results": data}, drawing, arguments.quick)


def _limits() -> str:
    return (
        f"A fault is a traceback, bits that differ and nobody says so, a planted Python file that runs, or more than "
        f"{SECONDS:g} CPU s or {MEGABYTES:g} MB to open a file."
    )


if __name__ == "__main__":
    main()
