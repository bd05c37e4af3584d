"""Arguments are held against the signature's types: the first that does not fit is named in one sentence."""

import collections.abc
import inspect
import math
import sys
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, wraps
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from .type_fit import Test, test
from .type_made import made
from .type_words import Rule, nearest

if TYPE_CHECKING:
    import torch

Thing = TypeVar("Thing")
_Kind = inspect.Parameter

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
Rows = Annotated["torch.Tensor", Rule("numbers of rows (n,), whole and not negative", lambda v: _numbers(v))]
LISTED = Rule("a vector (n,)", lambda v: v.ndim == 1)
SOME = Rule("at least one", lambda v: len(v) > 0)
Vector = Annotated["torch.Tensor", Rule("a vector (n,) of real numbers", lambda v: _floats(v, 1))]
Matrix = Annotated["torch.Tensor", Rule("a matrix (m, n) of real numbers", lambda v: _floats(v, 2))]
Places = Annotated["torch.Tensor", Rule("points (n, d), a row for each", lambda v: v.ndim == 2)]


def _numbers(value: Any) -> bool:
    return value.ndim == 1 and not value.is_floating_point() and bool((value >= 0).all())


def _floats(value: Any, dimensions: int) -> bool:
    return value.ndim == dimensions and value.is_floating_point()


def _usable(device: Any) -> bool:
    """Whether a tensor can be made there."""
    import torch

    try:
        torch.empty(0, device=device)
    except (RuntimeError, TypeError, AssertionError):
        return False
    return not isinstance(device, (bool, int))


Device = Annotated[Any, Rule("a device that this machine has, such as 'cpu'", _usable)]  # text or torch.device


def checked(thing: Thing) -> Thing:
    """A function whose arguments are checked, or a class whose constructor's and public methods' arguments are.

    Defaults are not looked at. Raises, when called, TypeError for an argument of a wrong type and ValueError for one
    that breaks a rule of its type.
    """
    return _wrapped(thing, ())


def checked_but(*own: str) -> Callable[[Thing], Thing]:
    """As `checked`, without the arguments of these names: the thing looks at them itself, and says more."""
    return lambda thing: _wrapped(thing, own)


def fit(hint: Any, value: Any, what: str) -> Any:
    """The value as a type asks for it; of one that does not fit, the sentence that calls it ``what`` is raised."""
    fits = test(hint)
    found = fits(value)
    if found is None:
        return value
    other = made(hint, value)
    if fits(other) is None:
        return other
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
            known.append(_Arguments.of(function, label, own))
        args, named = known[0].settled(args, named)
        return function(*args, **named)

    return call


@dataclass(frozen=True)
class _Argument:
    """An argument of a function: its type, and what tells whether a value fits it (None: all do)."""

    name: str
    hint: Any
    fits: Test | None
    default: Any

    def settled(self, value: Any, label: Callable[[], str]) -> Any:
        """The value that fits; else one that says the same and does; else TypeError or ValueError."""
        if self.fits is None or value is self.default:
            return value
        found = self.fits(value)
        if found is None or getattr(found.value, "stands_in", False):
            return value
        return fit(self.hint, value, f"{label()}: {self.name}")


@dataclass(frozen=True)
class _Arguments:
    """The arguments of a function: by place, by name, and those that a * or ** gathers."""

    label: str
    places: tuple[_Argument, ...]
    names: Mapping[str, _Argument]
    rest: _Argument | None
    others: _Argument | None

    @classmethod
    def of(cls, function: Callable, label: str, own: tuple[str, ...] = ()) -> "_Arguments":
        """Those of the signature, tests for all but its own."""
        parameters, hints = inspect.signature(function).parameters.values(), types_of(function)
        found: dict[str, _Argument] = {}
        by_kind: dict[Any, list[_Argument]] = {}
        for p in parameters:
            hint = Any if p.name in own else hints.get(p.name, Any)
            found[p.name] = _Argument(p.name, hint, None if hint is Any else test(hint), p.default)
            by_kind.setdefault(p.kind, []).append(found[p.name])
        gathered = {a.name for kind in (_Kind.VAR_POSITIONAL, _Kind.VAR_KEYWORD) for a in by_kind.get(kind, ())}
        return cls(
            label,
            tuple(a for kind in (_Kind.POSITIONAL_ONLY, _Kind.POSITIONAL_OR_KEYWORD) for a in by_kind.get(kind, ())),
            {name: a for name, a in found.items() if name not in gathered},
            next(iter(by_kind.get(_Kind.VAR_POSITIONAL, ())), None),
            next(iter(by_kind.get(_Kind.VAR_KEYWORD, ())), None),
        )

    def settled(self, args: tuple, named: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        """The arguments as their types ask for them; TypeError: too many, too few, or of an unknown name."""

        def label() -> str:
            return self._label(args)

        if len(args) > len(self.places) and self.rest is None:
            raise TypeError(f"{label()}: too many arguments by place: {self._signature()}")
        if len(args) < self.least:
            for argument in self.places[len(args) :]:
                if argument.default is _Kind.empty and argument.name not in named:
                    raise TypeError(f"{label()}: {argument.name} is missing: {self._signature()}")
        for i, value in enumerate(args):
            at = self.places[i] if i < len(self.places) else self.rest
            other = value if at is None else at.settled(value, label)
            if other is not value:
                args = (*args[:i], other, *args[i + 1 :])
        for name, value in named.items():
            own = self.names.get(name)
            if own is None and self.others is None:
                raise TypeError(f"{label()}: there is no argument {name!r}{nearest(name, self._known(), 'it has')}")
            if own is None and self.others is not None:
                own = replace(self.others, name=name)
            other = value if own is None else own.settled(value, label)
            if other is not value:
                named = named | {name: other}
        return args, named

    @cached_property
    def least(self) -> int:
        """How many arguments by place have no default."""
        return sum(a.default is _Kind.empty for a in self.places)

    def _label(self, args: tuple) -> str:
        """The function's name, that of a method with the class of its object."""
        if not args or not self.places or self.places[0].name != "self":
            return self.label
        _, dot, method = self.label.partition(".")
        return f"{type(args[0]).__name__.lstrip('_')}{dot}{method}"

    def _signature(self) -> str:
        by_place = [a.name for a in self.places if a.name not in ("self", "cls")]
        by_name = [name for name in self._known() if name not in by_place]
        more = f" and by name {', '.join(by_name)}" if by_name else ""
        return f"it takes {', '.join(by_place) or 'none'} by place{more}"

    def _known(self) -> list[str]:
        return [name for name in self.names if name not in ("self", "cls")]


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
