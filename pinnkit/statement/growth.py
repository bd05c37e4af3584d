"""Short waves: initial or Cauchy data from which they would grow without bound, as for the heat equation run backwards.

Coefficients are frozen at points (Kreiss, Lorenz 1989, ch. 2): with u = e^(lambda t + i xi x) the equations give lambda
for every xi. An initial value problem is ill-posed where Re lambda is not bounded as |xi| grows (Hadamard 1923).
"""

from collections.abc import Sequence

import numpy as np
import sympy as sp
import torch

from pinnkit.domain.box import Box
from pinnkit.statement.symbolic.boundary_conditions import Boundary
from pinnkit.statement.symbolic.conditions import Initial, Periodic
from pinnkit.statement.symbolic.lowering import Lowered
from pinnkit.statement.symbolic.observations import Observations
from pinnkit.statement.symbolic.record import Record

from .checks import PROBES, faces
from .orders import coefficients, slope

SHORT = 1e8, 1e4  # wave numbers per length of the domain at which equations of higher order in time are looked at
ROUNDING = 1e-9  # of the sum of the terms' sizes: below, they cancel
SHARE = 0.02  # of the points at which waves must grow where coefficients are known there
SURE = 1e-2  # of the largest |lambda|: below, a real part may be rounding

Term = tuple[int, int, tuple[int, ...], np.ndarray]  # row, field, orders by coordinate, coefficient (n,)


def check_growth(problem: Record, rows: list[Lowered]) -> None:
    """Whether initial data determine a solution that depends on them continuously, as far as coefficients decide it.

    Observations may make up for what data do not fix: with them only the start of unknown coefficients is judged.

    Raises:
        ValueError: short waves grow without bound: the wrong sign of a highest derivative.
    """
    domain = problem.domain
    if domain.time is None or len(rows) != len(problem.fields):
        return
    if not any(isinstance(c, Initial) for c in problem.conditions):
        return
    data = any(isinstance(c, Observations) for c in problem.conditions)
    slopes = [slope(row.expressions[0], s) for row in rows for s, slot in row.slots.items() if any(slot.channel[0][1])]
    used = {s.name for e in slopes for s in e.free_symbols}
    unknowns = [name for name in problem.unknowns if name in used]
    if (data and not unknowns) or not _grows(problem, rows, slopes):
        return
    said = f"{problem.name} is ill-posed: short waves grow without bound from its initial data"
    if unknowns:
        starts = ", ".join(f"{name} = {problem.unknowns[name]:g}" for name in unknowns)
        raise ValueError(f"{said}, at the start {starts} of the unknowns: give a start of the other sign")
    raise ValueError(
        f"{said} (time runs backwards, as in u_t = -u_xx, or the equation is elliptic): check the signs of its highest "
        "derivatives, or give data on the whole boundary"
    )


def _grows(problem: Record, rows: list[Lowered], slopes: Sequence[sp.Expr]) -> bool:
    """Whether waves grow: at some points where coefficients are known there, else at all, whatever the fields are."""
    t = problem.domain.names.index(problem.domain.time)
    X = problem.domain.sample(PROBES, method="random", seed=1)
    nonlinear = any(s in e.free_symbols for e in slopes for row in rows for s in row.slots)
    found = []
    for sign in (1.0, -1.0) if nonlinear else (1.0,):
        terms = _terms(problem, rows, X, sign)
        if all(np.isfinite(c).all() for *_, c in terms):
            found.append(_growing(terms, len(rows), t, np.ptp(problem.domain.bounds, axis=0)))
    share = np.concatenate(found).mean() if found else 0.0
    return bool(share == 1) if nonlinear else bool(share > SHARE)


def _terms(problem: Record, rows: list[Lowered], X: torch.Tensor, sign: float) -> list[Term]:
    """Every derivative of every equation with its coefficient at points X (n, d)."""
    terms: list[Term] = []
    for r, row in enumerate(rows):
        values = coefficients(problem, row, list(row.slots), X, sign)
        for slot, c in zip(row.slots.values(), values, strict=True):
            terms.append((r, slot.output, slot.channel[0][1], c.detach().double().numpy()))
    return terms


def _growing(terms: list[Term], fields: int, t: int, lengths: np.ndarray) -> np.ndarray:
    """The mask (n,) of points at which Re lambda is surely unbounded for waves in some direction."""
    n = len(terms[0][3])
    K = max(index[t] for *_, index, _ in terms)
    mixed = any(index[t] and sum(index) > index[t] for *_, index, _ in terms)
    waves = _directions(len(lengths), [t], [i for *_, i, _ in terms]) / lengths
    if K == 0 or not len(waves):
        return np.zeros(n, bool)
    if fields == 1 and K == 1 and not mixed:
        return np.any([_even(terms, w, t) > 0 for w in waves], axis=0)
    if fields > 1 and (K > 1 or mixed):
        return np.zeros(n, bool)
    return np.any([_unbounded(terms, fields, K, w, t) for w in waves], axis=0)


