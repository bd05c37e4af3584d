"""The history of a training run: one row every so many iterations, stored by column."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .tables import Tabled


@dataclass(frozen=True)
class History(Tabled):
    """Columns of equal length: iteration, stage, round, wall_s, cpu_s, loss, validation, "train:TERM", ..."""

    columns: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __getitem__(self, name: str) -> np.ndarray:
        return np.asarray(self.columns[name])

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def row(self, i: int) -> dict[str, float]:
        """Row i as a mapping."""
        return {name: column[i] for name, column in self.columns.items()}

    def _columns(self) -> dict[str, Any]:
        return dict(self.columns)

    def append(self, **values: Any) -> "History":
        """A history with one more row; a column that was not there yet starts with NaN."""
        n = len(self)
        columns = {name: (*column, float(values.get(name, np.nan))) for name, column in self.columns.items()}
        for name, value in values.items():
            if name not in columns:
                columns[name] = (*([float("nan")] * n), float(value))
        return History(columns)

    def followed_by(self, other: "History", **shift: float) -> "History":
        """This history and then the rows of another one, some of whose columns are shifted."""
        joined = self
        for i in range(len(other)):
            joined = joined.append(**{name: v + shift.get(name, 0.0) for name, v in other.row(i).items()})
        return joined
