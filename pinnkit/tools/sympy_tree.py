"""SymPy expressions as nested lists of names and numbers, so that a file can hold them and no text is evaluated."""

from collections.abc import Callable
from keyword import iskeyword
from math import comb
from typing import Any, TypeVar

import sympy as sp
from sympy.core.assumptions import _assume_defined as ASSUMPTIONS
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import Boolean

from pinnkit.tools.sympy_types import is_applied

Held = TypeVar("Held", bound=sp.Expr)
_FUNCTIONS = {
    f.__name__: f
    for f in (
        sp.Add, sp.Mul, sp.Pow, sp.exp, sp.log, sp.sin, sp.cos, sp.tan, sp.sec, sp.csc, sp.cot, sp.asin, sp.acos,
        sp.atan, sp.atan2, sp.sinh, sp.cosh, sp.tanh, sp.sech, sp.csch, sp.coth, sp.asinh, sp.acosh, sp.atanh, sp.erf,
        sp.erfc, sp.Abs, sp.sign, sp.floor, sp.ceiling, sp.Mod, sp.Heaviside, sp.DiracDelta, sp.Max, sp.Min,
    )
}  # fmt: skip
_RELATIONS = {
    f.__name__: f
    for f in (
        sp.StrictLessThan, sp.LessThan, sp.StrictGreaterThan, sp.GreaterThan, sp.Equality, sp.Unequality, sp.And,
        sp.Or, sp.Xor, sp.Not,
    )
}  # fmt: skip
_OWN: dict[str, Any] = {}  # classes of the package's own, kept as they are
_EVALUATED = ("Max", "Min", "And", "Or", "Xor", "Not")  # SymPy makes these of sets: as they are they are canonical
_PLAIN = ("Add", "Mul", "Max", "Min", "Derivative", "Piecewise", "ExprCondPair", "applied")
_KINKED = sp.Abs, sp.sign, sp.floor, sp.ceiling, sp.Mod, sp.Heaviside, sp.DiracDelta, sp.Max, sp.Min, ExprCondPair
_CONSTANTS = {"pi": sp.pi, "E": sp.E, "true": sp.true, "false": sp.false}
# Far beyond what any statement needs: levels and nodes of an expression, exponents, constant arguments of functions,
# digits of a number, terms of an expression that is multiplied out, nodes of a derivative that is carried out.
DEPTH, NODES, EXPONENT, ARGUMENT, DIGITS, TERMS, GROWTH = 60, 5000, 300, 10_000, 1000, 10**5, 10**6
ORDER = 16  # of a derivative
PAIRS, KINKS = 100, 16  # that SymPy compares in maxima and minima; kinks and jumps, each of which is looked for
SECOND = 2  # order of the operators that are the package's own


def held(kind: type[Held]) -> type[Held]:
    """A class decorator: expressions of this class, differential operators of second order, stand in files as such."""
    _OWN[kind.__name__] = kind
    return kind


def encode(e: sp.Basic) -> list:
    """The expression as nested lists; ValueError for a function that is not elementary."""
    if isinstance(e, sp.Symbol) and not isinstance(e, sp.Dummy):
        return ["symbol", e.name, _assumptions(e)]
    if isinstance(e, sp.Rational):
        return ["number", str(e.p), str(e.q)]
    if isinstance(e, sp.Float):
        sign, man, exp, _ = map(int, e._mpf_)
        return ["float", str(-man if sign else man), exp, e._prec]
    for name, constant in _CONSTANTS.items():
        if e == constant:
            return ["constant", name]
    if is_applied(e):
        return ["applied", e.func.__name__, dict(e.func._kwargs), *map(encode, e.args)]
    if isinstance(e, sp.Derivative):
        return ["Derivative", encode(e.expr), *([encode(s), int(n)] for s, n in e.variable_count)]
    if isinstance(e, sp.Integral):
        return ["integral", encode(e.function), *([*map(encode, limit)] for limit in e.limits)]
    if isinstance(e, sp.Subs):
        return ["Subs", encode(e.expr), *([encode(s), encode(p)] for s, p in zip(e.variables, e.point, strict=True))]
    name = e.func.__name__
    if e.func not in (*_FUNCTIONS.values(), *_RELATIONS.values(), sp.Piecewise, ExprCondPair, *_OWN.values()):
        raise ValueError(f"{name} cannot be written to a file: use elementary functions")
    return [name, *map(encode, e.args)]


