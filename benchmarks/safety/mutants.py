"""Do the tests see a bug: mutants drawn by a seed from the code that every figure rests on, and what kills them.

``python -m benchmarks.safety.mutants --number 100 --seed 0`` changes one operator, constant, index, comparison, term or
call at a time in a copy of the checkout and runs those tests of that file that reach the line, until one fails. Which
do is measured once. Results are kept one a line, so that an interrupted run goes on; those that change nothing are
named in ``mutants_equivalent.json`` with the reason.
"""

import argparse
import json
import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.common import RESULTS, ROOT, RUNS, table

from .forked import tested
from .mutations import Mutant, applied, changes
from .reached import digest, reach

LIMIT = 400  # seconds of CPU after which the tests count as hanging, which is to notice
COPIED = ("pinnkit", "problems", "data", "tests", "benchmarks", "notebooks", "setup.cfg", "pyproject.toml",
          "README.md", "docs", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "LICENSE", "Makefile",
          "constraints.txt")  # fmt: skip
TESTS: dict[str, tuple[str, ...]] = {  # the tests that should notice, quickest first
    "model/compiled": ("model/test_stack",),
    "model/rows": ("model/test_stack",),
    "model/stack": ("model/test_stack", "influence/test_influence"),
    "statement/residual_program": ("model/test_stack",),
    "statement/symbolic/lowering": ("statement/test_equation", "model/test_stack"),
    "statement/symbolic/channels": ("network/test_jets", "model/test_stack", "network/test_sweep"),
    "network/jets/operations": ("network/test_jets", "model/test_stack"),
    "network/base/adapted": ("network/test_base",),
    "network/jets/tape": ("network/test_jets", "network/test_torch_module", "model/test_stack"),
    "network/jets/sweep": ("network/test_sweep", "network/test_jets"),
    "network/jets/activation_kernel": ("network/test_jets", "network/test_sweep"),
    "network/jets/activation": ("network/test_jets",),
    "statement/ansatz/hard_constraints": ("statement/test_hard_constraints", "statement/test_problem"),
    "domain/distance_function": ("statement/test_hard_constraints",),
    "tools/damped_solve": ("tools/test_damped_solve", "influence/test_influence"),
    "model/curvature": (
        "model/test_curvature",
        "influence/test_influence",
        "influence/test_pinnfluence",
        "influence/test_leave_out",
    ),
    "influence/quadratic_model": ("influence/test_influence", "influence/test_leave_out"),
    "influence/removal": ("influence/test_influence", "influence/test_leave_out"),
    "influence/addition": ("influence/test_influence",),
    "influence/influence": ("influence/test_influence", "influence/test_leave_out", "influence/test_indicator"),
    "training/resampling/resample": ("training/test_resample", "training/test_solve"),
    "statement/points": ("statement/test_problem", "training/test_resample", "training/test_solve"),
    "exact/lie/determining": ("exact/test_symmetries",),
    "exact/lie/involution": ("exact/test_symmetries",),
    "exact/lie/symmetry_ansatz": ("exact/test_symmetries",),
    "certificate/theorem/heat": (
        "certificate/test_extremal",
        "certificate/test_certify",
        "certificate/test_certify_3d",
    ),
    "certificate/theorem/maximum_principle": (
        "certificate/test_extremal",
        "certificate/test_certify",
        "certificate/test_elliptic",
    ),
    "certificate/theorem/wave": ("certificate/test_extremal", "certificate/test_certify"),
    "certificate/theorem/energy": (
        "certificate/test_extremal",
        "certificate/test_certify",
        "certificate/test_periodic_jump",
    ),
    "certificate/barrier/barrier": ("certificate/test_barrier", "certificate/test_checker"),
    "certificate/barrier/bounds": ("certificate/test_barrier",),
    "certificate/barrier/operator_rows": ("certificate/test_barrier", "certificate/test_checker"),
    "certificate/barrier/cell_polynomials": ("certificate/test_barrier",),
    "certificate/checker/check": ("certificate/test_checker",),
    "certificate/barrier/splines": ("certificate/test_barrier",),
    "certificate/corrected_solution": ("certificate/test_corrected_solution",),
    "certificate/validated/interval_arithmetic": ("certificate/test_certify", "exact/test_rounding"),
    "certificate/validated/taylor_model": (
        "certificate/test_enclosed_networks",
        "certificate/test_enclosed_certificates",
    ),
    "certificate/validated/elementary": ("certificate/test_enclosed_networks",),
    "certificate/norms/rectangle": ("certificate/test_certify",),
    "certificate/norms/box": ("certificate/test_certify", "exact/test_rounding"),
    "error/error_map": ("error/test_error_map", "error/test_correction"),
    "error/fresh_points": ("error/test_error_map",),
    "error/estimator": ("error/test_error_map", "error/test_verdict"),
    "error/amplification": ("error/test_verdict", "error/test_error_map"),
    "model/data_misfit": ("error/test_verdict", "error/test_error_map"),
    "error/verdict": ("error/test_verdict", "error/test_error_map"),
    "error/correction": ("error/test_correction",),
    "error/tangent_space": ("error/test_error_map", "error/test_correction"),
    "error/uncertainty": ("error/test_uncertainty",),
    "error/noise": ("error/test_whiteness", "error/test_uncertainty"),
    "error/noise_covariance": ("error/test_whiteness",),
    "error/whiteness": ("error/test_whiteness",),
    "training/loop": ("training/test_solve", "training/test_resume", "tools/test_interrupt"),
    "training/solve": ("training/test_solve", "training/test_resume", "training/test_balance"),
    "training/run_file": ("training/test_run_file", "training/test_registered", "training/test_resume"),
    "training/recipe": ("training/test_solve", "training/test_resume"),
}


