"""Networks and expressions as Taylor models in many cells: what a residual is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sympy as sp
import torch
from torch import Tensor

from pinnkit.certificate.validated import elementary as analytic
from pinnkit.certificate.validated.elementary import EXP, INVERSE, SIN, OdeSystem, compose, of_activation, power
from pinnkit.certificate.validated.interval_arithmetic import UNIT
from pinnkit.certificate.validated.taylor_model import TINY, UP, Space, TaylorModel
from pinnkit.network.base import FeatureEvaluator
from pinnkit.network.features.inversion import Formulas
from pinnkit.network.jets.operations import Activate, Features, Gate, Linear
from pinnkit.network.jets.tape import Tape

_FUNCTIONS: dict[type, OdeSystem] = {
    sp.exp: EXP, sp.sin: SIN, sp.cos: analytic.COS, sp.tanh: analytic.TANH, sp.log: analytic.LOG,
    sp.erf: analytic.ERF, sp.erfc: analytic.ERFC, sp.atan: analytic.ATAN, sp.asin: analytic.ASIN,
}  # fmt: skip
_BY_OTHERS: dict[type, Callable[[sp.Expr], sp.Expr]] = {
    sp.tan: lambda z: sp.sin(z) / sp.cos(z), sp.cot: lambda z: sp.cos(z) / sp.sin(z), sp.sec: lambda z: 1 / sp.cos(z),
    sp.csc: lambda z: 1 / sp.sin(z), sp.sech: lambda z: 1 / sp.cosh(z), sp.csch: lambda z: 1 / sp.sinh(z),
    sp.coth: lambda z: 1 / sp.tanh(z), sp.acos: lambda z: sp.pi / 2 - sp.asin(z),
    sp.asinh: lambda z: sp.log(z + sp.sqrt(z**2 + 1)), sp.acosh: lambda z: sp.log(z + sp.sqrt(z**2 - 1)),
    sp.atanh: lambda z: sp.log((1 + z) / (1 - z)) / 2,
}  # fmt: skip
KINKS = sp.Abs, sp.Max, sp.Min
DIGITS = 50  # to which numbers are evaluated


@dataclass(frozen=True, eq=False)
class Cells:
    """Boxes of half width ``half`` around ``middle``, both (dim, cells), with the series of their coordinates."""

    space: Space
    middle: Tensor
    half: Tensor

    def coordinates(self) -> list[TaylorModel]:
        """x_i = middle_i + half_i s_i."""
        pairs = zip(self.middle, self.half, strict=True)
        return [TaylorModel.coordinate(self.space, i, m, h) for i, (m, h) in enumerate(pairs)]


def supported(tape: object) -> str | None:
    """What of a network has no enclosure; None where all of it has."""
    if not isinstance(tape, Tape):
        return f"its network ({type(tape).__name__}) is not made of linear layers and known activations"
    if not isinstance(tape.features, Features):
        return f"its features ({type(tape.features).__name__}) have no enclosure"
    for op in tape.operations:
        if isinstance(op, Activate):
            try:
                of_activation(op.activation)
            except ValueError as error:
                return str(error)
    return None


def outputs(tape: Tape, theta: Tensor, tangent: Tensor | None, cells: Cells) -> tuple[TaylorModel, Tensor]:
    """The network's outputs, a batch (outputs, cells), and how steep it gets by each coordinate (dim, cells).

    With a ``tangent`` (P,) its derivative along that by the parameters is added, as of a linearised network. Steepness
    is the largest change of what enters an activation from the middle of a cell to its side: cells must be so small
    that it stays well below the distance pi / 2 of the singularities of tanh.
    """
    found = _Run(tape, theta, cells, tangent)
    value, moved = found.values[-1]
    return value if moved is None else value + moved, found.steep


def change(tape: Tape, theta: Tensor, tangent: Tensor, cells: Cells) -> tuple[TaylorModel, Tensor]:
    """The derivative of the outputs along a ``tangent`` (P,) alone, and the steepness, as of ``outputs``."""
    found = _Run(tape, theta, cells, tangent)
    moved = found.values[-1][1]
    assert moved is not None  # as there is a tangent
    return moved, found.steep


Pair = tuple[TaylorModel, TaylorModel | None]  # a layer, and its derivative along the tangent


class _Run:
    def __init__(self, tape: Tape, theta: Tensor, cells: Cells, tangent: Tensor | None) -> None:
        self.theta, self.tangent = theta.detach().double(), None if tangent is None else tangent.detach().double()
        self.space, self.steep = cells.space, torch.zeros_like(cells.middle)
        self.values: list[Pair] = [(self._features(tape.features, cells, theta.dtype), None)]
        for op in tape.operations:
            self.values.append(self._step(op))

    def _features(self, features: FeatureEvaluator, cells: Cells, dtype: torch.dtype) -> TaylorModel:
        if isinstance(features, Formulas):
            known: dict[sp.Expr, TaylorModel] = {}
            at = dict(zip(features.variables, cells.coordinates(), strict=True))
            z = _stacked([evaluate(_exactly(e), at, known) for e in features.expressions])
            self._watch(z)
            return z
        if not isinstance(features, Features):
            raise ValueError(f"features of the kind {type(features).__name__} are not enclosed")
        X = _stacked(cells.coordinates())
        z = X.linear(features.omega.to(dtype).double(), features.phase.to(dtype).double())
        waves = features.wave
        if not waves.any():
            return z
        self._watch(z[waves])
        turned = compose(SIN, z[waves])[0]
        c, wrong, tail = z.c.clone(), z.wrong.clone(), z.tail.clone()
        c[:, waves], wrong[:, waves], tail[waves] = turned.c, turned.wrong, turned.tail
        low = z.low.clone()
        if self.space.paired:
            low[:, waves] = turned.low
        return TaylorModel(self.space, c, wrong, tail, low)

    def _watch(self, z: TaylorModel) -> None:
        slopes = z.c[self.space.blocks[1]].abs().amax(1)
        first = [a.index(1) for a in self.space.exponents[self.space.blocks[1]]]
        self.steep = torch.maximum(self.steep, slopes[torch.tensor(first).argsort()])

    def _step(self, op: Linear | Activate | Gate) -> Pair:
        if isinstance(op, Linear):
            return self._linear(op)
        if isinstance(op, Activate):
            z, dz = self.values[op.source]
            self._watch(z)
            system, slope = of_activation(op.activation)
            if dz is None:
                return compose(system, z)[0], None
            h, steep = compose(system, z, (slope,))
            return h, steep * dz
        (f, df), (u, du), (v, dv) = (self.values[i] for i in (op.f, op.u, op.v))
        h = v + f * (u - v)
        if df is None:
            return h, None
        assert du is not None and dv is not None  # encoders are layers, too
        return h, dv + df * (u - v) + f * (du - dv)

    def _linear(self, op: Linear) -> Pair:
        h, dh = self.values[op.source]
        z = h.linear(*op.weights(self.theta))
        if self.tangent is None:
            return z, None
        moved = h.linear(*op.weights(self.tangent))
        return z, moved if dh is None else moved + dh.linear(op.weights(self.theta)[0])


def _exactly(e: sp.Expr) -> sp.Expr:
    """With its floats as the rational numbers that they are."""
    return e.xreplace({v: sp.Rational(v) for v in e.atoms(sp.Float)})


def _stacked(parts: list[TaylorModel]) -> TaylorModel:
    """Members (cells,) as one batch (parts, cells)."""
    c, wrong = (torch.stack([getattr(p, name) for p in parts], 1) for name in ("c", "wrong"))
    low = torch.stack([p.low for p in parts], 1) if parts[0].space.paired else parts[0].low
    return TaylorModel(parts[0].space, c, wrong, torch.stack([p.tail for p in parts]), low)


def evaluate(
    e: sp.Expr, values: Mapping[sp.Symbol, TaylorModel], known: dict[sp.Expr, TaylorModel] | None = None,
    kinks: bool = False,
) -> TaylorModel:  # fmt: skip
    """An expression of Taylor models; ``known`` keeps those of its parts.

    With ``kinks`` sums and products of |f|, Max and Min too, as functions that are not to be differentiated: where a
    kink may lie in a cell, what is known there is the range of its values.

    Raises:
        ValueError: a function that is not analytic, or not known to be.
    """
    known = {} if known is None else known
    if e in values:
        return values[e]
    if e not in known:
        if e.has(*KINKS) and not (kinks and (isinstance(e, (sp.Add, sp.Mul, *KINKS)) or _is_power(e))):
            kink = next(iter(e.atoms(*KINKS)))
            raise ValueError(
                f"{kink.func.__name__} has no Taylor model here: write the problem in analytic elementary functions"
            )
        known[e] = _make(e, next(iter(values.values())), lambda a: evaluate(a, values, known, kinks))
    return known[e]


def _is_power(e: sp.Expr) -> bool:
    return isinstance(e, sp.Pow) and bool(e.exp.is_Integer) and e.exp > 0


def _make(e: sp.Expr, like: TaylorModel, visit: Callable[[sp.Expr], TaylorModel]) -> TaylorModel:
    if e.is_number:
        value, low, exactly = _number(e)
        return TaylorModel.constant(like.space, value, like.tail, exactly, low)
    if isinstance(e, KINKS):
        first, *others = (e.args[0], -e.args[0]) if isinstance(e, sp.Abs) else e.args
        out = visit(first)
        for a in others:
            out = _extreme(out, visit(a), isinstance(e, sp.Min))
        return out
    if isinstance(e, sp.Add):
        first, *others = e.args
        out = visit(first)
        for a in others:
            out = out + visit(a)
        return out
    if isinstance(e, sp.Mul):
        return _times(e, visit)
    if isinstance(e, sp.Pow):
        return _power(e, visit)
    if e.func in (sp.sinh, sp.cosh):
        y = compose(EXP, visit(e.args[0]))[0]
        back = compose(INVERSE, y)[0]
        return (y - back if e.func is sp.sinh else y + back).scaled(0.5)
    if e.func in _FUNCTIONS:
        return compose(_FUNCTIONS[e.func], visit(e.args[0]))[0]
    if e.func in _BY_OTHERS:
        return visit(_BY_OTHERS[e.func](e.args[0]))
    raise ValueError(f"{e.func.__name__} has no Taylor model: write the problem in analytic elementary functions")


def _number(e: sp.Expr) -> tuple[float, float, bool]:
    """A number as a float, what that lacks, and whether it lacks nothing."""
    try:
        value = float(e)
    except (TypeError, OverflowError):
        raise ValueError(f"the number {e} has no Taylor model: expected a real number of ordinary size") from None
    if e.is_Rational:
        rest = e - sp.Rational(value)
        return value, float(rest), rest == 0
    known = sp.N(e, DIGITS)
    value = float(known)
    return value, float(known - sp.Float(value, DIGITS)), False


def _times(e: sp.Mul, visit: Callable[[sp.Expr], TaylorModel]) -> TaylorModel:
    numbers, factors = [a for a in e.args if a.is_number], [a for a in e.args if not a.is_number]
    out = visit(factors[0])
    for a in factors[1:]:
        out = out * visit(a)
    if numbers:
        value, low, exactly = _number(sp.Mul(*numbers))
        out = out.scaled(value, exactly, low)
    return out


def _power(e: sp.Pow, visit: Callable[[sp.Expr], TaylorModel]) -> TaylorModel:
    base, exponent = e.args
    if not exponent.is_number:
        return compose(EXP, visit(sp.log(base) * exponent))[0]
    if exponent.is_Integer:
        n = int(exponent)
        b = visit(base) if n > 0 else compose(INVERSE, visit(base))[0]
        out, times = None, abs(n)
        while times:
            if times & 1:
                out = b if out is None else out * b
            times >>= 1
            b = b * b if times else b
        assert out is not None  # SymPy has made 1 of a power of 0
        return out
    a, low, exactly = _number(exponent)
    if not exactly:
        return compose(EXP, compose(analytic.LOG, visit(base))[0].scaled(a, exactly, low))[0]
    return compose(power(a), visit(base))[0]


def _range(a: TaylorModel) -> tuple[Tensor, Tensor]:
    """Bounds of the function's values."""
    reach = (a.phi[1:].sum(0) + a.rest) * UP
    return a.c[0] - reach - UNIT * a.c[0].abs(), a.c[0] + reach + UNIT * a.c[0].abs()


def _extreme(a: TaylorModel, b: TaylorModel, least: bool) -> TaylorModel:
    """The larger or the least of two functions: one of them, or in a cell where that changes the range of values."""
    paired, a, b = a.space, a.single(), b.single()
    (low, high), (first, last), gap = _range(a), _range(b), _range(b - a if least else a - b)
    of_a, of_b = gap[0] >= 0, gap[1] <= 0
    f = torch.minimum if least else torch.maximum
    low, high = f(low, first), f(high, last)
    middle = (low + high) / 2
    c = torch.where(of_a, a.c, torch.where(of_b, b.c, torch.zeros_like(a.c)))
    wrong = torch.where(of_a, a.wrong, torch.where(of_b, b.wrong, torch.zeros_like(a.wrong)))
    tail = torch.where(of_a, a.tail, torch.where(of_b, b.tail, torch.zeros_like(a.tail)))
    either = ~(of_a | of_b)
    c[0] = torch.where(either, middle, c[0])
    wrong[0] = torch.where(either, torch.maximum(high - middle, middle - low) * UP + TINY, wrong[0])
    return TaylorModel(paired, c, wrong, tail, torch.zeros_like(c) if paired.paired else a.low)
