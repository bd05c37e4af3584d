"""Solutions of a linear parabolic equation from ramps as data, as series of integrals of the heat kernel."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import sympy as sp

from pinnkit.statement.symbolic.channels import Index

from .functions import heat_ramp

DEPTH = 5  # the weight (x counts 1, time 2) up to which a series goes: what is left is smooth enough for a network

Series = Mapping[tuple[int, int], sp.Expr]  # sum c s^j E_k(X, s) by (j, k), of weight 2 j + k
Monomial = tuple[int, int, int, Index, sp.Expr]  # X^i s^l d^m/dX^m D^index, its coefficient


@dataclass(frozen=True)
class LocalEvolution:
    """u_time = sum terms D u about x = a, t = t0: time is ``forward`` (t - t0), and X is ``turn`` (x - a)."""

    variables: tuple[sp.Symbol, ...]
    terms: Mapping[Index, sp.Expr]
    x: sp.Symbol
    a: sp.Expr
    t: sp.Symbol
    t0: sp.Expr
    forward: int
    turn: int
    kappa: sp.Expr  # the coefficient of u_xx at the place

    @property
    def s(self) -> sp.Expr:
        """kappa times the time since t0."""
        return self.kappa * self.forward * (self.t - self.t0)


def heat_series(flow: LocalEvolution, start: Series, held: int | None = None) -> sp.Expr:
    """The solution S that begins as the sum of ``start``, up to terms of a weight above ``DEPTH``.

    With X = turn (x - a) and u_s = u_XX + b u_X + r u + R u, S solves S = start + (d/ds - d^2/dX^2)^-1 R S, and the
    inverse of s^j E_k is s^(j+1) E_k / (j+1). Then S equals the start's data at s = 0 for all x, and the constants b
    and r are taken out exactly (X + b s for X, times exp(r s)). With ``held`` 0 its values for X = 0 are those of the
    start at all times, with 1 its slopes: there every term comes less the kernel E_(2j+k) of the same ones, as
    E_k(0, s) = s^(k/2) / (2 Gamma(1 + k/2)).
    """
    here = {flow.x: flow.a, flow.t: flow.t0}
    ix = flow.variables.index(flow.x)
    first, none = tuple(int(i == ix) for i in range(len(flow.variables))), (0,) * len(flow.variables)
    b, r = (sp.sympify(flow.terms.get(index, 0)).subs(here) / flow.kappa for index in (first, none))
    constant = held is None and not (b.free_symbols | r.free_symbols) & set(flow.variables)
    b, r = (flow.turn * b, r) if constant else (sp.S.Zero, sp.S.Zero)
    moved = list(_expanded(flow, DEPTH - min(2 * j + k for j, k in start), {first: b, none: r}))
    total = dict(start)
    for _ in range(DEPTH if moved else 0):
        new = dict(start)
        for monomial in moved:
            for (j, k), c in _applied(monomial, total, flow, b).items():
                if 2 * j + 2 + k <= DEPTH:
                    _add(new, (j + 1, k), c / (j + 1))
                    if held is not None:
                        _add(new, (0, 2 * j + 2 + k), -c / (j + 1) * _ratio(2 * j + 2 + k - held, k - held))
        total = {key: e for key, c in new.items() if (e := sp.expand(c)) != 0}
    X = flow.turn * (flow.x - flow.a) + b * flow.s
    return sp.exp(r * flow.s) * sum(c * flow.s**j * heat_ramp(k)(X, flow.s) for (j, k), c in total.items())


def _add(series: dict, key: tuple[int, int], c: sp.Expr) -> None:
    series[key] = series.get(key, sp.S.Zero) + c


def _ratio(m: int, k: int) -> sp.Expr:
    """s^((m-k)/2) E_k(0, s) / E_m(0, s)."""
    if k < 0 and k % 2 == 0:
        return sp.S.Zero
    return sp.gamma(1 + sp.Rational(m, 2)) / sp.gamma(1 + sp.Rational(k, 2))


def _expanded(flow: LocalEvolution, depth: int, known: Mapping[Index, sp.Expr]) -> Iterator[Monomial]:
    """R as monomials: Taylor polynomials of the coefficients at the place, less u_XX and what is known."""
    ix = flow.variables.index(flow.x)
    for index, c in flow.terms.items():
        m, rest = index[ix], tuple(0 if n == ix else v for n, v in enumerate(index))
        c = sp.sympify(c) * flow.turn**m / flow.kappa  # by X and s
        for i in range(max(depth - 2 + m, -1) + 1):
            for late in range((depth - 2 + m - i) // 2 + 1):
                value = c.diff(flow.x, i) if i else c
                value = (value.diff(flow.t, late) if late else value).subs({flow.x: flow.a, flow.t: flow.t0})
                value *= sp.Integer(flow.turn) ** i * (flow.forward / flow.kappa) ** late
                value /= sp.factorial(i) * sp.factorial(late)
                if i == late == 0 and not any(rest):
                    value -= 1 if m == 2 else known.get(index, 0)
                value = sp.expand(value)
                if value != 0:
                    yield i, late, m, rest, value if value.free_symbols or value.is_Rational else sp.Float(value, 17)


def _applied(monomial: Monomial, series: Series, flow: LocalEvolution, b: sp.Expr) -> Series:
    """X^i s^l d^m/dX^m D^index of a series in X + b s, by z E_k(z) = (k + 1) E_(k+1) - 2 s E_(k-1)."""
    i, late, m, rest, value = monomial
    out: dict[tuple[int, int], sp.Expr] = {}
    for (j, k), c in series.items():
        for v, times in zip(flow.variables, rest, strict=True):
            c = c.diff(v, times) if times else c
        if c != 0:
            _add(out, (j + late, k - m), value * c)
    for _ in range(i):
        before, out = out, {}
        for (j, k), c in before.items():
            _add(out, (j, k + 1), (k + 1) * c)
            _add(out, (j + 1, k - 1), -2 * c)
            if b != 0:
                _add(out, (j + 1, k), -b * c)
    return out
