"""The model zoo of the published influence study: which indicators tell good models from bad ones.

``python -m benchmarks.zoo [PROBLEM ...] [--jobs 2] [--seeds 3]`` trains what is missing, one run file a model, and
writes benchmarks/ZOO.md and its pictures; ``--only-read`` reads what is there. Minutes to an hour; what was interrupted
goes on.
"""

import argparse
import json
import signal
import sys
from pathlib import Path

from benchmarks.common import HERE, RESULTS, machine
from pinnkit.tools.atomic_file import put

from .page import page, plain
from .picture import draw
from .runs import fill, jobs, read
from .specimen import ZOO

SHOWN = ("burgers", "cylinder")  # whose models are drawn side by side


def main(words: list[str] | None = None) -> None:
    """Train what is missing, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zoo", description=__doc__)
    parser.add_argument("problems", nargs="*", metavar="PROBLEM", help=f"some of {', '.join(ZOO)}")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="processes, each with one thread")
    parser.add_argument("--runs", type=Path, default=HERE / "runs" / "zoo", help="where run files are kept")
    parser.add_argument("--page", type=Path, help="a folder for ZOO.md and its pictures; else those of the repository")
    parser.add_argument("--only-read", action="store_true", help="train nothing")
    given = parser.parse_args(words)
    wanted = jobs(given.problems, given.seeds)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # the workers save and end first
    if given.only_read:
        traits = read(given.runs, wanted)
    else:
        traits = fill(given.runs, wanted, given.jobs, lambda line: print(line, flush=True))
    if not traits:
        parser.error(f"there are no models of the zoo in {given.runs}: leave --only-read out to train them")
    write(given.page, given.runs, traits)


def write(folder: Path | None, runs: Path, traits: dict) -> None:
    """The page with its pictures, and the figures as JSON, in a folder or where the repository keeps them."""
    pictures, place = (folder or RESULTS), (folder or HERE) / "ZOO.md"
    pictures.mkdir(parents=True, exist_ok=True)
    drawn = list(draw(runs, pictures, traits, None if folder else SHOWN))
    about = machine()
    named = [(caption, file if folder else f"results/{file}") for caption, file in drawn]
    text = f"{page(traits, named)}\n{about['processor']}, one thread; torch {about['torch']}.\n"
    figures = json.dumps({"machine": about, "models": plain(traits)}, indent=1) + "\n"
    put(place, lambda partial: partial.write_text(text, encoding="utf-8"))
    put(pictures / "zoo.json", lambda partial: partial.write_text(figures, encoding="utf-8"))
    print(place)


if __name__ == "__main__":
    main()
