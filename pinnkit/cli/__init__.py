"""The command line: one file a group of commands, which help lists in this order."""

import sys


def main(arguments: list[str] | None = None) -> None:
    """Run a command as ``shell.run`` says; Ctrl-C is heard while the commands are loaded, and in the end, too."""
    try:
        from . import solving, reading, explaining  # noqa: F401, I001
        from .shell import run

        run(arguments)
    except KeyboardInterrupt:
        sys.exit(130)