def drawn(number: int, seed: int, files: Sequence[str] = tuple(TESTS)) -> list[Mutant]:
    """``number`` mutants in the order of a draw: a file, a kind of change, then one of its places, each at random.

    The first of a longer draw are those of a shorter one.
    """
    rng = random.Random(seed)
    pools: dict[str, dict[str, list[Mutant]]] = {}
    for file in files:
        path = ROOT / "pinnkit" / f"{file}.py"
        for mutant in changes(f"pinnkit/{file}.py", path.read_text()) if path.exists() else ():
            pools.setdefault(file, {}).setdefault(mutant.kind, []).append(mutant)
    found: list[Mutant] = []
    while len(found) < number and pools:
        file = rng.choice(sorted(pools))
        kind = rng.choice(sorted(pools[file]))
        pool = pools[file][kind]
        found.append(pool.pop(rng.randrange(len(pool))))
        if not pool:
            del pools[file][kind]
        if not pools[file]:
            del pools[file]
    return found


def copied(folder: Path) -> Path:
    """A copy of the checkout in which files may be changed."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "runs", "*.png"))
        elif source.exists():
            shutil.copy(source, folder / name)
    return folder


def trial(mutant: Mutant, copy: Path, store: Path, limit: int = LIMIT) -> dict[str, Any]:
    """Run the tests that reach the mutant's line, quickest first, until one fails: killed or survived.

    Tests that fail without the change are left out; hanging counts as killed.
    """
    path, began = copy / mutant.file, time.perf_counter()
    text, known = path.read_text(), digest(copy / mutant.file)
    seconds: dict[str, float] = {}
    for name in TESTS[mutant.file.removeprefix("pinnkit/").removesuffix(".py")]:
        if (copy / f"tests/{name}.py").exists():
            found = reach(copy, f"tests/{name}.py", store)
            seconds |= {test: found.seconds[test] for test in found.tests(mutant.file, mutant.line, known)}
    tests = sorted(seconds, key=seconds.__getitem__)
    path.write_text(applied(text, mutant))
    try:
        code, by = tested(copy, tests, limit, store / "last.log") if tests else (0, "")
    finally:
        path.write_text(text)
    state, wall = "killed" if code else "survived", round(time.perf_counter() - began, 1)
    row = {"name": mutant.name, "state": state, "by": by[:200], "tests": len(tests), "wall_s": wall}
    return asdict(mutant) | row


def read(path: Path) -> dict[str, dict[str, Any]]:
    """Results by the mutants' names."""
    rows = (json.loads(line) for line in path.read_text().splitlines()) if path.exists() else ()
    return {row["name"]: row for row in rows}


