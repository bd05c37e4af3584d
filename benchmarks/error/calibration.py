"""How often verdicts hold, out of sample: random problems, well, badly and hardly trained, and corrected.

The first problems set the thresholds of ``pinnkit/error/verdict.py``; the others, of which nothing was known then, give
the figures. Every result is appended to a file as soon as it is there, models are kept in a folder: an interrupted run
goes on where it was, and a larger ``--problems`` adds to it.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import pinnkit as pk
from benchmarks.common import RESULTS, RUNS, figure, options, publish, table, verdict
from benchmarks.error.random_problems import KINDS, drawn, trained
from pinnkit.error.verdict import LEAST, REACH, ErrorParts

SMALL = 1e-3  # a true relative error up to which a model deserves trust
FIRST = 112  # so many problems set thresholds
EXACT = 1e-15  # a relative error that double precision cannot tell from 0


@dataclass(frozen=True)
class Case:
    """One model of one problem: every field's true error and the map's figures."""

    number: int
    stage: str  # trained or corrected
    kind: str
    training: str
    true: Mapping[str, float]
    found: Mapping[str, Any]
    refused: str  # why a trained model was not corrected, if so
    cpu_s: float

    @property
    def first(self) -> bool:
        """Whether it belongs to the problems that set thresholds; every kind is on both sides."""
        return self.number < FIRST

    @property
    def trusted(self) -> bool:
        """Whether the verdict is "trust"."""
        return self.found["verdict"] == "trust"

    def within(self, factor: float) -> bool:
        """Whether all true errors are in their intervals, widened by a factor."""
        pairs = [(true, *sign.interval) for true, sign in self.signs()]
        return all(low / factor <= max(e, EXACT) and e <= max(high, EXACT) * factor for e, low, high in pairs)

    def signs(self) -> Iterator[tuple[float, ErrorParts]]:
        """The true error and the signs of every field."""
        for name, parts in self.found["parts"].items():
            yield self.true[name], ErrorParts(**parts)


def measured(number: int, folder: Path) -> list[Case]:
    """The model of that number, stored or trained now, and the corrected one, under the error map."""
    draw, path = drawn(number), folder / f"{number}.h5"
    if not path.exists():
        pk.save(trained(draw), path, small=True)
    solution = pk.load(path, draw.problem)
    better = pk.correct(solution)
    refused = better.notes[-1] if better.model is solution.model else ""
    cases = []
    for stage, model in (("trained", solution), ("corrected", better)):
        if stage == "corrected" and refused:
            continue
        began = time.process_time()
        found, errors = pk.error_map(model), model.errors()
        true = {name: errors[name]["relative_l2"] for name in found.relative_l2}
        spent = time.process_time() - began
        cases.append(Case(number, stage, draw.kind, draw.training, true, found.to_dict(), refused, spent))
    return cases


def collect(numbers: Sequence[int], folder: Path, store: Path) -> list[Case]:
    """The cases of these problems; those in the file ``store`` are not measured again."""
    cases = [Case(**json.loads(line)) for line in store.read_text().splitlines()] if store.exists() else []
    done = {case.number for case in cases}
    with store.open("a") as file:
        for number in numbers:
            if number in done:
                continue
            new = measured(number, folder)
            file.write("".join(json.dumps(vars(case)) + "\n" for case in new))
            file.flush()
            cases += new
            print(f"{number} {new[0].kind}, {new[0].training}: {new[0].found['verdict']}", file=sys.stderr, flush=True)
    return [case for case in cases if case.number in numbers]


def asked(cases: Sequence[Case]) -> dict[str, float]:
    """What the thresholds have to be for 97 % of the fields of trusted models to lie in their intervals."""
    reach, least = [], []
    for case in cases:
        for true, sign in case.signs() if case.trusted else ():
            reach.append(abs(true - sign.seen) / max(sign.unseen, EXACT))
            least.append(sign.estimate / max(true, EXACT))
    return {"REACH": float(np.quantile(reach, 0.97)), "LEAST": float(np.quantile(least, 0.97))} if reach else {}


def share(cases: Sequence[Case], holds: Callable[[Case], bool]) -> float:
    """The share of the cases for which something holds; of none, 1."""
    return sum(map(holds, cases)) / max(len(cases), 1) if cases else 1.0


def worse(cases: Sequence[Case]) -> tuple[int, int]:
    """Of how many trusted models the correction made the error of a field worse by more than 1 %, and of how many."""
    before = {case.number: case for case in cases if case.stage == "trained" and case.trusted}
    pairs = [(before[c.number], c) for c in cases if c.stage == "corrected" and c.number in before]
    bad = sum(any(b.true[n] > max(1.01 * a.true[n], EXACT) for n in a.true) for a, b in pairs)
    return bad, len(pairs)


def page(cases: Sequence[Case]) -> str:
    """Figures of the later problems, by kind and together, and what the first ask for."""
    first, second = ([c for c in cases if c.first is half] for half in (True, False))
    lines = []
    for kind in (*KINDS, "trained", "corrected"):
        own = [c for c in second if kind in (c.kind, c.stage)]
        sure = [c for c in own if c.trusted]
        small = [c for c in own if max(c.true.values()) <= SMALL]
        lines.append([kind, len(own), len(sure), sum(c.within(1) for c in sure), sum(c.within(2) for c in sure),
                      len(small), sum(c.trusted for c in small)])  # fmt: skip
    head = ["", "models", "trusted", "in the interval", "within 2", f"error <= {SMALL:g}", "trusted of these"]
    sure = [c for c in second if c.trusted]
    bad, corrected = worse(cases)
    limits = ", ".join(f"{k} {v:.1f}" for k, v in asked(first).items())
    known = (
        f"{len(first)} models of the first {FIRST} problems: 97 % of their trusted fields ask for {limits}; the "
        f"package has REACH {REACH:g}, LEAST {LEAST:g}. "
    )
    summary = [
        f"{known if first else ''}{len(second)} models of later problems, of which the table is:",
        "",
        verdict("true error inside the interval of trusted models, %", 100 * share(sure, lambda c: c.within(1)), 95),
        verdict("inside by a factor of 2, %", 100 * share(sure, lambda c: c.within(2)), 98),
        verdict(
            f"trusted of those with a true error of at most {SMALL:g}, %",
            100 * share([c for c in second if max(c.true.values()) <= SMALL], lambda c: c.trusted), 60,
        ),
        verdict(f"trusted models made worse by a correction ({corrected} corrected)", bad, 0, most=True),
        f"- CPU seconds of a map: {np.median([c.cpu_s for c in cases]):.1f} in the median, "
        f"{max(c.cpu_s for c in cases):.1f} at most",
    ]  # fmt: skip
    return "\n".join(summary) + "\n\n" + table(head, lines)


def draw(cases: Sequence[Case]) -> Any:
    """True errors against estimates with their intervals, of the later problems."""
    picture, ax = figure(size=(5.6, 5.2))
    for sure, colour, label in ((True, "#0072B2", "trust"), (False, "#D55E00", "no trust")):
        points = [(s.estimate, *s.interval, max(e, EXACT)) for c in cases if not c.first and c.trusted is sure
                  for e, s in c.signs()]  # fmt: skip
        if points:
            e, low, high, true = np.maximum(np.array(points).T, EXACT)
            ax.errorbar(true, e, np.maximum([e - low, high - e], 0), fmt="o", ms=3, lw=0.6, color=colour, label=label)
    ends = [EXACT / 2, 10]
    ax.plot(ends, ends, color="0.6", lw=0.8, zorder=0)
    ax.set(xscale="log", yscale="log", xlabel="true relative L2 error", ylabel="estimate and interval", xlim=ends)
    ax.legend(frameon=False)
    return picture


def main() -> None:
    """Measure what is missing, then print the figures."""
    runs = {"type": Path, "default": RUNS / "calibration", "help": "where models are stored"}
    count = {"type": int, "default": 200, "help": "so many random problems, each trained and corrected"}
    later = {"action": "store_true", "help": "only the problems that give the figures, not those that set thresholds"}
    arguments = options(__doc__, ("--folder", runs), ("--problems", count), ("--later", later))
    torch.set_num_threads(1)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    RESULTS.mkdir(exist_ok=True)
    problems = 2 * len(KINDS) if arguments.quick else arguments.problems
    store = arguments.folder / "cases.jsonl"
    numbers = range(FIRST if arguments.later and not arguments.quick else 0, problems)
    cases = collect(numbers, arguments.folder, store)
    figures = {"problems": problems, "asked": asked([c for c in cases if c.first])}
    publish("calibration", "Verdicts on random problems", page(cases), figures, draw(cases), arguments.quick)


if __name__ == "__main__":
    main()
