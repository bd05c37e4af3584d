"""Barrier proofs as plain records, for files: floats, lists and expression trees, nothing that has to be run.

A file holds a certificate's figures, the proof behind its bound of the largest error, and what is added to the proof's
own bound: the jumps that were taken off at periodic ends, and the distance to the corrected solution.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import sympy as sp

from pinnkit.certificate.theorem.proof import BarrierProof, Enclosure, Slab, Spline
from pinnkit.tools.atomic_file import check_or_make_folder, put
from pinnkit.tools.hdf5_check import check_regular

if TYPE_CHECKING:
    from pinnkit.certificate.checker.check import CheckResult

FORMAT = "pinnkit barrier proof 1"
FILE = "pinnkit certificate 1"


class Proved(Protocol):
    """A certificate, as far as its file holds it: its figures, its proof, and what is added to the proof's bound."""

    @property
    def proof(self) -> BarrierProof | None:
        """The barrier behind the bound of the largest error."""

    @property
    def added(self) -> list[float]:
        """What is added to the proof's own bound."""

    def to_dict(self) -> dict[str, Any]:
        """All figures as plain numbers, text, lists and dicts."""


def record(proof: BarrierProof) -> dict[str, Any]:
    """The proof as JSON holds it; floats are kept exactly.

    Raises:
        ValueError: a coefficient with a function that a tree cannot hold.
    """
    x = proof.variables
    return {
        "format": FORMAT,
        "coordinates": [s.name for s in x],
        "time": proof.time,
        "box": {n: [float(v) for v in ends] for n, ends in proof.box.items()},
        "operator": [[list(J), tree(e, x)] for J, e in proof.operator],
        "walls": [{"face": w.face, "alpha": tree(w.alpha, x), "beta": tree(w.beta, x)} for w in proof.walls],
        "periodic": list(proof.periodic),
        "open": list(proof.open),
        "slabs": [_slab(s) for s in proof.slabs],
        "bound": float(proof.bound),
        "reach": None if proof.reach is None else float(proof.reach),
    }


def contents(found: Proved) -> dict[str, Any]:
    """What a file holds of a certificate, the proof under its own name (None where another theorem gave the bound)."""
    proof = None if found.proof is None else record(found.proof)
    return {"format": FILE, "certificate": found.to_dict(), "proof": proof, "added": found.added}


def write(found: Proved, file: Path) -> None:
    """The certificate in a JSON file, with its proof where there is one."""
    check_or_make_folder(file)
    put(file, lambda partial: partial.write_text(json.dumps(contents(found)) + "\n"))


def read(file: Path) -> dict[str, Any]:
    """The contents of such a file; FileNotFoundError where there is none, ValueError where it is another one."""
    if not file.exists():
        raise FileNotFoundError(f"there is no file {file}")
    check_regular(file)
    try:
        found = json.loads(file.read_text())
    except OSError as error:  # what fails within a file does not name it
        raise OSError(f"{file} cannot be read ({(error.strerror or str(error)).lower()})") from error
    except (ValueError, RecursionError):  # no JSON, no text, or a number of more digits than Python reads
        found = None
    if not isinstance(found, dict) or found.get("format") != FILE:
        raise ValueError(f"{file} holds no certificate: write one with pinnkit certify RUN.h5 --enclosed --out {file}")
    return found


def verified(found: Mapping[str, Any]) -> CheckResult:
    """The checker's findings on what a file holds, and whether the bound of the largest error follows.

    Raises:
        ValueError: no proof in it, a record that is not of the expected shape, or no python-flint.
    """
    if found["proof"] is None:
        raise ValueError("no proof is kept of its bound of the largest error, which is by a theorem with constants")
    try:
        from pinnkit.certificate.checker.check import check, exactly
    except ImportError:
        raise ValueError("proofs are checked with python-flint: pip install 'pinnkit[check]'") from None
    try:
        done = check(found["proof"])
        bounds = [b["value"] for b in found["certificate"]["bounds"] if b["norm"] == "sup"]
        whole = sum(map(exactly, found["added"]), exactly(found["proof"]["bound"]))
        done.require(all(exactly(v) >= 0 for v in found["added"]), "what is added to the proof's bound is negative")
        done.require(len(bounds) == 1 and exactly(bounds[0]) >= whole, "the bound is less than what the proof gives")
    except (KeyError, IndexError, TypeError, StopIteration, AttributeError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"the record of the proof is not of the expected shape ({error!r})") from None
    return done


def _slab(s: Slab) -> dict[str, Any]:
    return {
        "center": _spline(s.center), "width": _spline(s.width), "source": _enclosure(s.source),
        "misfits": [_enclosure(e) for e in s.misfits], "start": None if s.start is None else _enclosure(s.start),
        "slopes": [[list(J), _enclosure(e)] for J, e in s.slopes],
    }  # fmt: skip


def _spline(s: Spline) -> dict[str, Any]:
    return {
        "breaks": [np.asarray(z, float).tolist() for z in s.breaks], "degrees": list(s.degrees),
        "periodic": list(s.periodic), "coefficients": np.asarray(s.coefficients, float).tolist(),
    }  # fmt: skip


def _enclosure(e: Enclosure) -> dict[str, Any]:
    return {
        "breaks": [np.asarray(z, float).tolist() for z in e.breaks],
        "coefficients": np.asarray(e.coefficients, float).tolist(), "radius": np.asarray(e.radius, float).tolist(),
    }  # fmt: skip


def tree(e: sp.Expr, variables: tuple[sp.Symbol, ...]) -> list:
    """An expression as nested lists: ["+", ...], ["*", ...], ["^", base, exponent], ["number", "p", "q"], ["pi"],
    ["x", i] or [function, argument]."""
    e = sp.sympify(e, strict=True)
    if e in variables:
        return ["x", variables.index(e)]
    if e.is_Rational or e.is_Float:
        q = sp.Rational(e)
        return ["number", str(q.p), str(q.q)]
    if e == sp.pi:
        return ["pi"]
    if e == sp.E:
        return ["exp", ["number", "1", "1"]]
    if isinstance(e, (sp.Add, sp.Mul)):
        return ["+" if isinstance(e, sp.Add) else "*", *(tree(a, variables) for a in e.args)]
    if isinstance(e, sp.Pow):
        return ["^", *(tree(a, variables) for a in e.args)]
    if e.func.__name__ in ("exp", "log", "sin", "cos", "tan", "atan", "erf", "tanh", "sinh", "cosh"):
        return [e.func.__name__, tree(e.args[0], variables)]
    raise ValueError(f"{e} cannot be stored: expected rational numbers, powers and elementary functions")
