"""Campaigns of robustness: killed runs, damaged and forged run files, fuzzed command lines and problem files.

Every case has a seed; results/faults.json counts what came of the seeds so far, by commit, and a campaign goes on with
those that follow, so that runs of several days add up. A case is "fine" (the undamaged file's contents to the last
bit, or a changed value that was taken as it stands), "refused" in one sentence, or a fault: a "traceback", "different"
bits that nobody was told of, "slow" or "large", "executed" (a planted Python file was run), "crashed" (the process
died), "torn" or "left behind" (on a full disk, by a killed run), "unfinished" (told to end, it ended otherwise than
with status 143, or could not be gone on with). ``--again 20 --count 0`` tries 20 cases like every fault once more.
"""

import json
import math
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pinnkit as pk
from benchmarks.common import RESULTS, figure, options, publish
from benchmarks.speed.memory import memory
from pinnkit.statement.symbolic.reference import CHECKSUMS, data_file
from pinnkit.tools.atomic_file import put

from .damage import HARMS
from .openers import Target, spoken, targets, unfinished
from .tally import Tally

COUNTS = {
    "bytes": 3000, "structure": 2000, "texts": 5000, "commands": 2000, "problems": 500, "kills": 500, "marches": 24,
    "disk": 500, "terms": 64,
}  # fmt: skip
QUICK = {
    "bytes": 60, "structure": 60, "texts": 60, "commands": 40, "problems": 20, "kills": 12, "marches": 0, "disk": 40,
    "terms": 4,
}  # fmt: skip
SECONDS, MEGABYTES = 5.0, 300.0  # beyond the undamaged file's
HANG = 180  # seconds after which a case is given up
BATCH = 300  # cases a process, so that one that dies takes no others with it
KEPT = 20  # cases after which the counts are written, so that a campaign that is ended goes on where it was
GOOD = ("fine", "refused")
Case = Callable[[int], dict[str, Any]]


class Hang(BaseException):
    """A case took too long."""


def _hang(*_: Any) -> None:
    raise Hang


def plant(folder: Path) -> None:
    """A Python file that leaves a trace when it is run or imported."""
    for name in ("evil", "mine"):
        (folder / f"{name}.py").write_text("import pathlib\npathlib.Path('RAN').touch()\nproblem = None\n")


def damaged(kind: str, folder: Path, known: Mapping[str, Target] | None = None) -> Case:
    """Cases that harm a file, of those ``known`` or of all kinds, open it in one of its ways, and look."""
    held = targets(folder) if known is None else known
    contents = {name: target.file.read_bytes() for name, target in held.items()}  # some are damaged in their own place
    whole: dict[tuple[str, str], tuple[str | None, float, float]] = {}
    plant(folder)
    sys.path.insert(0, str(folder))
    shutil.copy(data_file(CHECKSUMS), folder)

    def opened(name: str, way: str, path: Path) -> tuple[str | None, str, float, float]:
        """What is seen of the file, None where it is refused; in what words; CPU seconds and MB."""
        start, before = time.process_time(), _peak()
        try:
            seen, text = held[name].ways[way][0](path), ""
        except (ValueError, OSError) as error:
            seen, text = None, str(error)
        return seen, text, time.process_time() - start, memory("VmHWM") - before

    def case(seed: int, aim: tuple[str, str, str] | None = None) -> dict[str, Any]:
        rng = random.Random(f"{kind} {seed}")
        name = rng.choices(sorted(held), [held[n].often for n in sorted(held)])[0] if aim is None else aim[0]
        target = held[name]
        way = rng.choices(list(target.ways), [often for _, often in target.ways.values()])[0] if aim is None else aim[1]
        path = folder / target.name
        if (name, way) not in whole:
            for _ in range(2):  # the first time kernels are compiled and modules loaded
                path.write_bytes(contents[name])
                seen, text, seconds, large = opened(name, way, path)
            whole[name, way] = seen, seconds, large
        harm = None
        while harm is None or aim is not None and harm != aim[2]:
            path.write_bytes(contents[name])
            harm = HARMS[kind](path, rng)
        expected, seconds, large = whole[name, way]
        seen, text, more, peak = opened(name, way, path)
        if seen is None:
            result = "refused" if expected is None or str(path) in text and "\n" not in text else "unnamed"
        else:
            result = "fine" if seen == expected or kind != "bytes" or name == "proof" else "different"
        result = "slow" if more > seconds + SECONDS else "large" if peak > large + MEGABYTES else result
        result = "executed" if Path("RAN").exists() else result
        return {"result": result, "kind": f"{name}, {way}", "what": harm, "text": text[:200]}

    return case


def again(known: Tally, count: int) -> None:
    """So many new cases for every fault of damaged files: the same file, opened in the same way, harmed in its place.

    What they come to is kept with the fault, as what the page says of it.
    """
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        held = targets(Path(place))
        cases = {kind: damaged(kind, Path(place), held) for kind in HARMS}
        for campaign, text in known.faults():
            seed, _, told, what = (part.strip() for part in text.split(":", 3))
            name, _, way = told.partition(", ")
            if campaign in HARMS and name in held:
                found = [cases[campaign](10**6 + 1000 * int(seed) + i, (name, way, what)) for i in range(count)]
                known.seen_again(campaign, text, Counter(row["result"] for row in found))
        os.chdir("/")


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
    ["export", "run.h5", "--nodes", "30", "--times", "2"], ["certify", "run.h5", "--no-corrected"],
    ["certify", "run.h5", "--check"], ["influence", "run.h5", "--of", "loss", "--top", "1"],
    ["symmetries", "diffusion"], ["correct", "run.h5"], ["error", "run.h5"], ["validate", "run.h5"],
)  # fmt: skip