def equivalent() -> dict[str, str]:
    """The mutants that change nothing, by name, with the reason."""
    path = RESULTS / "mutants_equivalent.json"
    return json.loads(path.read_text()) if path.exists() else {}


def judged(mutants: Sequence[Mutant], found: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[Mutant, str, str]]:
    """Mutants with their state, and what killed them or why they cannot be."""
    reasons = equivalent()
    for mutant in mutants:
        row = found.get(mutant.name)
        if row and row["state"] == "survived" and mutant.name in reasons:
            yield mutant, "equivalent", reasons[mutant.name]
        elif row:
            yield mutant, row["state"], row["by"]


def page(mutants: Sequence[Mutant], found: Mapping[str, Mapping[str, Any]]) -> str:
    """Counts by file and by kind, the survivors, and the equivalent mutants with their reasons."""
    rows = list(judged(mutants, found))
    states = ("killed", "survived", "equivalent")
    count = Counter(state for _, state, _ in rows)
    real = count["killed"] + count["survived"]
    text = [
        f"{len(rows)} of {len(mutants)} drawn mutants were tried: {count['killed']} of {real} that change "
        f"something are killed ({count['killed'] / max(real, 1):.0%}), {count['equivalent']} change nothing."
    ]
    for head, of in (("file", lambda m: m.file.removeprefix("pinnkit/")), ("change", lambda m: m.kind)):
        groups: dict[str, Counter[str]] = {}
        for mutant, state, _ in rows:
            groups.setdefault(of(mutant), Counter())[state] += 1
        text.append(table([head, *states], [[k, *(c[s] for s in states)] for k, c in sorted(groups.items())]))
    for state, title in (("survived", "Survivors"), ("equivalent", "Mutants that change nothing")):
        lines = [f"- `{m}`" + (f": {why}" if why else "") for m, s, why in rows if s == state]
        if lines:
            text.append(f"## {title}\n\n" + "\n".join(lines))
    return "\n\n".join(text)


def main() -> None:
    """Try what has not been tried, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=100, help="mutants to draw")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--only", nargs="+", default=sorted(TESTS), help="files, such as residual or certificate/heat")
    parser.add_argument("--again", action="store_true", help="try survivors once more, as after new tests")
    parser.add_argument("--table", action="store_true", help="try nothing, only print what is there")
    parser.add_argument("--results", type=Path, default=RESULTS / "mutants.jsonl", help="where results are kept")
    parser.add_argument("--reach", type=Path, default=RUNS / "mutants", help="where it is kept which tests reach what")
    arguments = parser.parse_args()
    files = [file for file in TESTS if file in arguments.only]
    mutants, found = drawn(arguments.number, arguments.seed, files), read(arguments.results)
    reasons = equivalent()
    wanted = [m for m in mutants if m.name not in found or (
        arguments.again and found[m.name]["state"] == "survived" and m.name not in reasons)]  # fmt: skip
    if wanted and not arguments.table:
        arguments.results.parent.mkdir(exist_ok=True)
        with TemporaryDirectory() as folder:
            copy = copied(Path(folder))
            for i, mutant in enumerate(wanted):
                found[mutant.name] = trial(mutant, copy, arguments.reach)
                with arguments.results.open("a") as file:
                    file.write(json.dumps(found[mutant.name]) + "\n")
                row = found[mutant.name]
                at = f"{i + 1}/{len(wanted)}"
                print(f"{at} {row['state']} {mutant} | {row['wall_s']} s | {row['by'][:100]}", flush=True)
    print(page(mutants, found))


if __name__ == "__main__":
    main()
