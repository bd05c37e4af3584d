"""Exact elimination of sparse rows over a field: modulo a prime, over the rationals, or with parameters."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .differential_ring import PRIME

Row = dict[Any, Any]


class Echelon:
    """Rows in echelon form; the pivot of a row is its largest column by ``order``.

    ``field`` is "prime" (integers modulo PRIME) or "exact" (numbers with +, *, /).
    """

    order: Callable[[Any], Any]
    modular: bool

    def __init__(self, order: Callable[[Any], Any], field: str) -> None:
        self.order, self.modular = order, field == "prime"
        self.pivots: dict[Any, Row] = {}

    def add(self, row: Mapping) -> bool:
        """Add a row; whether it was independent of those before."""
        row = self.reduced(row, full=False)
        if not row:
            return False
        pivot = max(row, key=self.order)
        if self.modular:
            scale = pow(row[pivot], -1, PRIME)
            self.pivots[pivot] = {c: v * scale % PRIME for c, v in row.items()}
        else:
            scale = row[pivot]
            self.pivots[pivot] = {c: v / scale for c, v in row.items()}
        return True

    def reduced(self, row: Mapping, full: bool = True) -> Row:
        """The row modulo those here; unless ``full``, only until its largest column is no pivot."""
        row, order, kept = dict(row), self.order, {}
        while row:
            top = max(row, key=order)
            if top in self.pivots:
                factor = row[top]
                for c, v in self.pivots[top].items():
                    value = row.get(c, 0) - factor * v
                    if self.modular:
                        value %= PRIME
                    if value:
                        row[c] = value
                    else:
                        row.pop(c, None)
            elif full:
                kept[top] = row.pop(top)
            else:
                break
        return kept | row

    def kernel(self, columns: Iterable) -> list[Row]:
        """A basis of all x with row . x = 0, one for every column without pivot, sparse."""
        free = [c for c in columns if c not in self.pivots]
        basis = {c: {c: 1} for c in free}
        for pivot in sorted(self.pivots, key=self.order):
            for c, v in self.reduced({k: v for k, v in self.pivots[pivot].items() if k != pivot}).items():
                basis[c][pivot] = -v % PRIME if self.modular else -v
        return list(basis.values())