def commands(folder: Path) -> Case:
    """Cases that change some words of a command line."""
    run = unfinished(pk.problem("diffusion"), folder / "run.h5").read_bytes()
    plant(folder)

    def case(seed: int) -> dict[str, Any]:
        rng = random.Random(f"commands {seed}")
        words = list(rng.choice(VALID))
        for _ in range(rng.choice([1, 1, 2, 3])):
            at, word = rng.randrange(1, len(words) + 1), rng.choice(WORDS)
            words[at : at + rng.randrange(2)] = [word]
        (folder / "run.h5").write_bytes(run)
        return {"kind": words[0], "what": " ".join(map(repr, words))} | called(words)

    return case


def called(words: list[str]) -> dict[str, Any]:
    """What a command did: the exit status must be 0, or 1 or 2 with a sentence."""
    code, out, text = spoken(words)
    fine = code == 0 or (code in (1, 2) and bool(text.strip() or out.strip()))
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
        return {"kind": "solve FILE.py", "what": text[100:]} | called([*words, "--overwrite", "--quiet"])

    return case


def campaign(name: str, seeds: range, until: float) -> Iterator[dict[str, Any]]:
    """The cases of a campaign, in processes of their own, a batch each, until a time."""
    left = list(seeds)
    while left and time.time() < until:
        with tempfile.NamedTemporaryFile("r", suffix=".jsonl") as lines:
            child = os.fork()
            if child == 0:
                try:
                    _batch(name, Path(lines.name), left[:BATCH], until)
                except BaseException:
                    traceback.print_exc()
                os._exit(0)
            _, status = os.waitpid(child, 0)
            rows = {r["seed"]: r for r in map(json.loads, lines)}  # of a case that came to its end the second line
        if not rows:
            raise RuntimeError(f"the campaign {name} does not get on: wait status {status}")
        for r in rows.values():
            yield {"result": "crashed", "kind": "", "what": f"wait status {status}", "text": ""} | r
        left = left[len(rows) :]


def _batch(name: str, file: Path, seeds: list[int], until: float) -> None:
    from . import disk, kills, terms

    def say(row: dict[str, Any]) -> None:
        with file.open("a") as out:
            out.write(json.dumps(row) + "\n")

    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        folder = Path(place)
        makers = {"commands": commands, "problems": problems, "kills": kills.cases, "disk": disk.cases,
                  "terms": terms.cases,
                  "marches": lambda folder: kills.cases(folder, kills.marches())}  # fmt: skip
        case = damaged(name, folder) if name in HARMS else makers[name](folder)
        signal.signal(signal.SIGALRM, _hang)
        for seed in seeds:
            say({"seed": seed})
            signal.alarm(HANG * (10 if name in ("kills", "marches", "terms") else 1))
            try:
                found = case(seed)
            except Hang:
                found = {"result": "slow", "kind": "", "what": "", "text": f"no end within {HANG} s"}
            except Exception:
                found = {"result": "traceback", "kind": "", "what": "", "text": traceback.format_exc()[-1500:]}
            signal.alarm(0)
            say({"seed": seed} | found)
            if time.time() > until:
                break
        os.chdir("/")


def main() -> None:
    """So many new cases of the campaigns that are named, or of all; the table is of all that were ever run."""
    arguments = options(
        __doc__, ("--only", {"nargs": "*", "choices": list(COUNTS), "help": "these campaigns"}),
        ("--count", {"type": int, "help": "new cases of each; what lacks of the target unless given"}),
        ("--seconds", {"type": float, "default": math.inf, "help": "an end for each campaign"}),
        ("--merge", {"nargs": "*", "type": Path, "default": [], "help": "tallies of other checkouts"}),
        ("--again", {"type": int, "default": 0, "help": "so many cases more like every fault of damaged files"}),
        ("--first", {"type": int, "help": "look at these seeds again: print them, keep nothing"}),
    )  # fmt: skip
    file = RESULTS / "faults.json"
    known = Tally() if arguments.quick or not file.exists() else Tally.of(json.loads(file.read_text()))
    for other in arguments.merge:
        known.join(Tally.of(json.loads(other.read_text())))
    if arguments.again:
        again(known, arguments.again)
    seen = 0
    for name, most in (QUICK if arguments.quick else COUNTS).items():
        if arguments.only and name not in arguments.only:
            continue
        first = known.following(name) if arguments.first is None else arguments.first
        count = max(0, most - known.cases(name)) if arguments.count is None else arguments.count
        for row in campaign(name, range(first, first + count), time.time() + arguments.seconds):
            if arguments.first is not None:
                print(json.dumps(row))
                continue
            known.add(name, row, fault=row["result"] not in GOOD)
            if not arguments.quick and (seen := seen + 1) % KEPT == 0:
                put(file, lambda partial: partial.write_text(json.dumps(known.to_dict())))
            if row["result"] not in GOOD:
                print(name, json.dumps(row), file=sys.stderr, flush=True)
    if arguments.first is None:
        drawing, ax = figure()
        ax.barh(list(COUNTS), [known.cases(name) for name in COUNTS], color="#1f5fa8")
        ax.set(xlabel="cases", xscale="log")
        publish("faults", "Campaigns of robustness", known.text(COUNTS) + LIMITS, known.to_dict(), drawing,
                arguments.quick)  # fmt: skip


LIMITS = f"""

A fault is a traceback, bits that differ and nobody says so, a planted Python file that runs, what is torn or left
behind, a refusal that does not name the file (unnamed), or more than {SECONDS:g} CPU s or {MEGABYTES:g} MB beyond
what the undamaged file takes. A case is seen
again, at its commit, with `python -m benchmarks.safety.faults --only CAMPAIGN --first SEED --count 1`."""


if __name__ == "__main__":
    main()
