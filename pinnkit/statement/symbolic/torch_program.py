"""SymPy expressions evaluated on tensors: a short list of torch operations, shared subexpressions once."""

import copyreg
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import sympy as sp
import torch
from sympy.core.function import FunctionClass
from torch import Tensor

from pinnkit.domain.point_set import real
from pinnkit.tools.checked import checked_but
from pinnkit.tools.followed import followed

Value = Tensor | float
Step = tuple[Callable, int, tuple[int, ...]]  # an operation, the slot of its result, those of its arguments

_FUNCTIONS: dict[type, Callable[..., Tensor]] = {
    sp.sin: torch.sin, sp.cos: torch.cos, sp.tan: torch.tan, sp.exp: torch.exp, sp.log: torch.log,
    sp.sinh: torch.sinh, sp.cosh: torch.cosh, sp.tanh: torch.tanh,
    sp.sec: lambda x: 1 / torch.cos(x), sp.csc: lambda x: 1 / torch.sin(x),
    sp.cot: lambda x: 1 / torch.tan(x), sp.coth: lambda x: 1 / torch.tanh(x),
    sp.sech: lambda x: 1 / torch.cosh(x), sp.csch: lambda x: 1 / torch.sinh(x),
    sp.asin: torch.asin, sp.acos: torch.acos, sp.atan: torch.atan, sp.erf: torch.erf, sp.erfc: torch.erfc,
    sp.asinh: torch.asinh, sp.acosh: torch.acosh, sp.atanh: torch.atanh,
    sp.Abs: torch.abs, sp.sign: torch.sign, sp.floor: torch.floor, sp.ceiling: torch.ceil,
    sp.Not: torch.logical_not, sp.ITE: torch.where,
}  # fmt: skip
_RELATIONS = {
    sp.StrictLessThan: operator.lt, sp.LessThan: operator.le, sp.Equality: operator.eq,
    sp.StrictGreaterThan: operator.gt, sp.GreaterThan: operator.ge, sp.Unequality: operator.ne,
    sp.Mod: operator.mod,
}  # fmt: skip


class OpaqueClass(FunctionClass):
    """The class of opaque functions; pickle makes one again by what ``made`` says: a function and its arguments."""

    made: tuple[Callable, tuple] | None


