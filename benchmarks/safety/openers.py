"""Files that can be damaged, and every way in which pinnkit opens them: from Python, and by the shell's commands."""

import contextlib
import io
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import sympy as sp

import pinnkit as pk
from pinnkit.cli import main
from pinnkit.influence.map_file import load_map
from pinnkit.statement.symbolic import reference
from pinnkit.statement.symbolic.reference import Table
from pinnkit.tools import hdf5
from pinnkit.training.run_file import FORMAT, VERSION

from .damage import digest, told

Way = Callable[[Path], str]  # what is seen of a file; ValueError or OSError in a sentence where nothing is


class Unsaid(Exception):
    """A command that ended in another way than with a result or a sentence."""


@dataclass(frozen=True)
class Target:
    """A file in order, the name of its damaged copies, ways to open them; how often it, and each of them, is taken."""

    file: Path
    name: str
    ways: Mapping[str, tuple[Way, int]]
    often: int = 1


def spoken(words: list[str]) -> tuple[Any, str, str]:
    """A command in this process: its exit status, what it printed, what it complained of."""
    out, complaint = io.StringIO(), io.StringIO()
    code: Any = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(complaint):
        try:
            main(words)
        except SystemExit as left:
            code = left.code or 0
    return code, out.getvalue(), complaint.getvalue()


def printed(*words: str) -> Way:
    """A command with the file's name in the place of RUN."""

    def way(path: Path) -> str:
        code, out, complaint = spoken([str(path) if w == "RUN" else w for w in words])
        if code == 0:
            return out
        text = (complaint or out).strip()
        if code not in (1, 2) or not text or "Traceback" in text:
            raise Unsaid(f"status {code}: {text[-1000:]}")
        raise ValueError(text)

    return way


def gone_on(path: Path) -> str:
    """The end of a run that was not finished, from Python."""
    return digest(pk.resume(pk.load(path), progress=False))


def gone_on_in_shell(path: Path) -> str:
    """The same by `pinnkit solve --resume`."""
    printed("solve", "diffusion", "--resume", "--quiet", "--json", "--out", "RUN")(path)
    return told(hdf5.read(path, FORMAT, VERSION, only=("theta", "points")))


def table(path: Path) -> str:
    """A reference's grid, values and errors."""
    with mock.patch.object(reference, "data_file", lambda name: path):
        held = Table(path.name)
        return told([held._content, held.error, held.errors, held.quantities, held.method])


def targets(folder: Path) -> dict[str, Target]:
    """Two unfinished runs, of the catalogue and of a problem of one's own; a map, a certificate, a reference."""
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    own = pk.Problem(
        "mine", u, u.diff(t) - sp.Symbol("k") * u.diff(x, 2) - sp.sin(x), pk.Box(x=(0, 1), t=(0, 1)),
        [pk.Initial(u, sp.Piecewise((x, x < 1), (1, True))), pk.Dirichlet(u, t, on="x")], {"k": 0.2},
        reference=x * t, derived={"flux": u.diff(x)},
    )  # fmt: skip
    # Drawing takes seconds, so it is rare: what is refused before it is the same in all commands.
    ways: dict[str, tuple[Way, int]] = {
        "load": (lambda path: digest(pk.load(path)), 60),
        "report": (printed("report", "RUN", "--no-estimate", "--json"), 12),
        "influence": (printed("influence", "RUN", "--of", "loss", "--top", "2", "--json"), 8),
        "certify": (printed("certify", "RUN", "--no-corrected", "--json"), 6),
        "plot": (printed("plot", "RUN", "--json"), 1),
    }
    found = {
        "own": Target(unfinished(own, folder / "own.h5"), "run.h5", ways | {"resume": (gone_on, 10)}, 6),
        "listed": Target(
            unfinished(pk.problem("diffusion"), folder / "listed.h5"), "run.h5",
            ways | {"resume": (gone_on, 5), "solve --resume": (gone_on_in_shell, 5)}, 5,
        ),
    }  # fmt: skip
    run, made = found["listed"].file, folder / "map.h5"
    printed("influence", "RUN", "--of", "loss", "--out", str(made))(run)
    found["map"] = Target(made, "map.h5", {"load_map": (lambda path: told(vars(load_map(path))), 1)})
    proof = folder / "proof.json"
    printed("certify", "RUN", "--enclosed", "--no-corrected", "--out", str(proof))(run)
    found["proof"] = Target(proof, "proof.json", {"certify --check": (printed("certify", "RUN", "--check"), 1)})
    found["reference"] = Target(reference.data_file("heat_sine.h5"), "heat_sine.h5", {"Table": (table, 1)}, 2)
    return found


def unfinished(problem: pk.Problem, path: Path) -> Path:
    """A run that was interrupted after three of its four iterations."""

    def stop(solution: pk.Solution) -> None:
        if solution.progress.total == 3:
            signal.raise_signal(signal.SIGINT)

    stages = [pk.Adam(2), pk.SSBroyden(2)]
    pk.solve(problem, pk.MLP(2, 4, 1), 40, stages=stages, resample=pk.rad(every=1, candidates=60), checkpoint=path,
             progress=False, log_every=1, observe=stop)  # fmt: skip
    return path
