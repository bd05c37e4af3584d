"""``python -m pinnkit``: the command line."""

from pinnkit.cli import main

if __name__ == "__main__":
    main()
