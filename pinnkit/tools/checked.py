"""Arguments are held against the signature's types: the first that does not fit is named in one sentence."""

import collections.abc
import inspect
import math
import os
import sys
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, wraps
from importlib import import_module
from numbers import Integral, Real
from pathlib import Path
from typing import Annotated, Any, TypeVar

Thing = TypeVar("Thing")
LOOKED_AT = 10_000  # elements of a sequence, from its start


@dataclass(frozen=True)
class Rule:
    """What a value must be beside its type: in words, and as a test."""

    words: str
    holds: Callable[[Any], bool]


Finite = Annotated[float, Rule("a finite number", math.isfinite)]
Positive = Annotated[float, Rule("a positive number", lambda v: 0 < v < math.inf)]
NotNegative = Annotated[float, Rule("a finite number of at least 0", lambda v: 0 <= v < math.inf)]
Fraction = Annotated[float, Rule("a number from 0 to 1", lambda v: 0 <= v <= 1)]
Below1 = Annotated[float, Rule("a number of at least 0 and below 1", lambda v: 0 <= v < 1)]
AtLeast1 = Annotated[float, Rule("a finite number of at least 1", lambda v: 1 <= v < math.inf)]
Within = Annotated[float, Rule("a number between 0 and 1, without them", lambda v: 0 < v < 1)]
Count = Annotated[int, Rule("a whole number of at least 1", lambda v: v >= 1)]
Whole = Annotated[int, Rule("a whole number of at least 0", lambda v: v >= 0)]
Damping = Positive | typing.Literal["gcv", "evidence"]  # a number, or the rule that chooses it
Named = Annotated[str, Rule("text that is not empty", bool)]


@dataclass(frozen=True)
class Misfit:
    """A value that does not fit: where in the argument it stands, what was expected, whether its type is right."""

    value: Any
    expected: str
    place: str = ""
    typed: bool = False

    def error(self, what: str) -> Exception:
        """The sentence, as a ValueError where the type is right, else a TypeError."""
        text = f"{what}{self.place} is {shown(self.value)}: expected {self.expected}"
        return ValueError(text) if self.typed else TypeError(text)


Test = Callable[[Any], Misfit | None]


def checked(thing: Thing) -> Thing:
    """A function whose arguments are checked, or a class whose constructor's and public methods' arguments are.

    Defaults are not looked at. Raises, when called, TypeError for an argument of a wrong type and ValueError for one
    that breaks a rule of its type.
    """
    return _wrapped(thing, ())


def checked_but(*own: str) -> Callable[[Thing], Thing]:
    """As `checked`, without the arguments of these names: the thing looks at them itself, and says more."""
    return lambda thing: _wrapped(thing, own)


def fit(hint: Any, value: Any, what: str) -> None:
    """Raise, of a value that does not fit a type, the sentence that calls it ``what``."""
    found = test(hint)(value)
    if found is not None:
        raise found.error(what)


def _wrapped(thing: Any, own: tuple[str, ...]) -> Any:
    if not inspect.isclass(thing):
        return _checked(thing, thing.__qualname__, own)
    for name, value in list(vars(thing).items()):
        if name.startswith("_") and name not in ("__init__", "__call__"):
            continue
        label = thing.__name__ + (f".{name}" if not name.startswith("_") else "")
        if isinstance(value, (classmethod, staticmethod)):
            setattr(thing, name, type(value)(_checked(value.__func__, label, own)))
        elif isinstance(value, types.FunctionType):
            setattr(thing, name, _checked(value, label, own))
    return thing


def _checked(function: Callable, label: str, own: tuple[str, ...]) -> Callable:
    known: list[_Arguments] = []  # made at the first call: until then some types may be unknown

    @wraps(function)
    def call(*args: Any, **named: Any) -> Any:
        if not known:
            known.append(_Arguments.of(function, own))
        found = known[0].misfit(args, named)
        if found is not None:
            raise found[1].error(f"{label}: {found[0]}")
        return function(*args, **named)

    return call


Tested = tuple[str, Test | None, Any]  # an argument: name, test, default


