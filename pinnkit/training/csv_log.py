"""A callback that keeps a run's history in a CSV file."""

import csv
from collections.abc import Iterable
from pathlib import Path

from typing_extensions import override

from pinnkit.model.solution import Solution
from pinnkit.tools.atomic_file import put
from pinnkit.tools.checked import checked

from .callbacks import Callback


@checked
class CSVLogger(Callback):
    """A callback that keeps the history of a run in a CSV file, a line for every row, also after a resume.

    Args:
        path: the file. One that was there is replaced.

    Raises:
        OSError: in a run, the file cannot be written.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import pinnkit as pk
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     log = pk.CSVLogger(f"{folder}/log.csv")
        ...     settings = dict(stages=[pk.Adam(20)], log_every=10, callbacks=[log], progress=False)
        ...     u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, **settings)
        ...     lines = Path(f"{folder}/log.csv").read_text().splitlines()
        >>> len(lines), lines[0][:15]
        (3, 'iteration,stage')
    """

    path: Path

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._columns: tuple[str, ...] = ()

    @override
    def on_start(self, solution: Solution) -> None:
        """Write the history so far.

        Args:
            solution: the solution to begin with.
        """
        history = solution.history
        self._columns = tuple(history.columns)
        rows = [[history[name][i] for name in self._columns] for i in range(len(history))]
        head = [self._columns] if self._columns else []
        put(self.path, lambda partial: _write(partial, [*head, *rows]))

    @override
    def on_log(self, solution: Solution) -> None:
        """Add the last row; one with other columns makes the file anew.

        Args:
            solution: the solution so far.
        """
        row = solution.history.row(-1)
        if tuple(row) == self._columns:
            _write(self.path, [row.values()], "a")
        else:
            self.on_start(solution)


def _write(path: Path, lines: Iterable[Iterable[object]], mode: str = "w") -> None:
    with path.open(mode, newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)
