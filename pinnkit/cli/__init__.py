"""The command line: one file a group of commands, which help lists in this order."""

import sys


def main(arguments: list[str] | None = None) -> None:
    """Run a command as ``shell.run`` says; Ctrl-C is heard while the commands are loaded, and in the end, too."""
    try:
        from . import solve as solving  # noqa: F401, I001
        from . import read as reading  # noqa: F401
        from . import explain as explaining  # noqa: F401
        from .app import run

        run(arguments)
    except KeyboardInterrupt:
        sys.exit(130)
