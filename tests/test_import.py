"""Importing pinnkit prints nothing, changes nothing, and loads nothing heavy."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pinnkit

ROOT = Path(__file__).parents[1]

PROBE = """
import locale, logging, os, random, signal, sys, warnings
import numpy as np, sympy, torch
random.seed(1); np.random.seed(2); torch.manual_seed(3)
def look():
    return {
        "random": random.getstate(), "numpy": str(np.random.get_state()), "torch": torch.get_rng_state().tolist(),
        "dtype": torch.get_default_dtype(), "device": torch.get_default_device(),
        "threads": torch.get_num_threads(), "grad": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "warnings": list(warnings.filters), "numpy errors": np.geterr(), "print": str(np.get_printoptions()),
        "environment": dict(os.environ), "path": list(sys.path), "logging": list(logging.root.handlers),
        "signal": signal.getsignal(signal.SIGINT), "locale": locale.setlocale(locale.LC_ALL),
        "stdout": sys.stdout, "excepthook": sys.excepthook, "displayhook": sys.displayhook,
    }
before = look()
import pinnkit
assert pinnkit.solve and pinnkit.to_deepxde  # the first name loads all of the package
after = look()
changed = [name for name in before if before[name] != after[name]]
assert not changed, changed
heavy = {"matplotlib", "deepxde", "sklearn", "scipy.stats", "scipy.optimize", "pandas", "IPython", "skfem"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""


def test_import_leaves_no_trace() -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", PROBE], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_package_alone_does_not_wait_for_torch() -> None:
    code = "import sys, pinnkit; assert pinnkit.__version__ and not {'torch', 'sympy'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_import_of_everything_brings_the_public_names() -> None:
    code = "from pinnkit import *; assert solve and Problem and certify and 'np' not in globals()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_sampling_and_spheres_load_scipy_when_used() -> None:
    code = """
import numpy as np
from pinnkit.tools.sequences import unit_points
from pinnkit.domain.shapes import Ball
x, n = Ball(np.zeros(4), 2.0).pieces[0].chart(unit_points(8, 4))
assert np.allclose(np.linalg.norm(x, axis=1), 2)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


ROOMS = (
    "tools", "domain", "statement", "network", "model", "error", "training", "influence", "certificate", "exact",
    "output", "cli",
)  # fmt: skip  # a file imports from its own room and from those before it


def test_the_package_holds_its_rooms_and_nothing_else() -> None:
    found = {p.name for p in (ROOT / "pinnkit").iterdir() if p.name != "__pycache__"}
    assert found == {*ROOMS, "__init__.py", "__init__.pyi", "__main__.py", "py.typed"}


def test_rooms_import_downwards_and_neither_files_nor_folders_in_circles() -> None:
    files = {".".join(p.relative_to(ROOT).with_suffix("").parts): p for p in (ROOT / "pinnkit").rglob("*.py")}
    files = {name.removesuffix(".__init__"): p for name, p in files.items()}
    graph = {name: _imported(name, p, set(files)) - {name} for name, p in files.items()}
    assert sum(map(len, graph.values())) > len(files)
    up = [(a, b) for a, found in graph.items() for b in found if _rank(b) > _rank(a)]
    assert not up, up
    list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle
    folder = {name: name if p.name == "__init__.py" else name.rpartition(".")[0] for name, p in files.items()}
    folders: dict[str, set[str]] = {}
    for name, found in graph.items():
        folders.setdefault(folder[name], set()).update({folder[b] for b in found} - {folder[name]})
    list(TopologicalSorter(folders).static_order())


def test_no_file_is_longer_than_can_be_read_at_once() -> None:
    files = [p for room in ("pinnkit", "problems", "tests", "benchmarks") for p in (ROOT / room).rglob("*.py")]
    long = {str(p.relative_to(ROOT)): n for p in files if (n := len(p.read_text(encoding="utf-8").splitlines())) > 400}
    assert len(files) > 400 and not long, long


def test_type_checkers_are_told_all_public_names_and_no_others() -> None:
    stub = ast.parse((ROOT / "pinnkit" / "__init__.pyi").read_text(encoding="utf-8"))
    told = {a.asname: f"{n.module}.{a.name}" for n in stub.body if isinstance(n, ast.ImportFrom) for a in n.names}
    modules = {name: module for name, module in pinnkit.PUBLIC.items() if name in pinnkit.MODULES}
    names = {name: f"{module}.{name}" for name, module in pinnkit.PUBLIC.items() if name not in pinnkit.MODULES}
    assert told == modules | names


def _rank(module: str) -> int:
    room = module.split(".")[1] if "." in module else ""
    return ROOMS.index(room) if room in ROOMS else len(ROOMS) if room else -1


def _imported(name: str, path: Path, known: set[str]) -> set[str]:
    """The package's modules that a file imports: at its top, in its functions, for type checkers alone."""
    room, found = name if path.name == "__init__.py" else name.rpartition(".")[0], set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = ".".join(room.split(".")[: len(room.split(".")) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            found |= {m if (m := f"{module}.{a.name}") in known else module for a in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
    return found & known - {"pinnkit"}
