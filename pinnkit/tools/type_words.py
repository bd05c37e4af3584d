"""Types and values in the words of a sentence."""

import collections.abc
import types
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from numbers import Real
from pathlib import Path
from typing import Annotated, Any, TypeVar

ARRAYS = ("Tensor", "ndarray", "Parameter")
SEQUENCES = (list, tuple, collections.abc.Sequence)


@dataclass(frozen=True)
class Rule:
    """What a value must be beside its type: in words, and as a test."""

    words: str
    holds: Callable[[Any], bool]


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
    if isinstance(hint, TypeVar) and hint.__constraints__:
        return " or ".join(dict.fromkeys(map(words, hint.__constraints__)))
    if origin in (collections.abc.Mapping, dict):
        return f"a mapping from {words(parts[0])} to {words(parts[1])}"
    if origin is tuple and parts[-1:] != (...,):
        return f"({', '.join(map(words, parts))})"
    if origin in (*SEQUENCES, collections.abc.Iterable, frozenset, set):
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
    if type(value).__name__ in ARRAYS:
        return f"a {type(value).__name__} of shape {tuple(value.shape)} and type {value.dtype}"
    text = repr(value)
    text = text if len(text) <= 60 else f"{text[:57]}..."
    return text if isinstance(value, (str, Real, type(None))) else f"{text} ({type(value).__name__})"


def nearest(name: str, known: Iterable[str], there: str = "there are") -> str:
    """The end of a sentence about an unknown name: all that are known, and the one that it resembles."""
    known = list(known)
    close = get_close_matches(str(name), known, 1)
    return f": {there} {', '.join(known) or 'none'}" + (f"; did you mean {close[0]!r}?" if close else "")
