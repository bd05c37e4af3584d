"""What a person sees while a run goes on: a bar in a terminal, plain lines elsewhere."""

import sys
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from rich.console import Console


class Reporter(Protocol):
    """A place to show progress; a context manager."""

    def update(self, iteration: int, row: dict[str, float]) -> None:
        """Show a row of the history."""

    def say(self, line: str) -> None:
        """Show one sentence."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def summary(row: dict[str, float]) -> str:
    """A history row as one line: loss, validation loss, errors."""
    parts = [f"loss {row['loss']:.2e}", f"validation {row['validation']:.2e}"]
    parts += [f"error {k.removeprefix('error:')} {v:.2e}" for k, v in row.items() if k.startswith("error:")]
    return "  ".join(parts)


class _Silent:
    def update(self, iteration: int, row: dict[str, float]) -> None:
        del iteration, row

    def say(self, line: str) -> None:
        del line

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class _Lines(_Silent):
    """One line whenever a tenth of the iterations is done, for logs."""

    def __init__(self, name: str, total: int) -> None:
        self._name, self._total, self._shown = name, total, 0

    def update(self, iteration: int, row: dict[str, float]) -> None:
        if iteration - self._shown >= self._total / 20 or iteration >= self._total:
            self._shown = iteration
            self.say(f"{iteration:>7}/{self._total}  {row['wall_s']:7.1f} s  {summary(row)}")

    def say(self, line: str) -> None:
        print(f"{self._name}  {line}", file=sys.stderr, flush=True)


class _Bar(_Silent):
    """A live bar."""

    def __init__(self, name: str, total: int, console: "Console") -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )  # fmt: skip

        self._bar = Progress(
            TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TimeRemainingColumn(), TextColumn("{task.fields[summary]}"), console=console,
        )  # fmt: skip
        self._task = self._bar.add_task(name, total=total, summary="")

    def update(self, iteration: int, row: dict[str, float]) -> None:
        self._bar.update(self._task, completed=iteration, summary=summary(row))

    def say(self, line: str) -> None:
        self._bar.console.print(line)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def reporter(show: bool | None, name: str, total: int) -> Reporter:
    """A bar where there is a terminal (in a notebook: if ipywidgets is there to draw it), else lines, or silence.

    ``show`` is True for lines where there is no bar, None for silence there, False for silence everywhere.
    """
    if show is False:
        return _Silent()
    from rich.console import Console  # its import draws from Python's global random numbers

    console = Console(stderr=True)
    bar = console.is_terminal or (console.is_jupyter and find_spec("ipywidgets") is not None)
    if show is None and not bar:
        return _Silent()
    return _Bar(name, total, console) if bar else _Lines(name, total)
