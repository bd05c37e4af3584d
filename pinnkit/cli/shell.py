"""The command line itself: one application, wrong input in one sentence, exit codes."""

import sys
import warnings
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
    """Run a command and leave with 0; with 2 and one sentence for wrong input; with 130 after Ctrl-C."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: print(message, file=sys.stderr)
            code = app(arguments, standalone_mode=False, prog_name="pinnkit")
    except UsageError as error:
        code = _complain(error.format_message(), getattr(error, "exit_code", 2))
    except (ValueError, TypeError, OSError, ImportError) as error:
        code = _complain(str(error), 2)
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    sys.exit(code if isinstance(code, int) else 0)


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
