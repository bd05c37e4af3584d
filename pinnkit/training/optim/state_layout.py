"""What the state of an optimiser holds, entry by entry, for the calls that take it and for what a file gives back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from pinnkit.tools.type_words import Rule, shown

Sizes = dict[str, int]  # what a name among an array's sizes stands for


@dataclass(frozen=True)
class Entry:
    """An entry: what it is in words, whether a value is that, whether every state has it."""

    words: str
    fits: Callable[[Any, Sizes], bool]
    needed: bool = True


@dataclass(frozen=True)
class Layout:
    """The entries of a state by name."""

    entries: Mapping[str, Entry]

    @cached_property
    def rule(self) -> Rule:
        """The rule of an argument: a mapping with all entries, each in order, whatever the number of parameters."""
        needed = ", ".join(name for name, entry in self.entries.items() if entry.needed)
        words = f"a state with {needed}, as start and step make it"
        return Rule(words, lambda state: self._misfit(state, {}) is None)

    def check(self, state: Any, owner: str, theta: Tensor, terms: int) -> None:
        """ValueError: an entry that is missing, or is none for parameters theta (P,) and a loss of so many terms."""
        if not isinstance(state, Mapping):
            raise ValueError(f"the state of {owner} is {shown(state)}: expected {self.rule.words}")
        name = self._misfit(state, {"P": len(theta), "terms": terms})
        if name is None:
            name = next((n for n, v in state.items() if n in self.entries and _other(v, theta)), None)
        if name is not None:
            what = f"is {shown(state[name])}" if name in state else "is missing"
            raise ValueError(f"{name!r} in the state of {owner} {what}: expected {self.entries[name].words}")

    def _misfit(self, state: Mapping[str, Any], sizes: Sizes) -> str | None:
        for name, entry in self.entries.items():
            if entry.needed if name not in state else not entry.fits(state[name], sizes):
                return name
        return None


def _other(value: Any, theta: Tensor) -> bool:
    return isinstance(value, Tensor) and (value.dtype, value.device) != (theta.dtype, theta.device)


def array(*sizes: int | str, needed: bool = True, finite: bool = False) -> Entry:
    """Real numbers of a shape; sizes are numbers, or names that stand for one number in all entries."""

    def fits(value: Any, known: Sizes) -> bool:
        if not isinstance(value, Tensor) or not value.is_floating_point() or value.ndim != len(sizes):
            return False
        asked = [known.setdefault(s, n) if isinstance(s, str) else s for s, n in zip(sizes, value.shape, strict=True)]
        return asked == list(value.shape) and not (finite and bool(torch.isnan(value).any()))

    shape = ", ".join(map(str, sizes)) + "," * (len(sizes) == 1)
    return Entry(f"real numbers ({shape}) of the parameters' precision{', none of them NaN' * finite}", fits, needed)


def count(most: int | None = None) -> Entry:
    """A whole number of at least 0, and at most ``most``."""

    def fits(value: Any, known: Sizes) -> bool:
        return (
            isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= (value if most is None else most)
        )

    return Entry("a whole number of at least 0" if most is None else f"a whole number from 0 to {most}", fits)


def number(needed: bool = True) -> Entry:
    """A number."""
    return Entry("a number", lambda v, known: isinstance(v, Real) and not isinstance(v, bool), needed)


def tree(needed: bool = True) -> Entry:
    """What a library keeps, under names that it knows."""
    return Entry("names and values", lambda v, known: isinstance(v, Mapping), needed)
