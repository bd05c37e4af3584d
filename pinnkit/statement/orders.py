"""Differential orders of equations by coordinate: of one field, of a system, and how many conditions they ask for."""

from collections.abc import Sequence
from itertools import permutations

import sympy as sp
import torch
from torch import Tensor

from pinnkit.statement.symbolic.lowering import Lowered
from pinnkit.statement.symbolic.place import INTERIOR
from pinnkit.statement.symbolic.record import Record
from pinnkit.statement.symbolic.residual import Residual
from pinnkit.statement.symbolic.torch_program import Program

from .checks import lowered

MOST = 6  # equations of a system whose order is found: 6! products
LOST = 1e-9  # of the products of which a leading coefficient is the sum: below, they cancel


def equations(problem: Record) -> list[Lowered]:
    """The equations with their fields named by symbols."""
    return [lowered(problem, Residual(name, e, INTERIOR)) for name, e in problem.interior.items()]


def order(rows: Sequence[Lowered], field: int, coordinate: int) -> int:
    """The order of the highest derivative of a field by a coordinate."""
    slots = [slot for row in rows for slot in row.slots.values() if slot.output == field]
    return max((index[coordinate] for slot in slots for _, index in slot.channel), default=0)


def differentiated(rows: Sequence[Lowered]) -> set[int]:
    """The coordinates by which anything is differentiated."""
    indices = [slot.channel[0][1] for row in rows for slot in row.slots.values()]
    return {i for index in indices for i, times in enumerate(index) if times}


def slope(e: sp.Expr, s: sp.Symbol) -> sp.Expr:
    """de/ds almost everywhere: where e jumps, nothing."""
    return sp.diff(e, s).replace(sp.DiracDelta, lambda *_: sp.S.Zero)


def coefficients(
    problem: Record, row: Lowered, slots: Sequence[sp.Symbol], X: Tensor, sign: float = 1.0
) -> list[Tensor]:
    """d row / d slot at points X (n, d), each (n,), at fields that are random numbers in (0, 1), times the sign."""
    numbers = problem.parameters | problem.unknowns
    values: dict[sp.Symbol, Tensor] = {s: X[:, k] for k, s in enumerate(problem.variables)}
    known = row.expressions[0].free_symbols - {*values, *row.slots}
    values |= {s: X.new_tensor(numbers[s.name]) for s in known}
    generator = torch.Generator().manual_seed(1)
    values |= {s: sign * torch.rand(len(X), generator=generator, dtype=X.dtype) for s in row.slots}
    out = Program([slope(row.expressions[0], s) for s in slots], list(values))(values)
    return [torch.as_tensor(c, dtype=X.dtype).expand(len(X)) for c in out]


def system_order(problem: Record, rows: Sequence[Lowered], coordinate: int, X: Tensor) -> int | None:
    """The order of a system of ordinary differential equations in one coordinate: how many numbers fix a solution.

    The degree in s of det(sum_k dF_i/du_j^(k) s^k), linearised at a point where the leading coefficient is not zero
    (Jacobi's bound, Ollivier 2022, where no terms cancel). None for systems that are not square, of more than 6
    equations, or where the leading coefficient vanishes or changes its sign over the points X (n, d).
    """
    n = len(problem.fields)
    if len(rows) != n or n > MOST:
        return None
    entries = [[_polynomials(problem, row, j, coordinate, X) for j in range(n)] for row in rows]
    products = []
    for columns in permutations(range(n)):
        product = torch.ones(len(X), 1, dtype=X.dtype)
        for row, j in zip(entries, columns, strict=True):
            product = _times(product, row[j])
        sign = sp.combinatorics.Permutation(list(columns)).signature()
        products.append(sign * product)
    width = max(p.shape[1] for p in products)
    terms = torch.stack([torch.nn.functional.pad(p, (0, width - p.shape[1])) for p in products])
    total, sizes = terms.sum(0), terms.abs().sum(0)
    for k in reversed(range(width)):
        lost = total[:, k].abs() <= LOST * sizes[:, k]
        if not lost.all():
            signs = total[:, k].sign()
            return None if lost.any() or (signs != signs[0]).any() else k
    return None


def _polynomials(problem: Record, row: Lowered, field: int, coordinate: int, X: Tensor) -> Tensor:
    """Coefficients (n, degree + 1) of the derivatives of a field by a coordinate in an equation."""
    slots = {slot.channel[0][1][coordinate]: s for s, slot in row.slots.items() if slot.output == field}
    out = torch.zeros(len(X), max(slots, default=0) + 1, dtype=X.dtype)
    for (times, _), value in zip(slots.items(), coefficients(problem, row, list(slots.values()), X), strict=True):
        out[:, times] = value
    return out


def _times(a: Tensor, b: Tensor) -> Tensor:
    """The products of polynomials, coefficients (n, degree + 1) each."""
    out = torch.zeros(len(a), a.shape[1] + b.shape[1] - 1, dtype=a.dtype)
    for k in range(b.shape[1]):
        out[:, k : k + a.shape[1]] += a * b[:, k : k + 1]
    return out
