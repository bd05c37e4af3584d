"""The model zoo of the published influence study: which indicators tell good models from bad ones.

``python -m benchmarks.zoo [--jobs 2] [--seeds 3]`` trains what is missing, one run file a model, and writes
benchmarks/ZOO.md and its pictures; ``--only-read`` reads what is there. ``pinnkit zoo`` does the same anywhere.
"""

import argparse
import json
from pathlib import Path

from pinnkit.zoo.page import page, plain
from pinnkit.zoo.picture import draw
from pinnkit.zoo.runs import fill, jobs, read
from pinnkit.zoo.specimen import ZOO

from .common import RESULTS, machine

RUNS = Path(__file__).parent / "runs" / "zoo"
SHOWN = ("burgers", "cylinder")  # whose models are drawn side by side
PAGE = Path(__file__).parent / "ZOO.md"


def main() -> None:
    """Train what is missing, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("problems", nargs="*", metavar="PROBLEM", help=f"some of {', '.join(ZOO)}")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="processes, each with one thread")
    parser.add_argument("--only-read", action="store_true", help="train nothing")
    given = parser.parse_args()
    wanted = jobs(given.problems, given.seeds)
    traits = (
        read(RUNS, wanted) if given.only_read else fill(RUNS, wanted, given.jobs, lambda line: print(line, flush=True))
    )
    if not traits:
        parser.error(f"there are no runs in {RUNS}: leave --only-read out")
    RESULTS.mkdir(exist_ok=True)
    pictures = [(caption, f"results/{file}") for caption, file in draw(RUNS, RESULTS, traits, SHOWN)]
    about = machine()
    text = f"{page(traits, pictures)}\n{about['processor']}, one thread; torch {about['torch']}.\n"
    PAGE.write_text(text, encoding="utf-8")
    (RESULTS / "zoo.json").write_text(json.dumps({"machine": about, "models": plain(traits)}, indent=1) + "\n")
    print(text)


if __name__ == "__main__":
    main()
