"""The command line itself: one application, wrong input in one sentence, exit codes."""

import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer

from .. import __version__

try:
    from typer import TyperException as UsageError
except ImportError:  # before typer had exceptions of its own
    from click import ClickException as UsageError

app = typer.Typer(
    name="pinnkit",
    help="Physics-informed models: solve, report, plot, explain.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def main(arguments: list[str] | None = None) -> None:
    """Run a command and leave with 0; with 2 and one sentence for wrong input; with 128 + n after a signal n.

    Whatever else goes wrong ends in one sentence and 1 as well; PINNKIT_DEBUG=1 shows where.
    """
    try:
        with warnings.catch_warnings(), _ended_by_signals():
            warnings.showwarning = lambda message, *_: print(message, file=sys.stderr)
            code = app(arguments, standalone_mode=False, prog_name="pinnkit")
    except UsageError as error:
        code = _complain(error.format_message(), getattr(error, "exit_code", 2))
    except (ValueError, TypeError, OSError, ImportError) as error:
        code = _complain(str(error), 2)
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except Exception as error:
        if os.environ.get("PINNKIT_DEBUG") == "1":
            raise
        what = " ".join(f"{type(error).__name__}: {error}".split())
        code = _complain(f"pinnkit failed ({what}): PINNKIT_DEBUG=1 shows where; please report it", 1)
    sys.exit(code if isinstance(code, int) else 0)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP leave as an exception does, so that unfinished files go; those that are ignored stay so."""

    def leave(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    main = threading.current_thread() is threading.main_thread()
    taken = [n for n in numbers if main and signal.getsignal(n) == signal.SIG_DFL]
    for number in taken:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _complain(sentence: str, code: int) -> int:
    if sentence:
        from rich.console import Console
        from rich.text import Text

        Console(stderr=True, soft_wrap=True).print(Text(sentence.strip(), "red"))
    return code


def _version(asked: bool) -> None:
    if asked:
        print(f"pinnkit {__version__}")
        raise typer.Exit()


@app.callback()
def _whole(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version