def decode(tree: Any) -> sp.Expr:
    """The expression that ``encode`` was given, node by node as it was: SymPy evaluates nothing.

    Whoever uses an expression evaluates and differentiates it: numbers, and how far it may grow, are bounded, so that
    a short text cannot stand for a number of 10^9 digits or a sum of 10^9 terms.

    Raises:
        ValueError: a tree that ``encode`` did not make, or one beyond the bounds.
    """
    try:
        found = _decoded(tree, DEPTH, [NODES, PAIRS])
        _check_growth(found)
        _check_kinks(found)
    except (TypeError, IndexError, KeyError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"a file holds an expression that this pinnkit did not write ({error})") from error
    return found


def _assumptions(s: sp.Symbol) -> Any:
    """False of a real symbol, True of a positive one, else all that is assumed."""
    for plain, like in ((False, {"real": True}), (True, {"positive": True})):
        if s == sp.Symbol(s.name, **like):
            return plain
    return dict(s.assumptions0)


def _name(name: Any) -> str:
    if not (isinstance(name, str) and name.isidentifier() and not iskeyword(name) and len(name) <= 64):
        raise ValueError(f"a file names the symbol {name!r}, which is no name")
    return name


def _assumed(given: Any) -> dict[str, bool]:
    given = {"positive": True} if given is True else {"real": True} if given is False else given
    if not (set(given) <= ASSUMPTIONS and all(isinstance(v, bool) for v in given.values())):
        raise ValueError(f"a file holds the assumptions {given!r}, which SymPy does not know")
    return given


def _decoded(tree: Any, depth: int, left: list[int]) -> Any:
    left[0] -= 1
    if depth == 0 or left[0] < 0:
        raise ValueError(f"a file holds an expression of more than {DEPTH} levels or {NODES} terms")
    kind, *rest = tree
    if kind in _LEAVES:
        return _LEAVES[kind](*rest)
    if kind == "Derivative":
        inner, *by = rest
        by = [(_decoded(s, depth - 1, left), _order(n)) for s, n in by]
        return sp.Derivative(_decoded(inner, depth - 1, left), *by)
    if kind == "integral":
        inner, *limits = rest
        limits = [[_decoded(e, depth - 1, left) for e in limit] for limit in limits]
        if any(len(limit) != 3 or not isinstance(limit[0], sp.Symbol) for limit in limits) or not limits:
            raise ValueError("a file holds an integral without limits")
        return sp.Integral(_decoded(inner, depth - 1, left), *limits)
    if kind == "Subs":
        inner, *at = rest
        pairs = [(_decoded(s, depth - 1, left), _decoded(p, depth - 1, left)) for s, p in at]
        return sp.Subs(_decoded(inner, depth - 1, left), tuple(s for s, _ in pairs), tuple(p for _, p in pairs))
    if kind == "applied":
        name, assumptions, *rest = rest
        make = sp.Function(_name(name), **_assumed(assumptions))
    elif kind in _INNER | _OWN:
        make = (_INNER | _OWN)[kind]
    else:
        raise ValueError(f"a file names the function {kind!r}, which this pinnkit does not know")
    arguments = [_decoded(branch, depth - 1, left) for branch in rest]
    left[1] -= comb(len(arguments), 2) if kind in ("Max", "Min") else 0
    if left[1] < 0:
        raise ValueError(f"a file holds maxima and minima of more than {PAIRS} pairs of expressions")
    _check_kinds(kind, arguments)
    _check_numbers(kind, arguments)
    if kind in (*_EVALUATED, *_OWN, "ExprCondPair"):
        return make(*arguments)
    return make(*arguments, evaluate=False)


def _number(p: Any, q: Any) -> sp.Expr:
    if max(len(str(p)), len(str(q))) > DIGITS:
        raise ValueError(f"a file holds a number of more than {DIGITS} digits")
    return sp.Rational(int(p), int(q))


