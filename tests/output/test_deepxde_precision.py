"""Importing DeepXDE leaves no trace."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pinnkit.output.deepxde.to_deepxde import import_deepxde

ROOT = Path(__file__).parents[2]

PROBE = """
import os, random, sys
import numpy as np, torch
random.seed(1); np.random.seed(2); torch.manual_seed(3)
torch.set_default_dtype(torch.float64)
def look():
    return (str(random.getstate()), str(np.random.get_state()), torch.get_rng_state().tolist(),
            torch.get_default_dtype(), torch.get_default_device(), dict(os.environ))
before = look()
from pinnkit.output.deepxde.to_deepxde import import_deepxde
assert "deepxde" not in sys.modules
dde = import_deepxde()
assert dde is sys.modules["deepxde"] and dde.backend.backend_name == "pytorch"
assert import_deepxde() is dde
after = look()
assert before == after, [a == b for a, b in zip(before, after)]
"""

LOUD = """
import os, random, sys
import numpy as np, torch
from types import SimpleNamespace
print("banner"); print("banner", file=sys.stderr)
random.seed(0); np.random.seed(0); torch.manual_seed(0)
torch.set_default_dtype(torch.float16)
torch.set_default_device("meta")
backend = SimpleNamespace(backend_name=os.environ["DDE_BACKEND"])
os.environ["LOUD"] = "1"
"""


def run(code: str, home: Path, *path: Path, **environment: str) -> subprocess.CompletedProcess:
    """Run code in a fresh interpreter whose home is an empty folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DDE")}
    kept |= {"HOME": str(home), "PYTHONPATH": os.pathsep.join(map(str, (*path, ROOT)))} | environment
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=kept)


@pytest.mark.parametrize("environment", [{}, {"DDE_BACKEND": "jax"}])
def test_import_is_contained(tmp_path: Path, environment: dict[str, str]) -> None:
    done = run(PROBE, tmp_path, **environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (tmp_path / ".deepxde").exists()


def test_a_loud_package_is_contained_too(tmp_path: Path) -> None:
    """The effects that DeepXDE has only on a machine with a GPU."""
    (tmp_path / "deepxde").mkdir()
    (tmp_path / "deepxde" / "__init__.py").write_text(LOUD)
    done = run(PROBE, tmp_path, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_another_backend_is_refused(tmp_path: Path) -> None:
    (tmp_path / "deepxde").mkdir()
    (tmp_path / "deepxde" / "__init__.py").write_text(LOUD)
    code = "import deepxde\nfrom pinnkit.output.deepxde.to_deepxde import import_deepxde\nimport_deepxde()"
    done = run(code, tmp_path, tmp_path, DDE_BACKEND="jax")
    assert (
        "RuntimeError: deepxde is already imported with the backend 'jax', but pinnkit needs 'pytorch'" in done.stderr
    )


def test_it_imports_here() -> None:
    assert import_deepxde().backend.backend_name == "pytorch"
