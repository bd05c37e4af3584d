"""Problems by name and from files; the mathematics of the catalogue is tested in test_catalogue_problems."""

import subprocess
import sys
from pathlib import Path

import pytest

import pinnkit as pk
from pinnkit.statement import catalogue

STATEMENT = """
import sympy as sp
import pinnkit as pk

def {name}(k: float = 2.0){annotation}:
    x, = pk.coordinates("x")
    u = pk.field("u", x)
    return pk.Problem("line", u, u.diff(x, 2) + sp.Symbol("k"), pk.Box(x=(0, 1)), [pk.Dirichlet(u, 0)], {{"k": k}})
"""


def file(folder: Path, text: str, name: str = "line.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def statement(name: str = "problem", annotation: str = " -> pk.Problem") -> str:
    return STATEMENT.format(name=name, annotation=annotation)


def test_every_file_of_the_folder_is_listed_and_makes_its_problem() -> None:
    files = {path.stem for path in catalogue.folder().glob("[!_]*.py")}
    assert set(catalogue.names()) == files and "burgers" in files
    for entry in catalogue.entries():
        problem = pk.problem(entry.name)
        assert isinstance(problem, pk.Problem) and entry.summary
        assert catalogue.origin(problem)["catalogue"] == entry.name


def test_the_list_needs_neither_torch_nor_sympy() -> None:
    code = (
        "from pinnkit.statement import catalogue; import sys; assert catalogue.entries() and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_arguments_reach_the_problem() -> None:
    assert pk.problem("burgers", nu=0.5).parameters == {"nu": 0.5}
    entry = next(e for e in catalogue.entries() if e.name == "drift_diffusion")
    assert entry.arguments == {"alpha": "1.0", "beta": "20.0"}


@pytest.mark.parametrize(
    "name, arguments, sentence",
    [
        ("burger", {}, r"there is no problem 'burger' \(did you mean 'burgers'\?\): give a FILE.py or one of .*heat"),
        ("burgers", {"mu": 1}, "burgers has no argument 'mu'.*: it takes nu"),
        ("diffusion", {"nu": 1}, "diffusion has no argument 'nu': it takes no arguments"),
        ("no/such.py", {}, "there is no file no/such.py: give a Python file with a problem, or one of"),
    ],
)
def test_what_is_not_there_is_said(name: str, arguments: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        pk.problem(name, **arguments)


def test_typed_arguments() -> None:
    drift, heat = catalogue.find_problem("drift_diffusion"), catalogue.find_problem("heat")
    assert drift.parse({"alpha": "2", "beta": "1e-3"}) == {"alpha": 2, "beta": 1e-3}
    assert heat.parse({"initial": "poly"}) == {"initial": "poly"}
    for text in ("abc", "true", "__import__('os')"):
        with pytest.raises(ValueError, match=r"beta=.*: expected a number"):
            drift.parse({"beta": text})
    with pytest.raises(ValueError, match="did you mean 'beta'"):
        drift.parse({"betta": "1"})


def test_flags_and_required_arguments(tmp_path: Path) -> None:
    text = statement().replace("k: float = 2.0", "size, flag=False, word='x', /, k=1.0")
    maker = catalogue.find_problem(str(file(tmp_path, text.replace("/, ", ""))))
    assert maker.parse({"flag": "True", "word": "1", "size": "3"}) == {"flag": True, "word": "1", "size": 3}
    with pytest.raises(ValueError, match="flag=1: expected true or false"):
        maker.parse({"flag": "1"})
    with pytest.raises(ValueError, match="needs the argument 'size': it takes size, flag, word, k"):
        maker(k=2.0)
    assert maker(size=1).name == "line"


@pytest.mark.parametrize(
    "text",
    [
        statement(),
        statement("anything"),
        statement("anything", ""),
        statement("anything", " -> 'pk.Problem'") + "\ndef helper(x):\n    return x\n",
        statement("_hidden") + "\nproblem = _hidden()\n",
        "from __future__ import annotations\n" + statement("anything"),
        statement("anything") + "\nfrom pinnkit import problem\n",
        statement("anything") + "\nfrom dataclasses import dataclass\n\n@dataclass\nclass A:\n    x: 'int' = 0\n",
    ],
)
def test_a_file_states_a_problem_in_several_ways(text: str, tmp_path: Path) -> None:
    path = file(tmp_path, text)
    problem = pk.from_file(path)
    assert problem.parameters == {"k": 2.0}
    assert catalogue.origin(problem) == {"file": str(path.resolve()), "arguments": problem.arguments}
    assert str(tmp_path) not in sys.path


def test_arguments_reach_a_file(tmp_path: Path) -> None:
    path = file(tmp_path, statement("anything"))
    assert pk.from_file(path, k=3.0).parameters == {"k": 3.0}
    path.write_text(path.read_text().replace('"k": k', '"k": 2 * k'))
    assert pk.from_file(path, k=3.0).parameters == {"k": 6.0}  # what the file says now


def test_a_file_sees_its_neighbours_but_does_not_shadow_libraries(tmp_path: Path) -> None:
    file(tmp_path, "raise RuntimeError('not the library')\n", "colorsys.py")
    file(tmp_path, "K = 7.0\n", "neighbour_of_line.py")
    path = file(tmp_path, "import colorsys\nfrom neighbour_of_line import K\n" + statement().replace("2.0", "K"))
    assert pk.from_file(path).parameters == {"k": 7.0}


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("", "states no problem: expected a function `problem`, one function that returns a pinnkit.Problem"),
        (statement("a") + statement("b"), r"states several problems \(a, b\): expected"),
        ("def problem():\n    return 3\n", r"problem\(\) returned int, expected a pinnkit.Problem"),
        ("problem = 3\n", "returned int, expected a pinnkit.Problem"),
        ("x = 1\ny = z\n", r"cannot be executed: NameError: name 'z' is not defined \(line 2\)"),
        ("def (:\n", r"cannot be executed: SyntaxError: .*line 1\)"),
        ("import no_such_module\n", "cannot be executed: ModuleNotFoundError"),
        ("def problem():\n    return 1 / 0\n", r"fails: ZeroDivisionError: division by zero \(line 2\)"),
        ("def problem():\n    raise ValueError('a sentence of its own')\n", "^a sentence of its own$"),
    ],
)
def test_a_file_that_states_no_problem_gets_a_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=sentence):
        pk.from_file(file(tmp_path, text))