def _float(value: Any, exponent: int = 0, precision: int | None = None) -> sp.Expr:
    """A float by mantissa, power of two and bits of precision; of a double alone what it is."""
    if precision is None:
        return sp.Float(float(value), 17)
    if len(value) > DIGITS or abs(exponent) > 10 * DIGITS or not 1 < precision <= 10 * DIGITS:
        raise ValueError(f"a file holds a number of more than {DIGITS} digits")
    man = int(value)
    held = (int(man < 0), abs(man), int(exponent), abs(man).bit_length()) if man else 0.0
    return sp.Float(held, precision=int(precision))


def _order(n: Any) -> int:
    if not (isinstance(n, int) and 0 < n <= ORDER):
        raise ValueError(f"a file holds a derivative of order {n!r}: expected 1, 2 ... {ORDER}")
    return n


_LEAVES: dict[str, Callable[..., sp.Expr]] = {
    "symbol": lambda name, assumptions: sp.Symbol(_name(name), **_assumed(assumptions)),
    "number": _number,
    "float": _float,
    "constant": lambda name: _CONSTANTS[name],
}
_INNER = _FUNCTIONS | _RELATIONS | {"Piecewise": sp.Piecewise, "ExprCondPair": ExprCondPair}


def _check_kinds(kind: str, arguments: list[Any]) -> None:
    """ValueError for a condition in an expression's place, or the other way round."""
    kinds = [sp.Expr] * len(arguments)
    if kind == "Piecewise":
        kinds = [ExprCondPair] * len(arguments)
    elif kind == "ExprCondPair":
        kinds = [sp.Expr, Boolean]
    elif kind in ("And", "Or", "Xor", "Not"):
        kinds = [Boolean] * len(arguments)
    fits = len(kinds) == len(arguments) and all(map(isinstance, arguments, kinds))
    if not arguments or not fits or (kind == "Not" and len(arguments) > 1):
        raise ValueError(f"a file holds {kind} of something else than it is for")


def _check_numbers(kind: str, arguments: list[sp.Expr]) -> None:
    """ValueError for an exponent, or a function's constant argument, that is out of all proportion."""
    held = arguments[1:] if kind == "Pow" else [] if kind in (*_PLAIN, *_OWN, *_RELATIONS) else arguments
    for e in held:
        bound = EXPONENT if kind == "Pow" else ARGUMENT
        if not e.free_symbols and not abs(complex(sp.N(e, 5))) <= bound:
            raise ValueError(f"a file holds {kind} of the number {str(sp.N(e, 5))[:30]}: at most {bound} is read")
    if kind == "Pow" and not arguments[0].free_symbols and not abs(complex(sp.N(arguments[0], 5))) <= 1e300:
        raise ValueError("a file holds a power of a number beyond 1e300")


def _check_kinks(e: sp.Basic) -> None:
    """ValueError for more kinks and jumps than can be looked for one by one."""
    count = sum(isinstance(node, _KINKED) for node in sp.preorder_traversal(e))
    if count > KINKS:
        raise ValueError(f"a file holds an expression with {count} kinks and jumps: {KINKS} at most are read")


def _differentiates(node: sp.Basic) -> bool:
    return isinstance(node, (sp.Derivative, *_OWN.values())) and getattr(node, "differentiates", True)


def _check_growth(e: sp.Basic) -> None:
    """ValueError for an expression that multiplied out, or differentiated, would be out of all proportion."""
    terms: dict[sp.Basic, int] = {}
    nodes: dict[sp.Basic, int] = {}
    for node in sp.postorder_traversal(e):
        own = [terms[a] for a in node.args if a in terms]
        nodes[node] = 1 + sum(nodes.get(a, 0) for a in node.args)
        terms[node] = 1
        if isinstance(node, sp.Add):
            terms[node] = sum(own)
        elif isinstance(node, sp.Mul):
            for n in own:
                terms[node] *= n
        elif isinstance(node, sp.Pow) and own[0] > 1 and node.exp.is_number:
            k = int(abs(sp.N(node.exp, 5)))
            terms[node] = comb(own[0] + k - 1, k)
        elif _differentiates(node) and not is_applied(node.args[0]):
            order = sum(n for _, n in node.variable_count) if isinstance(node, sp.Derivative) else SECOND
            nodes[node] = nodes[node.args[0]] ** (1 + order)
        if terms[node] > TERMS or nodes[node] > GROWTH:
            raise ValueError(
                f"a file holds an expression that has more than {TERMS} terms multiplied out, or {GROWTH} nodes "
                "differentiated"
            )
