"""What a person sees while a run goes on: a bar in a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
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
    if show is None and not _live(console):
        return _Silent()
    return _Bar(name, total, console) if _live(console) else _Lines(name, total)


def _console() -> "Console":
    from rich.console import Console

    return Console(stderr=True)


def _live(console: "Console") -> bool:
    return console.is_terminal or (console.is_jupyter and find_spec("ipywidgets") is not None)


# ------------------------------------------------------------------------------- work whose end nobody knows

SECONDS = 10.0  # between two lines, where there is no terminal


class _Stages:
    """A name, the stage it is at, and the time, in a moving line or in lines of a log."""

    def __init__(self, name: str, console: "Console") -> None:
        self._name, self._console, self._said, self._live = name, console, time.monotonic(), _live(console)
        if self._live:
            from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            text = TextColumn("[bold]{task.description}"), TextColumn("{task.fields[stage]}")
            self.bar = Progress(SpinnerColumn(), text[0], TimeElapsedColumn(), text[1], console=console, transient=True)
            self._task = self.bar.add_task(name, total=None, stage="")

    def at(self, text: str) -> None:
        """Show a stage."""
        if self._live:
            self.bar.update(self._task, stage=text)
        elif time.monotonic() - self._said >= SECONDS:
            self._said = time.monotonic()
            print(f"{self._name}  {text}", file=sys.stderr, flush=True)


_stages: ContextVar[_Stages | None] = ContextVar("stages", default=None)


@contextmanager
def working(name: str, show: bool | None = None) -> Iterator[None]:
    """Long work of that name, whose ``stage`` is shown; ``show`` as of :func:`reporter`, True for a line every 10 s."""
    quiet = show is False or (show is None and not sys.stderr.isatty() and "ipykernel" not in sys.modules)
    console = None if quiet else _console()
    if console is None or (show is None and not _live(console)):
        yield
        return
    stages = _Stages(name, console)
    token = _stages.set(stages)
    try:
        if _live(console):
            with stages.bar:
                yield
        else:
            yield
    finally:
        _stages.reset(token)


def stage(text: str) -> None:
    """Say where long work is, if anybody looks on."""
    stages = _stages.get()
    if stages is not None:
        stages.at(text)