def _even(terms: list[Term], wave: np.ndarray, t: int) -> np.ndarray:
    """The sign (n,) of Re lambda for u_t = ... as waves get short: that of the highest even order that is there."""
    first = np.sum([c for *_, index, c in terms if index[t]], axis=0)
    out = np.zeros(len(first))
    orders = {sum(i) for *_, i, _ in terms if not i[t]}
    for order in sorted((k for k in orders if k and k % 2 == 0), reverse=True):
        parts = [c * np.prod(wave ** np.array(i)) for *_, i, c in terms if not i[t] and sum(i) == order]
        total, size = sum(parts), sum(map(np.abs, parts))
        now = np.where(np.abs(total) > ROUNDING * size, -((-1) ** (order // 2)) * np.sign(total) * np.sign(first), 0.0)
        out = np.where(out == 0, now, out)
    steady = (np.sign(first) == np.sign(first[0])).all()  # else time runs forwards here and backwards there
    return out if steady else np.zeros_like(out)


def _unbounded(terms: list[Term], fields: int, K: int, wave: np.ndarray, t: int) -> np.ndarray:
    """The mask (n,) of points where the largest Re lambda grows with |xi|, by no rounding."""
    tops = []
    for R in SHORT:
        xi = 1j * R * wave
        A = np.zeros((K + 1, len(terms[0][3]), fields, fields), complex)
        for r, f, index, c in terms:
            space = [k for i, k in enumerate(index) if i != t]
            A[index[t], :, r, f] += c * np.prod(np.delete(xi, t) ** np.array(space))
        if not (np.linalg.cond(A[K]) < 1e9).all():
            return np.zeros(A.shape[1], bool)
        companion = np.zeros((A.shape[1], K * fields, K * fields), complex)
        companion[:, :-fields, fields:] = np.eye((K - 1) * fields)
        last = [-np.linalg.solve(A[K], A[k]) for k in range(K)]
        companion[:, -fields:] = np.concatenate(last, axis=2)
        if not np.isfinite(companion).all():
            return np.zeros(A.shape[1], bool)
        found = np.linalg.eigvals(companion)
        top, size = found.real.max(1), np.abs(found).max(1)
        size = np.maximum(size, np.linalg.norm(companion, axis=(1, 2))) if fields > 1 else size
        tops.append((top, top > SURE * size))
    (short, sure), (longer, _) = tops
    return sure & (short > 1e3 * np.abs(longer).clip(1e-300))


def _directions(d: int, without: Sequence[int], indices: Sequence[Sequence[int]]) -> np.ndarray:
    """Unit vectors along the coordinates by which anything is differentiated, along their diagonals, and others."""
    free = [i for i in range(d) if i not in without and any(index[i] for index in indices)]
    if not free:
        return np.zeros((0, d))
    rng = np.random.default_rng(0)
    along = [np.eye(len(free)), *(np.array([1.0, s]) for s in (1, -1) if len(free) == 2)]
    found = np.vstack([*map(np.atleast_2d, along), rng.normal(size=(16 if len(free) > 1 else 0, len(free)))])
    out = np.zeros((len(found), d))
    out[:, free] = found / np.linalg.norm(found, axis=1, keepdims=True)
    return out


# ------------------------------------------------------------------------------------------------ Cauchy data


def check_cauchy(problem: Record, rows: list[Lowered]) -> None:
    """Whether an elliptic equation of order 2m has m conditions on every face, and not 2m on one and none opposite.

    Raises:
        ValueError: Cauchy data, from which short waves grow without bound into the domain.
    """
    domain = problem.domain
    if len(problem.fields) != 1 or len(rows) != 1 or not _elliptic(problem, rows[0]):
        return
    order = max(sum(slot.channel[0][1]) for slot in rows[0].slots.values())
    boundary = [c for c in problem.conditions if isinstance(c, Boundary) and c.on not in ("pde", "initial")]
    given = {f: sum(f in faces(problem, c) for c in boundary) for f in domain.faces}
    if isinstance(domain, Box):
        across = {i for slot in rows[0].slots.values() for i, k in enumerate(slot.channel[0][1]) if k}
        across -= {domain.names.index(c.coordinate) for c in problem.conditions if isinstance(c, Periodic)}
        given = {f: n for f, n in given.items() if domain.face(f).axis in across}
    full, bare = [f for f, n in given.items() if 2 * n > order], [f for f, n in given.items() if 2 * n < order]
    if full and bare:
        raise ValueError(
            f"{problem.name} is ill-posed: short waves grow without bound from Cauchy data: the equation is elliptic "
            f"of order {order}, so every face needs {order // 2}, and {full[0]} has {given[full[0]]}, {bare[0]} "
            f"{given[bare[0]]}: move one there"
        )


def _elliptic(problem: Record, row: Lowered) -> bool:
    """Whether the part of highest order is definite at all points looked at, in two coordinates or more."""
    if not row.slots:
        return False
    X = problem.domain.sample(PROBES, method="random", seed=1)
    signs = []
    for sign in (1.0, -1.0):
        terms = _terms(problem, [row], X, sign)
        order = max(sum(index) for *_, index, _ in terms)
        top = [(index, c) for *_, index, c in terms if sum(index) == order]
        waves = _directions(X.shape[1], [], [index for *_, index, _ in terms])
        if order % 2 or (waves != 0).any(0).sum() < 2 or not all(np.isfinite(c).all() for _, c in top):
            return False
        if problem.domain.time is not None and any(index[problem.domain.names.index(problem.domain.time)]
                                                   for *_, index, _ in terms):  # fmt: skip
            return False
        for w in waves:
            parts = [c * np.prod(w ** np.array(index)) for index, c in top]
            total, size = sum(parts), sum(map(np.abs, parts))
            signs.append(np.where(np.abs(total) > 1e-6 * size, np.sign(total), 0.0))
    return bool(np.all(np.array(signs) == signs[0][0]) and signs[0][0])
