"""The benchmarks compare like with like: every way gives the same loss and gradient before it is timed."""

import ast
import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest
import torch

import pinnkit as pk
from benchmarks.__main__ import LONG, NAMES, main, module
from benchmarks.common import Times, interleave, ratio, table, verdict
from benchmarks.flow.flows import table as flows_table
from benchmarks.lie.lie_cases import separation
from benchmarks.safety.tally import Tally, commit
from benchmarks.speed.burgers_race import after, describe, reached
from benchmarks.speed.loss_gradient import CASES, WAYS, Case, agree


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_all_ways_give_the_same(case: Case) -> None:
    problem = case.problem()
    X = problem.sample("pde", 40).X
    theta = pk.Model(problem, case.network, False).initial(0)
    with pk.deepxde_precision(torch.float64):
        results = {way: make(case, X, theta)() for way, make in WAYS.items()}
    assert agree(results) < 1e-12
    loss, gradient = results["autograd"]
    with pytest.raises(ValueError, match="autograd and pinnkit differ by"):
        agree(results | {"autograd": (loss, 1.001 * gradient)})


def test_campaigns_add_up() -> None:
    known = Tally()
    for seed, result in enumerate(["fine", "refused", "different", "fine"]):
        row = {"seed": seed, "result": result, "kind": "run", "what": f"bits {seed}"}
        known.add("bytes", row, fault=result == "different")
    later = Tally.of(json.loads(json.dumps(known.to_dict())))
    later.entries[0].commit = "0000000"
    later.add("bytes", {"seed": later.following("bytes"), "result": "fine", "kind": "map", "what": ""}, fault=False)
    assert [(e.first, e.last) for e in later.entries] == [(0, 3), (4, 4)] and later.cases("bytes") == 5
    text = later.text(["bytes", "kills"])
    assert "| bytes | 5 | 3 | 1 | 1 | map 1, run 4 |" in text and "| kills | 0 |" in text
    assert "- bytes 2: different: run: bits 2 (at 0000000); 0 later cases of its kind without a fault" in text
    later.seen_again(*later.faults()[0], {"refused": 20})
    text = Tally.of(json.loads(json.dumps(later.to_dict()))).text(["bytes"])
    assert f"bits 2 (at 0000000); cases like it at {commit()}: 20 refused" in text


ROOT = Path(__file__).parents[2]
FILES = sorted(ROOT.glob("benchmarks/**/*.py"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")]


def test_every_benchmark_has_a_module_and_every_command_of_a_page_runs_one() -> None:
    commands = {name for page in PAGES for name in re.findall(r"-m\s+(benchmarks(?:\.[a-z_]+)+)", page.read_text())}
    modules = {module(name) for name in (*NAMES, *LONG)}
    assert len(modules) > 20 and len(commands) > 20
    missing = [name for name in sorted(commands | modules) if importlib.util.find_spec(name) is None]
    assert not missing
    table = set(re.findall(r"^\| `([a-z_.]+)` \|", (ROOT / "benchmarks" / "README.md").read_text(), re.MULTILINE))
    assert {f"benchmarks.{name}" for name in table} == modules | {"benchmarks.bits"}
    runnable = {path for path in ROOT.glob("benchmarks/*/*.py") if '"__main__"' in path.read_text()}
    assert {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in runnable} - {
        "benchmarks.zoo.__main__"
    } == modules - {"benchmarks.zoo"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: "/".join(file.with_suffix("").parts[-2:]))
def test_every_name_taken_from_the_package_exists(file: Path) -> None:
    tree, modules = ast.parse(file.read_text()), {"pk": pk}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "pinnkit":
            found = importlib.import_module(node.module)
            for name in node.names:
                if not hasattr(found, name.name):
                    importlib.import_module(f"{node.module}.{name.name}")
                if isinstance(module := getattr(found, name.name), ModuleType):
                    modules[name.asname or name.name] = module
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            assert hasattr(modules[node.value.id], node.attr), f"{node.value.id}.{node.attr}, line {node.lineno}"


def test_times_are_paired() -> None:
    assert ratio(Times([4.0, 9.0, 1.0], [2.0] * 3), Times([2.0, 3.0, 1.0], [1.0] * 3)) == {"wall": 2.0, "cpu": 2.0}
    times = interleave({"a": lambda: None, "b": lambda: None}, 3, least=1e-4)
    assert len(times["a"].wall) == len(times["b"].cpu) == 3


def test_texts() -> None:
    assert table(["", "x"], [["a", 1]]) == "|  | x |\n| --- | ---: |\n| a | 1 |"
    assert verdict("speed", 2.0, 1.5).endswith("reached") and "MISSED" in verdict("size", 2.0, 1.5, most=True)
    assert main(["nothing"]) == 2


def test_a_race_is_read_off() -> None:
    slow, fast = [[0, 1.0, 1.0, 0.5], [9, 100.0, 99.0, 1e-3]], [[0, 1.0, 1.0, 0.1], [9, 20.0, 20.0, 1e-5]]
    assert reached(fast, 1e-3) == (20.0, 20.0) and reached(slow, 1e-4) is None
    assert (after(slow, 0.5), after(slow, 30), after(fast, 30)) == ("-", "5.0e-01", "(1.0e-05)")
    text = describe({"deepxde": {0: slow}, "pinnkit": {0: fast}}, [0], 1e-12)
    assert "pinnkit is there after 20.0 s (20.0 s), 5 times sooner by CPU time" in text


@pytest.mark.parametrize("kind", ["heat", "wave1d"])
def test_separation_of_variables_finds_the_fourth_sine(kind: str) -> None:
    assert separation(pk.problem(kind, initial="sine"), 6)[0] < 1e-11  # two straight lines, four sines
    assert separation(pk.problem(kind, initial="sine"), 5)[0] > 0.9


def test_the_table_of_flows_says_the_worst_and_the_median() -> None:
    case = "Taylor-Green, Re = 10, t <= 1"
    runs = {f"{case} #{i}": {"errors": {"u": e, "v": e, "p": 2 * e}, "cpu_s": 9 + i, "wall_s": 20.0}
            for i, e in enumerate((1e-6, 3e-6, 2e-6))}  # fmt: skip
    line = flows_table(runs).splitlines()[2]
    assert "(3 seeds)" in line and "p 6.0e-06 (4.0e-06) | 11 / 20 |" in line and "missed" not in line
    runs[f"{case} #2"]["errors"]["p"] = 1.1e-5
    assert "p 1.1e-05 (6.0e-06) **missed**" in flows_table(runs)
