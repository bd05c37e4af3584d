"""Do error bars cover under noise that is not white, and is it said: a diffusivity from readings with six kinds of it.

``python -m benchmarks.error.coverage --number 200`` repeats measurement, training and error bars so often a kind,
and goes on where it was. Intervals should cover in 95 % of the cases; white noise should seldom be called something
else.
"""

import argparse
import json
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp
import torch

import pinnkit as pk
from benchmarks.common import RESULTS, RUNS, machine, table
from pinnkit.tools.atomic_file import put

TRUTH, SD, READINGS = 0.25, 0.03, 120
KINDS = {
    "white": "independent and equal",
    "outliers": "one reading in 20 has 15 times the noise",
    "proportional": "proportional to the value",
    "sensitive": "largest where the diffusivity is read",
    "correlated": "a smooth random field, of a length of 0.3",
    "offset": "independent, beside a constant of one standard deviation",
}
SAID = {"constant offset": "offset", "correlated": "correlated", "heteroscedastic": "unequal"}


def exact(X: np.ndarray) -> np.ndarray:
    """A rod that cools down."""
    x, t = X.T
    return np.exp(-(math.pi**2) * TRUTH * t) * np.sin(math.pi * x)


def noise(kind: str, X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise of one kind at places X (n, 2)."""
    e = rng.normal(size=len(X))
    if kind == "outliers":
        e = np.where(rng.uniform(size=len(X)) < 0.05, 15 * e, e)
    elif kind == "proportional":
        e = e * (0.1 + 2 * np.abs(exact(X)))
    elif kind == "sensitive":
        slope = np.abs(X[:, 1] * exact(X))
        e = e * (0.1 + 3 * slope / slope.max())
    elif kind == "correlated":
        square = ((X[:, None] - X) ** 2).sum(-1)
        e = np.linalg.cholesky(np.exp(-square / (2 * 0.3**2)) + 1e-8 * np.eye(len(X))) @ e
    elif kind == "offset":
        e = e + 1
    return SD * e


def measured(kind: str, seed: int) -> pk.Problem:
    """The rod's unknown diffusivity, its walls and its start, and readings in the interior."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    x, t = pk.coordinates("x t")
    u, D = pk.field("u", x, t), sp.Symbol("D")
    X = rng.uniform(size=(READINGS, 2))
    y = torch.as_tensor(exact(X) + noise(kind, X, rng))
    readings = pk.Observations(u, torch.as_tensor(X), y, name="readings")
    conditions, box = [pk.Initial(u, sp.sin(sp.pi * x)), pk.Dirichlet(u, 0), readings], pk.Box(x=(0, 1), t=(0, 1))
    return pk.Problem("rod", u, u.diff(t) - D * u.diff(x, 2), box, conditions, unknowns={"D": 0.4})


def repetition(kind: str, seed: int) -> dict[str, Any]:
    """One measurement with its error bars, and what is said of the noise."""
    began, stages = time.process_time(), [pk.Adam(60, lr=5e-3), pk.SSBroyden(100)]
    settings = {"stages": stages, "seed": seed, "resample": None, "progress": False}
    solution = pk.solve(measured(kind, seed), pk.MLP(2, 10, 1), {"pde": 200}, **settings)
    found = pk.uncertainty(solution)
    low, high = found.interval()[0].tolist()
    return {
        "kind": kind, "seed": seed, "interval": [low, high], "corrected": float(found.corrected), "white": float(
            found.white[0, 0] ** 0.5), "notes": list(found.notes), "cpu_s": time.process_time() - began,
    }  # fmt: skip


def page(rows: Sequence[Mapping[str, Any]]) -> str:
    """Coverage and what was said, by kind of noise."""
    lines = []
    for kind, words in KINDS.items():
        own = [row for row in rows if row["kind"] == kind]
        if not own:
            continue
        n = len(own)
        inside = sum(row["interval"][0] <= TRUTH <= row["interval"][1] for row in own)
        plain = sum(abs(row["corrected"] - TRUTH) <= 1.98 * row["white"] for row in own)
        notes = [note for row in own for note in row["notes"]]
        said = Counter(next(short for word, short in SAID.items() if word in note) for note in notes)
        noted = sum(bool(row["notes"]) for row in own)
        half = float(np.median([(row["interval"][1] - row["interval"][0]) / 2 for row in own]))
        error = math.sqrt(sum((row["corrected"] - TRUTH) ** 2 for row in own) / n)
        lines.append([
            f"{kind}: {words}", n, f"{inside / n:.1%}", f"{plain / n:.1%}", f"{noted / n:.1%}",
            ", ".join(f"{name} {count / n:.0%}" for name, count in said.most_common()), f"{half:.1e}", f"{error:.1e}",
        ])  # fmt: skip
    head = ["noise", "repetitions", "95 % interval covers", "if taken for white", "noted", "as", "half width (median)",
            "root mean square error"]  # fmt: skip
    cost = sum(row["cpu_s"] for row in rows) / max(len(rows), 1)
    return f"{table(head, lines)}\n\n{READINGS} readings; {cost:.1f} s of CPU a repetition, training included."


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=200, help="repetitions of every kind")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS), help="kinds of noise")
    where = RUNS / "coverage.jsonl"
    parser.add_argument("--file", type=Path, default=where, help="where the results are kept")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    path = arguments.file
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    done = {(row["kind"], row["seed"]) for row in rows}
    for seed in range(arguments.number):
        for kind in arguments.kinds:
            if (kind, seed) not in done:
                rows.append(repetition(kind, seed))
                with path.open("a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
    rows = [row for row in rows if row["seed"] < arguments.number]
    about = machine()
    text = f"# Coverage of error bars\n\n{page(rows)}\n\n{about['cores']} cores, {about['processor']}; one thread.\n"
    if arguments.number >= 50 and set(arguments.kinds) == set(KINDS):
        put(RESULTS / "coverage.md", lambda file: file.write_text(text))
    print(text)


if __name__ == "__main__":
    main()
