"""A linear homogeneous equation as an operator: its coefficients, its symbol p(k, s), and what p says of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import mpmath
import numpy as np
import sympy as sp

from pinnkit.statement.checks import lowered
from pinnkit.statement.problem import Problem
from pinnkit.statement.symbolic.channels import Index
from pinnkit.statement.symbolic.notation import differentiate
from pinnkit.statement.symbolic.place import INTERIOR
from pinnkit.statement.symbolic.residual import Residual

DIGITS = 40  # of the arithmetic in which a solution is put into the equation
PLACES = 2


@dataclass(frozen=True, eq=False)
class LinearOperator:
    """sum_J c_J D^J u = 0 in coordinates x, the time (if any) being number ``time``."""

    coordinates: tuple[sp.Symbol, ...]
    coefficients: Mapping[Index, sp.Expr]
    time: int | None

    def __call__(self, phi: sp.Expr) -> sp.Expr:
        """The operator applied to an expression."""
        return sum(c * differentiate(phi, J, self.coordinates) for J, c in self.coefficients.items())

    @property
    def t(self) -> int:
        """The number of the time coordinate; ValueError where there is no time."""
        if self.time is None:
            raise ValueError("the equation has no time coordinate")
        return self.time

    @property
    def entries(self) -> tuple[tuple[Mapping[Index, sp.Expr]]]:
        """The coefficients as those of a system of one equation."""
        return ((self.coefficients,),)

    @property
    def constant(self) -> bool:
        """Whether all coefficients are numbers."""
        return all(not c.free_symbols for c in self.coefficients.values())

    @cached_property
    def _numbers(self) -> dict[Index, float]:
        return {J: float(c) for J, c in self.coefficients.items()}

    def symbol(self, exponents: np.ndarray) -> np.ndarray:
        """p(k): the operator on exp(k . x) is p times it; k has a column for every coordinate."""
        return sum(c * np.prod(np.asarray(exponents) ** np.array(J), axis=-1) for J, c in self._numbers.items())

    def roots(self, i: int, given: Sequence[complex] | np.ndarray) -> np.ndarray:
        """The roots of p in exponent number i, at values of the others in their order."""
        p = self._polynomial(i, np.asarray(given))
        return _quadratic(*p) if len(p) == 3 and p[0] else np.roots(p)

    def rates(self, wave: np.ndarray) -> np.ndarray:
        """The roots s of p(wave, s) = 0 for one complex wave vector."""
        return self.roots(self.t, wave)

    def waves(self, rate: complex) -> np.ndarray:
        """The roots k of p(k, rate) = 0 in one space dimension."""
        return self.roots(1 - self.t, [rate])

    def _polynomial(self, unknown: int, given: np.ndarray) -> np.ndarray:
        """The coefficients of p, highest power first, in coordinate ``unknown`` at values of the others."""
        degree = max(J[unknown] for J in self._numbers)
        out = np.zeros(degree + 1, complex)
        for J, c in self._numbers.items():
            others = [n for i, n in enumerate(J) if i != unknown]
            out[degree - J[unknown]] += c * np.prod(np.asarray(given, complex) ** np.array(others))
        return out

    def order(self, i: int) -> int:
        """The highest derivative by coordinate i."""
        return max(J[i] for J in self.coefficients)

    def misfit(self, phi: sp.Expr, values: Mapping[sp.Symbol, tuple[float, float]], seed: int = 0) -> float:
        """max |A phi| / sum of its |terms| at random places and values of other symbols, in 40 digits."""
        return misfit([(self, phi)], values, seed)

    def _weight(self, c: sp.Expr) -> Callable[..., mpmath.mpf]:
        if c.free_symbols:
            return sp.lambdify(self.coordinates, c, "mpmath")
        return lambda *_: mpmath.mpf(c.p) / c.q if c.is_Rational else mpmath.mpmathify(c.evalf(DIGITS))


def _quadratic(a: complex, b: complex, c: complex) -> np.ndarray:
    """The roots of a s^2 + b s + c, the larger one first: each with a residual of some roundings of |c|."""
    half, root = b / 2, np.emath.sqrt((b / 2) ** 2 - a * c)
    far = -(half + (root if (half * np.conj(root)).real >= 0 else -root))
    return np.array([far / a, c / far]) if far else np.zeros(2, complex)


def misfit(
    parts: Sequence[tuple[LinearOperator, sp.Expr]], values: Mapping[sp.Symbol, tuple[float, float]], seed: int = 0
) -> float:
    """max |sum of all A phi| / sum of their |terms| at random places and values of other symbols, in 40 digits.

    Places are drawn from 0.1 to 0.9 where ``values`` has no ends for a coordinate.
    """
    x = parts[0][0].coordinates
    others = {s: ends for s, ends in values.items() if s not in x}
    terms = []
    for op, phi in parts:
        call = sp.lambdify((*x, *others), phi, "mpmath")
        terms += [(op._weight(c), call, J) for J, c in op.coefficients.items()]
    draw, worst = np.random.default_rng(seed), 0.0
    with mpmath.workdps(DIGITS):
        for _ in range(PLACES):
            at = tuple(mpmath.mpf(float(draw.uniform(*values.get(s, (0.1, 0.9))))) for s in x)
            own = [mpmath.mpf(float(draw.uniform(*ends))) for ends in others.values()]
            found = [w(*at) * mpmath.diff(lambda *x, f=f, own=own: f(*x, *own), at, J) for w, f, J in terms]
            size = sum(abs(v) for v in found)
            worst = max(worst, float(abs(sum(found)) / size) if size else 0.0)
    return worst


def operator(problem: Problem) -> LinearOperator:
    """The operator of a problem's equation.

    Raises:
        ValueError: several fields, unknown coefficients, an equation that is not linear, or one with a source.
    """
    if len(problem.fields) > 1 or len(problem.equations) > 1:
        raise ValueError(
            f"{problem.name} has {len(problem.fields)} fields and {len(problem.equations)} equations: expected one "
            "linear equation of one field"
        )
    ((coefficients,),) = coefficients_of(problem)
    return LinearOperator(problem.variables, coefficients, time_of(problem))


def time_of(problem: Problem) -> int | None:
    """The number of the time coordinate."""
    return None if problem.domain.time is None else problem.domain.names.index(problem.domain.time)


def coefficients_of(problem: Problem) -> list[list[dict[Index, sp.Expr]]]:
    """c_J of sum_J c_J D^J u_b by equation and field b, parameters as exact numbers.

    Raises:
        ValueError: unknown coefficients, equations that are not linear, or with a source.
    """
    if problem.unknowns:
        raise ValueError(f"{problem.name} has unknown coefficients: superposition needs them given, as parameters")
    found = []
    for name, e in problem.everywhere("superposition does").items():
        row = lowered(problem, Residual(name, e, INTERIOR))
        same = {s: sp.Symbol(s.name, real=True) for s in e.free_symbols if s.name in problem.parameters}
        body = sp.expand(row.expressions[0].xreplace(same).subs(problem.exact_parameters))
        line: list[dict[Index, sp.Expr]] = [{} for _ in problem.fields]
        for s, slot in row.slots.items():
            c = sp.diff(body, s)
            if c.free_symbols & set(row.slots):
                fields = ", ".join(map(str, problem.fields))
                raise ValueError(
                    f"{problem.name}: the equation {name!r} is not linear in {fields}: superposition needs linear "
                    "equations, or a map to one, as Burgers' equation has"
                )
            line[slot.output][slot.channel[0][1]] = sp.nsimplify(c) if c.is_Float else c
        source = sp.simplify(body.subs(dict.fromkeys(row.slots, 0)))
        if source != 0:
            raise ValueError(
                f"{problem.name}: the equation {name!r} has the source {source}: subtract a particular solution, so "
                "that the rest is homogeneous"
            )
        found.append(line)
    return found
