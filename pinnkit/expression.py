"""SymPy expressions evaluated on tensors: a short list of torch operations, shared subexpressions once."""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce

import sympy as sp
import torch
from torch import Tensor

Value = Tensor | float

_FUNCTIONS: dict[type, Callable[[Tensor], Tensor]] = {
    sp.sin: torch.sin, sp.cos: torch.cos, sp.tan: torch.tan, sp.exp: torch.exp, sp.log: torch.log,
    sp.sinh: torch.sinh, sp.cosh: torch.cosh, sp.tanh: torch.tanh, sp.Abs: torch.abs, sp.sign: torch.sign,
    sp.asin: torch.asin, sp.acos: torch.acos, sp.atan: torch.atan, sp.erf: torch.erf, sp.erfc: torch.erfc,
    sp.floor: torch.floor, sp.Heaviside: lambda x: (x > 0).to(x.dtype),
}  # fmt: skip
_RELATIONS = {
    sp.StrictLessThan: torch.lt, sp.LessThan: torch.le, sp.StrictGreaterThan: torch.gt, sp.GreaterThan: torch.ge,
}  # fmt: skip


class Opaque(sp.Function):
    """A function of which only numerical values are known; its derivatives come from automatic differentiation."""

    call: Callable[..., Tensor]

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The partial derivative by one argument, again an opaque function."""
        return _slope(type(self), argindex)(*self.args)


def function(call: Callable[..., Tensor], name: str | None = None) -> type[Opaque]:
    """A SymPy function that evaluates ``call`` elementwise on tensors of shape (B,), for use in any expression.

    Example: ``source = pk.function(measured, "q")`` and then ``u.diff(t) - u.diff(x, 2) - source(x, t)``.
    """
    return type(name or getattr(call, "__name__", "f"), (Opaque,), {"call": staticmethod(call)})


_SLOPES: dict[tuple[type, int], type[Opaque]] = {}


def _slope(base: type[Opaque], argindex: int) -> type[Opaque]:
    if (base, argindex) not in _SLOPES:

        def call(*arguments: Tensor) -> Tensor:
            def total(argument: Tensor) -> Tensor:
                return base.call(*arguments[: argindex - 1], argument, *arguments[argindex:]).sum()

            return torch.func.grad(total)(arguments[argindex - 1])

        _SLOPES[base, argindex] = function(call, f"{base.__name__}_{argindex}")
    return _SLOPES[base, argindex]


class Program:
    """Expressions compiled once: ``program(values) -> [tensors or floats]`` with values by symbol."""

    def __init__(
        self,
        expressions: Sequence[sp.Expr],
        inputs: Sequence[sp.Symbol],
        definitions: Sequence[tuple[sp.Symbol, sp.Expr]] = (),
    ) -> None:
        self.inputs = tuple(inputs)
        self._slots: dict[sp.Basic, int] = {s: i for i, s in enumerate(self.inputs)}
        self._constants: dict[int, float] = {}
        self._steps: list[tuple[Callable, int, tuple[int, ...]]] = []
        self._size = len(self.inputs)
        whole = [sp.sympify(e) for e in (*(d for _, d in definitions), *expressions)]  # expressions, never text
        replacements, reduced = sp.cse(whole, symbols=sp.numbered_symbols("_shared"), order="none")
        self._pending = dict(replacements)
        self._pending |= {symbol: e for (symbol, _), e in zip(definitions, reduced, strict=False)}
        self.outputs = tuple(self._emit(e) for e in reduced[len(definitions) :])

    def __call__(self, values: Mapping[sp.Symbol, Value]) -> list[Value]:
        """Evaluate all expressions; constants come back as floats."""
        slots: list = [None] * self._size
        for i, symbol in enumerate(self.inputs):
            slots[i] = values[symbol]
        for i, constant in self._constants.items():
            slots[i] = constant
        for call, target, sources in self._steps:
            slots[target] = call(*[slots[s] for s in sources])
        return [slots[i] for i in self.outputs]

    def _new(self, expression: sp.Basic) -> int:
        self._slots[expression] = self._size
        self._size += 1
        return self._size - 1

    def _step(self, expression: sp.Basic, call: Callable, arguments: Sequence[sp.Basic]) -> int:
        sources = tuple(self._emit(a) for a in arguments)
        target = self._new(expression)
        self._steps.append((call, target, sources))
        return target

    def _emit(self, e: sp.Basic) -> int:
        if e in self._slots:
            return self._slots[e]
        if e in self._pending:
            self._slots[e] = self._emit(self._pending[e])
            return self._slots[e]
        if not e.free_symbols and isinstance(e, sp.Expr) and not e.has(Opaque):
            target = self._new(e)
            self._constants[target] = float(e)
            return target
        if isinstance(e, sp.Add):
            return self._add(e)
        if isinstance(e, sp.Mul):
            return self._step(e, _product, e.args)
        if isinstance(e, sp.Pow):
            return self._power(e)
        if isinstance(e, Opaque):
            return self._step(e, _broadcast(type(e).call), e.args)
        if isinstance(e, (sp.Max, sp.Min)):
            return self._step(e, _extreme(torch.maximum if isinstance(e, sp.Max) else torch.minimum), e.args)
        if isinstance(e, sp.Piecewise):
            return self._piecewise(e)
        if e.func in _RELATIONS:
            return self._step(e, _broadcast(_RELATIONS[e.func]), e.args)
        if isinstance(e, (sp.And, sp.Or)):
            return self._step(e, _extreme(torch.logical_and if isinstance(e, sp.And) else torch.logical_or), e.args)
        if e.func in _FUNCTIONS:
            return self._step(e, _FUNCTIONS[e.func], e.args)
        raise ValueError(
            f"the expression contains {e.func.__name__}({', '.join(map(str, e.args))}), which has no torch counterpart: "
            "write it in elementary functions, or wrap a Python callable with pinnkit.function"
        )

    def _add(self, e: sp.Add) -> int:
        """a + k b + ... with numeric factors folded into the addition."""
        pairs = [term.as_coeff_Mul() for term in e.args]
        rest = [b for _, b in pairs]
        factors = [float(k) for k, _ in pairs]
        constant = sum(k * float(b) for k, b in zip(factors, rest, strict=True) if not b.free_symbols)
        kept = [(k, b) for k, b in zip(factors, rest, strict=True) if b.free_symbols]
        kept.sort(key=lambda pair: abs(pair[0] - 1))
        weights = tuple(k for k, _ in kept)
        return self._step(e, lambda *values: _sum(weights, constant, values), [b for _, b in kept])

    def _power(self, e: sp.Pow) -> int:
        base, exponent = e.args
        if exponent.is_Number:
            p = float(exponent)
            return self._step(e, _POWERS.get(p, lambda x: x**p), [base])
        if base is sp.E:
            return self._step(e, torch.exp, [exponent])
        return self._step(e, lambda x, y: x**y, [base, exponent])

    def _piecewise(self, e: sp.Piecewise) -> int:
        conditions = [c for _, c in e.args if c is not sp.true]
        closed = len(conditions) < len(e.args)
        values = [v for v, _ in e.args[: len(conditions) + closed]]
        n = len(conditions)

        def call(*slots: Value) -> Tensor:
            like = slots[0]
            full = [v if isinstance(v, Tensor) else torch.full_like(like, v, dtype=_float(slots)) for v in slots[n:]]
            result = full[-1] if closed else torch.full_like(full[-1], torch.nan)
            for condition, value in reversed(list(zip(slots[:n], full[:n], strict=True))):
                result = torch.where(condition, value, result)
            return result

        return self._step(e, call, [*conditions, *values])


def _float(slots: Sequence[Value]) -> torch.dtype:
    return next((s.dtype for s in slots if isinstance(s, Tensor) and s.is_floating_point()), torch.float64)


def _product(*values: Value) -> Value:
    scalars = [v for v in values if not isinstance(v, Tensor)]
    tensors = [v for v in values if isinstance(v, Tensor)]
    out = reduce(torch.mul, tensors)
    return out * reduce(lambda a, b: a * b, scalars) if scalars else out


def _sum(weights: tuple[float, ...], constant: float, values: tuple[Value, ...]) -> Value:
    out = values[0] if weights[0] == 1 else values[0] * weights[0]
    for k, value in zip(weights[1:], values[1:], strict=True):
        out = torch.add(out, value, alpha=k) if isinstance(out, Tensor) and isinstance(value, Tensor) else out + k * value
    return out + constant if constant else out


def _extreme(pick: Callable) -> Callable:
    def call(*values: Value) -> Tensor:
        like = next(v for v in values if isinstance(v, Tensor))
        return reduce(pick, [v if isinstance(v, Tensor) else torch.full_like(like, v) for v in values])

    return call


def _broadcast(call: Callable) -> Callable:
    def broadcast(*values: Value) -> Tensor:
        like = next((v for v in values if isinstance(v, Tensor)), torch.zeros(1, dtype=torch.float64))
        full = [v if isinstance(v, Tensor) else torch.full_like(like, v) for v in values]
        return call(*torch.broadcast_tensors(*full))

    return broadcast


_POWERS: dict[float, Callable[[Value], Value]] = {
    2.0: lambda x: x * x,
    3.0: lambda x: x * x * x,
    4.0: lambda x: (x * x) * (x * x),
    -1.0: lambda x: 1 / x,
    -2.0: lambda x: 1 / (x * x),
    0.5: lambda x: x**0.5,
}
