"""Importing pinnkit prints nothing, changes nothing, and loads nothing heavy."""

import subprocess
import sys
from pathlib import Path

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


def test_sampling_and_spheres_load_scipy_when_used() -> None:
    code = """
import numpy as np
from pinnkit.sampling import unit
from pinnkit.shapes import Ball
x, n = Ball(np.zeros(4), 2.0).pieces[0].chart(unit(8, 4))
assert np.allclose(np.linalg.norm(x, axis=1), 2)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