@dataclass(frozen=True)
class _Arguments:
    """The arguments of a function with their tests: by place, by name, and those that a * or ** gathers."""

    places: tuple[Tested, ...]
    names: Mapping[str, Tested]
    rest: Tested | None
    others: Test | None

    @classmethod
    def of(cls, function: Callable, own: tuple[str, ...] = ()) -> "_Arguments":
        """Those of the signature, tests for all but its own."""
        parameters, hints = inspect.signature(function).parameters.values(), types_of(function)
        tests = {n: test(h) for n, h in hints.items() if n not in own and h is not Any}
        found = {p.name: (p.name, tests.get(p.name), p.default) for p in parameters}
        kinds = {p.kind: p.name for p in parameters}
        places = [found[p.name] for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        rest = kinds.get(inspect.Parameter.VAR_POSITIONAL)
        others = tests.get(kinds.get(inspect.Parameter.VAR_KEYWORD, ""))
        return cls(tuple(places), found, found[rest] if rest else None, others)

    def misfit(self, args: tuple, named: dict[str, Any]) -> tuple[str, Misfit] | None:
        """The first argument that does not fit, by name; defaults do."""
        tested = [*zip(self.places, args, strict=False)]
        if self.rest is not None:
            tested += [(self.rest, value) for value in args[len(self.places) :]]
        for name, value in named.items():
            tested.append((self.names.get(name, (name, self.others, None)), value))
        for (name, fits, default), value in tested:
            if fits is not None and value is not default:
                found = fits(value)
                if found is not None and not getattr(found.value, "stands_in", False):
                    return name, found
        return None


def types_of(function: Callable) -> dict[str, Any]:
    """The types of a function's arguments; those that are only imported for type checkers come from the package."""
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError:
        public = _public() | {name: sys.modules[name] for name in ("torch", "numpy")}
        public |= {"sp": sys.modules["sympy"], "np": sys.modules["numpy"], "Tensor": sys.modules["torch"].Tensor}
        public |= {name: getattr(collections.abc, name) for name in ("Sequence", "Mapping", "Callable", "Iterable")}
        public |= {"AppliedUndef": sys.modules["sympy.core.function"].AppliedUndef}
        own = {name: hint for name, hint in function.__annotations__.items() if name != "return"}
        arguments = types.SimpleNamespace(__annotations__=own)
        return typing.get_type_hints(arguments, function.__globals__, public, include_extras=True)


def _public() -> dict[str, Any]:
    root = import_module("pinnkit")
    return {name: getattr(root, name) for name in root.__all__}


@cache
def test(hint: Any) -> Test:
    """What says whether a value fits a type."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or isinstance(hint, (str, TypeVar)) or hint is object:
        return lambda value: None
    if origin is Annotated:
        return _ruled(parts[0], [r for r in parts[1:] if isinstance(r, Rule)])
    if origin in (typing.Union, types.UnionType):
        return _any_of(parts, words(hint))
    if origin is typing.Literal:
        return lambda value: None if value in parts else Misfit(value, words(hint), typed=isinstance(value, str))
    if origin in (collections.abc.Mapping, dict):
        return _mapping(parts, words(hint))
    if origin is tuple and parts[-1:] != (...,):
        return _row(parts, words(hint))
    if origin in _SEQUENCES or origin in (collections.abc.Iterable, frozenset, set):
        return _elements(origin, parts[0], words(hint))
    return _plain(origin or hint, words(hint))


def _ruled(hint: Any, rules: list[Rule]) -> Test:
    of_type = test(hint)
    expected = " and ".join(r.words for r in rules) or words(hint)

    def ruled(value: Any) -> Misfit | None:
        found = of_type(value)
        if found is not None:
            return Misfit(found.value, expected, found.place, found.typed) if not found.place else found
        return None if all(r.holds(value) for r in rules) else Misfit(value, expected, typed=True)

    return ruled


def _any_of(hints: tuple, expected: str) -> Test:
    tests = [test(h) for h in hints]

    def any_of(value: Any) -> Misfit | None:
        if any(each(value) is None for each in tests):
            return None
        found = [m for each in tests if (m := each(value)) is not None]
        inside = [m for m in found if m.place or m.typed and type(value).__name__ in _ARRAYS]  # these say more
        return inside[0] if inside else Misfit(value, expected, typed=any(m.typed for m in found))

    return any_of


def _mapping(parts: tuple, expected: str) -> Test:
    of_key, of_value = (test(p) for p in parts)

    def mapping(value: Any) -> Misfit | None:
        if not isinstance(value, collections.abc.Mapping):
            return Misfit(value, expected)
        for key, each in value.items():
            found = of_key(key)
            if found is not None:
                return Misfit(key, found.expected, ": a key of it")
            found = of_value(each)
            if found is not None:
                return Misfit(found.value, found.expected, f"[{key!r}]{found.place}", found.typed)
        return None

    return mapping


def _elements(kind: Any, hint: Any, expected: str) -> Test:
    each_fits = test(hint)
    once = kind is collections.abc.Iterable  # what can be walked through only once is not

    def elements(value: Any) -> Misfit | None:
        if isinstance(value, (str, bytes)) or not (isinstance(value, _SEQUENCES) or type(value).__name__ in _ARRAYS
                                                   or once and hasattr(value, "__iter__")
                                                   or isinstance(value, collections.abc.Set)):  # fmt: skip
            return Misfit(value, expected)
        if type(value).__name__ in _ARRAYS:
            return _array(value) if getattr(value, "ndim", 1) else Misfit(value, expected)
        for i, each in zip(range(LOOKED_AT), value if not once or isinstance(value, _SEQUENCES) else (), strict=False):
            found = each_fits(each)
            if found is not None:
                return Misfit(found.value, found.expected, f"[{i}]{found.place}", found.typed)
        return None

    return elements


def _row(hints: tuple, expected: str) -> Test:
    tests = [test(h) for h in hints]

    def row(value: Any) -> Misfit | None:
        if not isinstance(value, _SEQUENCES) or isinstance(value, (str, bytes)):
            return Misfit(value, expected)
        if len(value) != len(tests):
            return Misfit(value, expected, typed=True)
        for i, (each, part) in enumerate(zip(tests, value, strict=True)):
            found = each(part)
            if found is not None:
                return Misfit(found.value, found.expected, f"[{i}]{found.place}", found.typed)
        return None

    return row


def _plain(kind: Any, expected: str) -> Test:
    fits = _FITS.get(kind)
    if kind in (None, type(None)):
        fits = _is_none
    elif getattr(kind, "__name__", "") in _ARRAYS:
        return lambda value: _array(value) if isinstance(value, kind) else Misfit(value, expected)
    elif getattr(kind, "_is_protocol", False):
        asked = sorted({*vars(kind), *vars(kind).get("__annotations__", {})} - {"_abc_impl"})
        asked = [n for n in asked if not n.startswith("_") or n == "__call__"]
        return lambda value: None if all(_has(value, n) for n in asked) else Misfit(value, expected)
    elif fits is None and not isinstance(kind, type):
        return lambda value: None
    if fits is not None:
        return lambda value: None if fits(value) else Misfit(value, expected)
    return lambda value: None if isinstance(value, kind) else Misfit(value, expected)


def _has(value: Any, name: str) -> bool:
    return hasattr(type(value), name) or hasattr(value, name)  # the type first: a property may be costly


def _array(value: Any) -> Misfit | None:
    """Arrays hold real numbers."""
    if _real(value.dtype):
        return None
    why = "the numbers are complex, and all is real here: give real and imaginary part apart"
    return Misfit(value, f"real numbers ({why})" if "complex" in str(value.dtype) else "numbers", typed=True)


@cache
def _real(kind: Any) -> bool:
    """Whether numbers of this type, torch's or NumPy's, are real."""
    return "complex" not in str(kind) and not str(kind).startswith(("<U", "object", "|S"))


def _is_none(value: Any) -> bool:
    return value is None


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")


_SEQUENCES = (list, tuple, collections.abc.Sequence)
_ARRAYS = ("Tensor", "ndarray", "Parameter")
_FITS: Mapping[Any, Callable[[Any], bool]] = {
    float: lambda v: isinstance(v, Real) and not _is_truth(v),
    int: lambda v: isinstance(v, Integral) and not _is_truth(v),
    bool: _is_truth,
    Path: lambda v: isinstance(v, os.PathLike),
    collections.abc.Callable: callable,
}
_WORDS = {
    float: "a number", int: "a whole number", bool: "True or False", str: "text", Path: "a path", type(None): "None",
    collections.abc.Callable: "a function",
}  # fmt: skip


_EXAMPLES = {
    "Functional": "a functional such as pinnkit.at('u', x=0.2, t=0.5)", "AppliedUndef": "a field such as u(x, t)",
    "Network": "a network such as pinnkit.MLP(2, 20, 20, 1)", "Stage": "an optimiser such as pinnkit.Adam(1000)",
    "Domain": "a domain such as pinnkit.Box(x=(0, 1))",
    "ndarray": "a NumPy array", "dtype": "a torch.dtype", "Resampler": "a resampling such as pinnkit.rad(every=100)",
    "Objective": "rows such as solution.stack", "LeastSquares": "rows such as solution.stack",
}  # fmt: skip


def words(hint: Any) -> str:
    """A type in words."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return " and ".join(r.words for r in parts[1:] if isinstance(r, Rule)) or words(parts[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(words, parts)))
    if origin is typing.Literal:
        return "one of " + ", ".join(map(str, parts)) if len(parts) > 1 else repr(parts[0])
    if origin in (collections.abc.Mapping, dict):
        return f"a mapping from {words(parts[0])} to {words(parts[1])}"
    if origin is tuple and parts[-1:] != (...,):
        return f"({', '.join(map(words, parts))})"
    if origin in (*_SEQUENCES, collections.abc.Iterable, frozenset, set):
        return f"a sequence with {words(parts[0])} in every place"
    if hint is Any:
        return "anything"
    kind = origin or hint
    if kind in _WORDS:
        return _WORDS[kind]
    if getattr(kind, "__name__", "") in _EXAMPLES:
        return _EXAMPLES[kind.__name__]
    name, home = getattr(kind, "__name__", str(kind)), getattr(kind, "__module__", "").partition(".")[0]
    return f"a {home}.{name}" if home in ("torch", "numpy", "sympy", "pinnkit") else name


def shown(value: Any) -> str:
    """A value as a sentence shows it: short, arrays by their shapes."""
    if type(value).__name__ in _ARRAYS:
        return f"a {type(value).__name__} of shape {tuple(value.shape)} and type {value.dtype}"
    text = repr(value)
    text = text if len(text) <= 60 else f"{text[:57]}..."
    return text if isinstance(value, (str, Real, type(None))) else f"{text} ({type(value).__name__})"
