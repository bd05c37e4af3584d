"""Values that say the same as their type asks for: NumPy's numbers as Python's, arrays as tensors, lists as tuples."""

import collections.abc
import sys
import types
import typing
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Annotated, Any, TypeVar

from .type_fit import test
from .type_words import ARRAYS


def made(hint: Any, value: Any) -> Any:
    """The value as a type asks for it, where nothing is lost; else the value itself."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return made(parts[0], value)
    if isinstance(hint, TypeVar):
        return _first(hint.__constraints__, value)
    if origin in (typing.Union, types.UnionType):
        return _first(parts, value)
    if origin in (collections.abc.Mapping, dict) and isinstance(value, collections.abc.Mapping):
        return {key: made(parts[1], each) for key, each in value.items()}
    if origin is tuple and _listed(value):
        hints = parts[:1] * len(value) if parts[-1:] == (...,) else parts
        return tuple(map(made, hints, value)) if len(hints) == len(value) else value
    if origin is collections.abc.Sequence and isinstance(value, (list, tuple)):
        return type(value)(made(parts[0], each) for each in value) if type(value) in (list, tuple) else value
    if hasattr(hint, "_taken"):
        return hint._taken(value)
    maker = _MAKERS.get(origin or hint) or _MAKERS.get(getattr(hint, "__name__", ""))
    return value if maker is None else maker(value)


def _first(hints: tuple, value: Any) -> Any:
    for hint in hints:
        found = made(hint, value)
        if test(hint)(found) is None:
            return found
    return value


def _listed(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or type(value).__name__ in ARRAYS and value.ndim > 0


def _number(kind: type, number: type) -> Callable[[Any], Any]:
    """Numbers of any library, and arrays without dimensions, as Python's."""

    def make(value: Any) -> Any:
        if type(value).__name__ in ARRAYS and not value.ndim:
            value = value.item()
        truth = isinstance(value, bool) or type(value).__name__ == "bool_"
        return kind(value) if isinstance(value, number) and not truth else value

    return make


def _truth(value: Any) -> Any:
    return bool(value) if type(value).__name__ in ("bool_", "bool") else value


def tensor(value: Any) -> Any:
    """Arrays of numbers, and lists of them, as tensors that own their numbers; anything else as it is."""
    if not (type(value).__name__ == "ndarray" or isinstance(value, (list, tuple)) and len(value)):
        return value
    numpy, torch = sys.modules["numpy"], sys.modules["torch"]
    try:
        array = numpy.asarray(value)
    except (TypeError, ValueError):  # rows of several lengths, things
        return value
    return torch.tensor(array) if array.dtype.kind in "fiub" else value


def _array(value: Any) -> Any:
    return value.detach().cpu().numpy() if type(value).__name__ in ("Tensor", "Parameter") else value


def _expression(value: Any) -> Any:
    return sys.modules["sympy"].sympify(value) if isinstance(value, Real) and not isinstance(value, bool) else value


_MAKERS: Mapping[Any, Callable[[Any], Any]] = {
    float: _number(float, Real), int: _number(int, Integral), bool: _truth,
    "Tensor": tensor, "ndarray": _array, "Expr": _expression,
}  # fmt: skip
