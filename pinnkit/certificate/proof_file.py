"""Barrier proofs as plain records, for files: floats, lists and expression trees, nothing that has to be run."""

from typing import Any

import numpy as np
import sympy as sp

from .barrier_proof import BarrierProof, Enclosure, Slab, Spline

FORMAT = "pinnkit barrier proof 1"


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
