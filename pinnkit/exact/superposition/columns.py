"""The weighted rows of many members as a matrix that need not be written out."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np


class Columns(Protocol):
    """A matrix D (M, K) as far as greedy choice needs it."""

    shape: tuple[int, int]

    def dot(self, V: np.ndarray) -> np.ndarray:
        """D^T V for V (M,) or (M, q)."""

    def squares(self) -> np.ndarray:
        """The squared lengths of the columns, shape (K,)."""

    def take(self, numbers: Sequence[int] | np.ndarray) -> np.ndarray:
        """Some of the columns, shape (M, len(numbers))."""


class Dense:
    """A matrix that is written out."""

    D: np.ndarray
    shape: tuple[int, int]

    def __init__(self, D: np.ndarray) -> None:
        self.D, self.shape = D, (D.shape[0], D.shape[1])

    def dot(self, V: np.ndarray) -> np.ndarray:
        """D^T V."""
        return self.D.T @ V

    def squares(self) -> np.ndarray:
        """The squared lengths of the columns."""
        return np.einsum("mk,mk->k", self.D, self.D)

    def take(self, numbers: Sequence[int] | np.ndarray) -> np.ndarray:
        """Some of the columns."""
        return self.D[:, list(numbers)]


class Joined:
    """Matrices side by side."""

    parts: tuple[Columns, ...]
    starts: np.ndarray
    shape: tuple[int, int]

    def __init__(self, parts: Sequence[Columns]) -> None:
        self.parts = tuple(parts)
        self.starts = np.cumsum([0, *(part.shape[1] for part in parts)])
        self.shape = parts[0].shape[0], int(self.starts[-1])

    def dot(self, V: np.ndarray) -> np.ndarray:
        """D^T V."""
        return np.concatenate([part.dot(V) for part in self.parts])

    def squares(self) -> np.ndarray:
        """The squared lengths of the columns."""
        return np.concatenate([part.squares() for part in self.parts])

    def take(self, numbers: Sequence[int] | np.ndarray) -> np.ndarray:
        """Some of the columns."""
        wanted = np.asarray(numbers, int)
        out, at = np.empty((self.shape[0], len(wanted))), np.searchsorted(self.starts, wanted, side="right") - 1
        for p, part in enumerate(self.parts):
            own = np.flatnonzero(at == p)
            if len(own):
                out[:, own] = part.take(wanted[own] - self.starts[p])
        return out


def joined(parts: Sequence[Columns]) -> Columns:
    """Matrices side by side, those written out that are neighbours as one."""
    found: list[Columns] = []
    for part in (p for whole in parts for p in (whole.parts if isinstance(whole, Joined) else (whole,))):
        if found and isinstance(part, Dense) and isinstance(found[-1], Dense):
            found[-1] = Dense(np.concatenate([found[-1].D, part.D], 1))
        else:
            found.append(part)
    return found[0] if len(found) == 1 else Joined(found)
