"""The command line itself: one application, wrong input in one sentence, exit codes."""

import atexit
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Annotated

import typer

from pinnkit import __version__
from pinnkit.tools.interrupt import heard

try:
    from typer import TyperException as UsageError
except ImportError:  # before typer had exceptions of its own
    from click import ClickException as UsageError  # type: ignore[no-redef]  # the name that older ones have

DEBUG = "--debug"
PATIENCE = 2.0  # seconds after which a signal that had no effect is raised again

app = typer.Typer(
    name="pinnkit",
    help="Physics-informed models: solve, report, plot, explain.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def run(arguments: list[str] | None = None) -> None:
    """Run a command and leave with 0; with 2 and one sentence for wrong input; with 128 + n after a signal n.

    Whatever else goes wrong ends in one sentence and 1 as well; ``--debug``, anywhere among the words, shows where.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    options = words[: words.index("--")] if "--" in words else words
    debug = DEBUG in options or os.environ.get("PINNKIT_DEBUG") == "1"
    words = [w for w in options if w != DEBUG] + words[len(options) :]
    received: list[int] = []
    try:
        with warnings.catch_warnings(), _ended_by_signals(received):
            warnings.showwarning = lambda message, *_: print(message, file=sys.stderr)
            code = app(words, standalone_mode=False, prog_name="pinnkit")
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except BaseException as error:  # the last net: of a failure never a traceback unasked, and never 0
        code = 0 if received else _explained(error, debug)  # a signal in an import is an ImportError in the end
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # all is done: Python's own end is not torn apart
    code = _flushed(code if isinstance(code, int) else 0)
    sys.exit(128 + received[0] if received else code)


def _explained(error: BaseException, debug: bool) -> int:
    """The exit code of an error that a command ended with, which is said in one sentence."""
    if debug:
        traceback.print_exception(error)
    if isinstance(error, UsageError):
        return _complain(error.format_message(), getattr(error, "exit_code", 2))
    gone = isinstance(error, SystemExit) and isinstance(error.__context__, BrokenPipeError)  # as Click says it
    if gone or isinstance(error, BrokenPipeError):  # whoever read what is printed has gone, as `head` does
        return 128 + 13
    if isinstance(error, (ValueError, TypeError, OSError, ImportError)):
        return _complain(_sentence(error), 2)
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return _complain(f"pinnkit failed ({what}): add {DEBUG} to see where; please report it", 1)


def _sentence(error: BaseException) -> str:
    """The error in words, also one that Python made of a number of the system's."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error) or f"{type(error).__name__} without a message: add {DEBUG} to see where"
    where = "what is printed" if error.filename is None else error.filename
    return f"{where} cannot be read or written ({error.strerror.lower()})"


def _flushed(code: int) -> int:
    """The exit code after what was printed has been written; another one where it could not be."""
    if sys.stdout is None:  # it was closed from the start
        return code
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = 128 + 13
    except OSError as error:
        code = _complain(_sentence(error), 2)
    else:
        return code
    with suppress(OSError, ValueError):  # or Python would try it again at its end, and complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


@contextmanager
def _ended_by_signals(received: list[int]) -> Iterator[None]:
    """Signals that ask to end leave as an exception does, so that unfinished files go; those that are ignored stay so.

    What was ``received`` is kept, and raised again, as an exception can be lost on its way: in an import that is tried,
    in the callbacks of Python's own.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, PATIENCE)
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    def say(lost: "sys.UnraisableHookArgs") -> None:
        if not (received and issubclass(lost.exc_type, (KeyboardInterrupt, SystemExit))):
            unraisable(lost)

    unraisable, sys.unraisablehook = sys.unraisablehook, say
    before = {number: signal.signal(number, leave) for number in heard()}
    if before and hasattr(signal, "SIGALRM"):
        before[signal.SIGALRM] = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(received[0]))
    try:
        yield
    finally:
        if received and hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0.0)
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = unraisable


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
    debug: Annotated[bool, typer.Option(DEBUG, help="Show where it went wrong, after any command too.")] = False,
) -> None:
    del version, debug