class Opaque(sp.Function, metaclass=OpaqueClass):
    """A function of which only values are known; its derivatives come from automatic differentiation."""

    is_real = True
    made = None
    call: Callable[..., Tensor]
    slopes: dict[int, type["Opaque"]]

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The partial derivative by one argument, again an opaque function."""
        return slope_of(type(self), argindex)(*self.args)

    @classmethod
    def differentiated(cls, argindex: int) -> type["Opaque"]:
        """The opaque function that is the derivative by one argument."""
        return _slope(cls, argindex)

    def _eval_evalf(self, _prec: int) -> None:
        return None  # SymPy would take a function of the same name from mpmath


@checked_but("call")
def function(call: Callable[..., Tensor], name: str | None = None) -> type[Opaque]:
    """A SymPy function that is evaluated by a torch function, for use in any expression.

    Its derivatives, where they are needed, are those of torch.func.

    Args:
        call: an elementwise function of tensors (B,).
        name: its name in printed equations. Default None: that of ``call``.

    Returns:
        The SymPy function.

    Raises:
        TypeError: ``call`` cannot be called.

    Example:
        >>> import torch
        >>> import pinnkit as pk
        >>> x, t = pk.coordinates("x t")
        >>> source = pk.function(torch.sin, "q")
        >>> pk.field("u", x, t).diff(t) - source(x)
        -q(x) + Derivative(u(x, t), t)
    """
    if not callable(call):
        raise TypeError(f"function({call!r}): expected a Python callable of tensors")
    name = str(name or getattr(call, "__name__", "f"))
    members = {"call": staticmethod(call), "slopes": {}, "made": (function, (call, name))}
    return type(name if name.isidentifier() else "f", (Opaque,), members)


def slope_of(base: type[Opaque], argindex: int) -> type[Opaque]:
    """The derivative of an opaque function by one argument: one class, however often it is asked for."""
    if argindex not in base.slopes:
        base.slopes[argindex] = base.differentiated(argindex)
        base.slopes[argindex].made = (slope_of, (base, argindex))
    return base.slopes[argindex]


copyreg.pickle(OpaqueClass, lambda kind: kind.made or kind.__qualname__)


class NoDerivative(ValueError):
    """A callable whose derivative is needed, and torch cannot take it."""


def _slope(base: type[Opaque], argindex: int) -> type[Opaque]:
    def call(*arguments: Tensor) -> Tensor:
        def total(argument: Tensor) -> Tensor:
            return _opaque(base, *arguments[: argindex - 1], argument, *arguments[argindex:]).sum()

        try:
            return torch.func.grad(total)(arguments[argindex - 1])
        except (RuntimeError, TypeError) as error:
            raise NoDerivative(
                f"a derivative of the function {base.__name__} is needed and torch cannot take it ({error}): "
                "write it in torch operations; data of conditions need none with hard=False"
            ) from error

    return function(call, f"{base.__name__}_{argindex}")


def _opaque(f: type[Opaque], *arguments: Value) -> Tensor:
    """f at points, shape (B,); numbers and arrays that the callable may return become tensors."""
    like = next(a for a in arguments if isinstance(a, Tensor))
    full = [a if isinstance(a, Tensor) else torch.full_like(like, a) for a in arguments]
    full = torch.broadcast_tensors(*full)
    try:
        out = f.call(*full)
    except TypeError as error:
        raise TypeError(
            f"the function {f.__name__} does not take {len(full)} tensors of shape (B,), one an argument: {error}"
        ) from error
    except NoDerivative:
        raise
    except (ArithmeticError, AttributeError, LookupError, ValueError) as error:
        raise ValueError(
            f"the function {f.__name__} failed on {len(full)} tensors of shape (B,), one a coordinate: {error}; write "
            "it in torch operations, as torch.sin(x) for math.sin(x)"
        ) from error
    if out is None:
        raise ValueError(f"the function {f.__name__} returned None: return one number for every point")
    real(f"the function {f.__name__}", out)
    if not isinstance(out, Tensor):
        out = torch.as_tensor(out, dtype=like.dtype, device=like.device)
    if out.shape not in ((), full[0].shape):
        raise ValueError(
            f"the function {f.__name__} gave shape {tuple(out.shape)} for {tuple(full[0].shape)} points: "
            "return one number for every point"
        )
    return out.expand(full[0].shape)


def number(e: sp.Basic) -> float:
    """The value of an expression without symbols.

    Raises:
        ValueError: a complex, infinite or undefined number.
    """
    while found := e.atoms(Opaque):
        f = next(f for f in found if not any(a.has(Opaque) for a in f.args))  # from the inside out
        arguments = [torch.tensor([number(a)], dtype=torch.float64) for a in f.args]
        e = e.xreplace({f: sp.Float(_opaque(type(f), *arguments).item(), 17)})
    try:
        return float(e)
    except TypeError:
        raise ValueError(f"the expression contains {e}, which is not a real number: use real constants") from None


class Program:
    """Expressions compiled once: ``program(values) -> [tensors or floats]`` with values by symbol."""

    inputs: tuple[Any, ...]
    outputs: tuple[int, ...]

    def __init__(
        self,
        expressions: Sequence[sp.Expr],
        inputs: Sequence[sp.Symbol],
        definitions: Sequence[tuple[sp.Symbol, sp.Expr]] = (),
    ) -> None:
        self.inputs = tuple(inputs)
        self._slots: dict[sp.Basic, int] = {s: i for i, s in enumerate(self.inputs)}
        self._constants: dict[int, float] = {}
        self._steps: list[Step] = []
        self._size = len(self.inputs)
        self._like: int | None = None  # the slot of a tensor of shape (B,), where a step needs one
        self._pending: dict[sp.Symbol, sp.Basic] = {}
        whole = [sp.sympify(e, strict=True) for e in (*(d for _, d in definitions), *expressions)]
        replacements, reduced = sp.cse(whole, symbols=sp.numbered_symbols("_shared"), order="none")
        constants: dict[sp.Symbol, sp.Basic] = {}
        for symbol, e in replacements:
            e = e.xreplace(constants)
            (self._pending if e.free_symbols else constants)[symbol] = e
        reduced = [e.xreplace(constants) for e in reduced]
        self._pending |= {symbol: e for (symbol, _), e in zip(definitions, reduced, strict=False)}
        self.outputs = tuple(self._emit(e) for e in reduced[len(definitions) :])

    def __call__(self, values: Mapping[sp.Symbol, Value]) -> list[Value]:
        """Evaluate all expressions; constants come back as floats."""
        return self._run(self._steps, self._start(values, self.inputs))

    def partial(self, values: Mapping[sp.Symbol, Value]) -> Callable[[Mapping[sp.Symbol, Value]], list[Value]]:
        """The program of the other inputs; what depends on these values (B,) alone is evaluated now, once.

        The steps are those of the whole program, in its order: the results are the same to the last bit.
        """
        slots, steps = self._start(values, [s for s in self.inputs if s in values]), []
        for step in self._steps:
            if any(slots[s] is None for s in step[2]):
                steps.append(step)
            else:
                self._run([step], slots)
        read = {*self.outputs, *(s for _, _, sources in steps for s in sources)}
        known = [v if i in read else None for i, v in enumerate(slots)]  # no memory for what nobody reads again
        rest = [(i, s) for i, s in enumerate(self.inputs) if s not in values]

        def finish(others: Mapping[sp.Symbol, Value]) -> list[Value]:
            slots = known.copy()
            for i, symbol in rest:
                slots[i] = others[symbol]
            return self._run(steps, slots)

        return finish

    def _start(self, values: Mapping[sp.Symbol, Value], inputs: Sequence[sp.Symbol]) -> list:
        """The slots of inputs and constants filled, None in those that are still to be computed."""
        slots: list = [None] * self._size
        for symbol in inputs:
            slots[self._slots[symbol]] = values[symbol]
        for i, constant in self._constants.items():
            slots[i] = constant
        if self._like is not None:
            tensors = [v for v in values.values() if isinstance(v, Tensor)]
            slots[self._like] = max(tensors, key=lambda v: v.ndim)
        return slots

    def _run(self, steps: Sequence[Step], slots: list) -> list[Value]:
        for call, target, sources in steps:
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
        if isinstance(e, sp.Expr) and not e.free_symbols:
            target = self._new(e)
            self._constants[target] = number(e)
            return target
        return self._operation(e)

    def _operation(self, e: sp.Basic) -> int:
        if isinstance(e, sp.Add):
            return self._add(e)
        if isinstance(e, sp.Mul):
            return self._multiply(e)
        if isinstance(e, sp.Pow):
            return self._power(e)
        if isinstance(e, sp.Piecewise):
            return self._piecewise(e)
        if isinstance(e, Opaque):
            return self._step(e, lambda *values: _opaque(type(e), *values), e.args)
        if e.func in _REDUCTIONS:
            return self._step(e, _REDUCTIONS[e.func], e.args)
        if e.func in _RELATIONS:
            return self._step(e, _RELATIONS[e.func], e.args)
        if isinstance(e, sp.Heaviside):
            middle = number(e.args[1])
            return self._step(e, lambda x: _heaviside(x, middle), e.args[:1])
        if e.func in _FUNCTIONS:
            return self._step(e, _FUNCTIONS[e.func], e.args)
        if isinstance(e, sp.DiracDelta):
            raise ValueError(
                f"{e} has no value at points: a load on a plane of the coordinates belongs in an equation, where it is "
                "solved; elsewhere write a narrow Gaussian, as exp(-s^2/(2 w^2))/(w sqrt(2 pi)) for DiracDelta(s)"
            )
        raise ValueError(
            f"the expression contains {e.func.__name__}({', '.join(map(str, e.args))}), which has no torch "
            "counterpart: write it in elementary functions, or wrap a Python callable with pinnkit.function"
        )

    def _add(self, e: sp.Add) -> int:
        """a + k b + ... with numeric factors folded into the addition."""
        constant, kept = 0.0, []
        for k, b in (term.as_coeff_Mul() for term in e.args):
            if b.free_symbols:
                kept.append((float(k), b))
            else:
                constant += float(k) * number(b)
        kept.sort(key=lambda pair: abs(pair[0] - 1))
        weights = tuple(k for k, _ in kept)
        return self._step(e, lambda *values: _sum(weights, constant, values), [b for _, b in kept])

    def _multiply(self, e: sp.Mul) -> int:
        """a b ... with all constants in one factor."""
        factor = math.prod(number(a) for a in e.args if not a.free_symbols)
        kept = [a for a in e.args if a.free_symbols]
        if factor == 1:
            return self._step(e, operator.mul if len(kept) == 2 else _product, kept)
        return self._step(e, lambda *values: _product(*values) * factor, kept)

    def _power(self, e: sp.Pow) -> int:
        base, exponent = e.args
        if not exponent.free_symbols:
            p = number(exponent)
            return self._step(e, _POWERS.get(p, lambda x: x**p), [base])
        return self._step(e, operator.pow, [base, exponent])

    def _piecewise(self, e: sp.Piecewise) -> int:
        conditions = [c for _, c in e.args if c is not sp.true]
        n, closed = len(conditions), len(conditions) < len(e.args)

        def call(like: Tensor, *slots: Value) -> Tensor:
            full = [v if isinstance(v, Tensor) else torch.full_like(like, v) for v in slots[n:]]
            result = full[-1] if closed else torch.full_like(like, torch.nan)
            for condition, value in reversed(list(zip(slots[:n], full[:n], strict=True))):
                result = torch.where(torch.as_tensor(condition), value, result)
            return result

        if self._like is None:
            self._like = self._new(sp.Dummy("like"))
        sources = [self._emit(a) for a in (*conditions, *(v for v, _ in e.args))]
        target = self._new(e)
        self._steps.append((call, target, (self._like, *sources)))
        return target


def _heaviside(x: Tensor, middle: float) -> Tensor:
    if followed(x):  # torch knows no derivative of its own
        return torch.where(x > 0, 1.0, torch.where(x < 0, 0.0, middle)).to(x)
    return torch.heaviside(x, torch.full_like(x, middle))


def _product(*values: Value) -> Value:
    return reduce(operator.mul, values)


def _sum(weights: tuple[float, ...], constant: float, values: tuple[Value, ...]) -> Value:
    out = values[0] if weights[0] == 1 else values[0] * weights[0]
    for k, value in zip(weights[1:], values[1:], strict=True):
        both = isinstance(out, Tensor) and isinstance(value, Tensor)
        out = torch.add(out, value, alpha=k) if both else out + k * value
    return out + constant if constant else out


def _extreme(pick: Callable) -> Callable:
    def call(*values: Value) -> Tensor:
        like = next(v for v in values if isinstance(v, Tensor))
        return reduce(pick, [v if isinstance(v, Tensor) else torch.full_like(like, v) for v in values])

    return call


_REDUCTIONS: dict[type, Callable[..., Tensor]] = {
    sp.Max: _extreme(torch.maximum), sp.Min: _extreme(torch.minimum), sp.atan2: _extreme(torch.atan2),
    sp.And: _extreme(torch.logical_and), sp.Or: _extreme(torch.logical_or),
    sp.Xor: _extreme(torch.logical_xor),
}  # fmt: skip
_POWERS: dict[float, Callable[[Value], Value]] = {
    1.0: lambda x: x,
    2.0: lambda x: x * x,
    3.0: lambda x: x * x * x,
    4.0: lambda x: (x * x) * (x * x),
    -1.0: lambda x: 1 / x,
    -2.0: lambda x: 1 / (x * x),
    0.5: lambda x: x**0.5,
}
