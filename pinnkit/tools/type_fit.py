"""Whether a value fits a type, down to its elements: None, or what does not."""

import collections.abc
import inspect
import os
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

from .type_words import ARRAYS, SEQUENCES, Misfit, Rule, words

LOOKED_AT = 10_000  # elements of a sequence, from its start
Test = Callable[[Any], Misfit | None]


@cache
def test(hint: Any) -> Test:
    """What says whether a value fits a type."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, TypeVar):
        hint = typing.Union[hint.__constraints__ or (hint.__bound__ or Any,)]  # noqa: UP007
        origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or isinstance(hint, str) or hint is object:
        return lambda value: None
    if origin is Annotated:
        return _ruled(parts[0], [r for r in parts[1:] if isinstance(r, Rule)])
    if origin in (typing.Union, types.UnionType):
        return _any_of(parts, words(hint))
    if origin is typing.Literal:
        return lambda value: None if value in parts else Misfit(value, words(hint), typed=isinstance(value, str))
    if origin is collections.abc.Callable and isinstance(parts[0], list):
        return _function(len(parts[0]))
    if origin in (collections.abc.Mapping, dict):
        return _mapping(parts, words(hint))
    if origin is tuple and parts[-1:] != (...,):
        return _row(parts, words(hint))
    if origin in SEQUENCES or origin in (collections.abc.Iterable, frozenset, set):
        return _elements(origin, parts[0], words(hint))
    return _plain(origin or hint, words(hint))


def _ruled(hint: Any, rules: list[Rule]) -> Test:
    of_type = test(hint)
    expected = " and ".join(r.words for r in rules) or words(hint)

    def ruled(value: Any) -> Misfit | None:
        found = of_type(value)
        if found is not None:
            return found if found.place or found.typed else Misfit(found.value, expected)  # these say more
        return None if all(r.holds(value) for r in rules) else Misfit(value, expected, typed=True)

    return ruled


def _any_of(hints: tuple, expected: str) -> Test:
    tests = [test(h) for h in hints]

    def any_of(value: Any) -> Misfit | None:
        found: list[Misfit] = []
        for each in tests:
            misfit = each(value)
            if misfit is None:
                return None
            found.append(misfit)
        if len(others := [m for m, h in zip(found, hints, strict=True) if h is not type(None)]) == 1:
            more = "" if others[0].place or others[0].typed else " or None"
            return replace(others[0], expected=others[0].expected + more)
        inside = [m for m in found if m.place or m.typed and type(value).__name__ in ARRAYS]  # these say more
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
    kinds = tuple if kind is tuple else (*SEQUENCES, collections.abc.Set)

    def elements(value: Any) -> Misfit | None:
        if isinstance(value, (str, bytes)) or not (isinstance(value, kinds) or type(value).__name__ in ARRAYS
                                                   or once and hasattr(value, "__iter__")):  # fmt: skip
            return Misfit(value, expected)
        if type(value).__name__ in ARRAYS:
            return _array(value) if getattr(value, "ndim", 1) else Misfit(value, expected)
        for i, each in zip(range(LOOKED_AT), value if not once or isinstance(value, SEQUENCES) else (), strict=False):
            found = each_fits(each)
            if found is not None:
                return Misfit(found.value, found.expected, f"[{i}]{found.place}", found.typed)
        return None

    return elements


def _row(hints: tuple, expected: str) -> Test:
    tests = [test(h) for h in hints]

    def row(value: Any) -> Misfit | None:
        if not isinstance(value, tuple):
            return Misfit(value, expected)
        if len(value) != len(tests):
            return Misfit(value, expected, typed=True)
        for i, (each, part) in enumerate(zip(tests, value, strict=True)):
            found = each(part)
            if found is not None:
                return Misfit(found.value, found.expected, f"[{i}]{found.place}", found.typed)
        return None

    return row


def _function(count: int) -> Test:
    expected = f"a function of {count} argument{'s' * (count != 1)}"
    return lambda value: None if callable(value) and _takes(value, count) else Misfit(value, expected)


def _takes(function: Callable, count: int) -> bool:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of what is written in C it may be unknown
        return True
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def _plain(kind: Any, expected: str) -> Test:
    fits = _FITS.get(kind)
    if kind in (None, type(None)):
        fits = _is_none
    elif getattr(kind, "__name__", "") in ARRAYS:
        return lambda value: _array(value) if isinstance(value, kind) else Misfit(value, expected)
    elif getattr(kind, "_is_protocol", False):
        needed = sorted({*vars(kind), *vars(kind).get("__annotations__", {})} - {"_abc_impl"})
        needed = [n for n in needed if not n.startswith("_") or n == "__call__"]
        return lambda value: None if _like(value, needed) else Misfit(value, expected)
    elif fits is None and not isinstance(kind, type):
        return lambda value: None
    elif kind.__module__.startswith("sympy."):
        return lambda value: _defined(value) if isinstance(value, kind) else Misfit(value, expected)
    if fits is not None:
        return lambda value: None if fits(value) else Misfit(value, expected)
    return lambda value: None if isinstance(value, kind) else Misfit(value, expected)


def _like(value: Any, names: list[str]) -> bool:
    return not isinstance(value, type) and all(_has(value, name) for name in names)


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


def _defined(value: Any) -> Misfit | None:
    undefined = value.is_Atom and str(value) in ("nan", "zoo")
    return Misfit(value, "an expression that has a value", typed=True) if undefined else None


def _is_none(value: Any) -> bool:
    return value is None


_FITS: Mapping[Any, Callable[[Any], bool]] = {
    float: lambda v: isinstance(v, (float, int)) and not isinstance(v, bool),
    int: lambda v: isinstance(v, int) and not isinstance(v, bool),
    Path: lambda v: isinstance(v, os.PathLike),
    collections.abc.Callable: callable,
}
