"""Memory is asked for before it is taken: what is too large is refused in one sentence, what just fits is not."""

import math
import os
import re
from pathlib import Path

import pytest
import sympy as sp
import torch

import pinnkit as pk
from pinnkit.domain.mesh import mesh
from pinnkit.model.curvature import curvature
from pinnkit.tools import memory

x, y = pk.coordinates("x y")
u = pk.field("u", x, y)
SQUARE = pk.Box(x=(0, 1), y=(0, 1))
PLATE = pk.Problem(
    "plate",
    u,
    u.diff(x, 2) + u.diff(y, 2) + sp.sin(3 * x),
    SQUARE,
    [pk.Dirichlet(u, 0)],
)


@pytest.fixture(scope="module")
def solution():
    return pk.solve(PLATE, pk.MLP(2, 12, 12, 1), 60, stages=[pk.Adam(2)], hard=True, resample=None, progress=False)


TAKEN = {
    "the inverse Hessian": (lambda s: pk.SSBroyden(1).start(s.theta, s.stack), "use LBFGS or SOAP"),
    "a stage that comes later": (
        lambda s: pk.solve(start=s, stages=[pk.Adam(10**9), pk.SSBroyden(1)], time_limit=0, progress=False),
        "use LBFGS or SOAP"),
    "damped normal equations": (
        lambda s: pk.LevenbergMarquardt(1).step(s.theta, {"damping": 1.0, "grow": 2.0}, s.stack), "use LBFGS or SOAP"),
    "an explicit Hessian": (
        lambda s: curvature(s.stack, s.theta, "explicit", 1e-3), "Hessian of 205 .* use curvature='exact'"),
    "the Gauss-Newton curvature": (lambda s: curvature(s.stack, s.theta, "gauss-newton"), "fewer points or a smaller"),
    "an influence": (
        lambda s: pk.Influence(s, "explicit").attribute(pk.at("u", x=0.5, y=0.5)), "use curvature='exact'"),
    "the Jacobian": (lambda s: s.stack.jacobian(s.theta), "Jacobian of 60 x 205"),
    "the tangent kernel": (lambda s: s.stack.gram(s.theta), "tangent kernel"),
    "an error map": (lambda s: pk.error_map(s, n=3000), "error map's matrices .* fewer points"),
    "points": (lambda s: pk.sample(PLATE, 3000), "drawing 3000 points .* give fewer points"),
    "ends of a line": (
        lambda s: pk.Box(x=(0, 1)).sample_boundary(4000), "drawing 2000 points"),
    "candidates": (
        lambda s: pk.Resample(candidates=9000)(s, 3), "drawing 9000 points .* give fewer points"),
    "a quadrature": (lambda s: pk.integral(PLATE, u, n=4000), "drawing 4000 points"),
    "a grid": (lambda s: SQUARE.grid(80), "a grid of 6400 nodes .* give fewer"),
    "a mesh": (lambda s: mesh(SQUARE, 3000), "a mesh of about 3000 nodes"),
    "a network": (lambda s: pk.MLP(2, 60, 60, 1).initial(SQUARE, 0), "a network of 3901 parameters .* narrower"),
}  # fmt: skip


class Ledger:
    """Memory without end that writes down what it is asked for."""

    def __init__(self) -> None:
        self.needs: list[float] = []

    def __lt__(self, need: float) -> bool:
        self.needs.append(need)
        return False


@pytest.mark.parametrize("case", TAKEN)
def test_what_is_too_large_is_refused_in_its_own_words_and_what_just_fits_is_not(case, solution, monkeypatch):
    take, words = TAKEN[case]
    ledger = Ledger()
    monkeypatch.setattr(memory, "UNASKED", 0)
    monkeypatch.setattr(memory, "available", lambda device=None: ledger)
    take(solution)
    most = max(ledger.needs)
    monkeypatch.setattr(memory, "available", lambda device=None: most)
    take(solution)
    monkeypatch.setattr(memory, "available", lambda device=None: most - 1)
    with pytest.raises(memory.OutOfReach, match=words) as caught:
        take(solution)
    said = str(caught.value)
    assert isinstance(caught.value, MemoryError) and isinstance(caught.value, ValueError)
    assert re.search(r"would need [\d.]+ [kM]B of memory and [\d.]+ [kM]B are available: ", said) and "\n" not in said


HUGE = {
    "SSBroyden": lambda: pk.SSBroyden().start(torch.zeros(300_000, dtype=torch.float64), None),
    "points": lambda: pk.solve(PLATE, pk.MLP(2, 8, 1), 10**9, progress=False),
    "a grid": lambda: SQUARE.grid(10**5),
    "a mesh": lambda: mesh(SQUARE, 10**10),
    "a network": lambda: pk.solve(PLATE, pk.MLP(2, 10**6, 10**6, 1), 10, progress=False),
}


@pytest.mark.parametrize("case", HUGE)
def test_nothing_is_taken_before_it_is_refused(case, monkeypatch):
    """Each of them would take more than 300 GB."""
    monkeypatch.setattr(memory, "available", lambda device=None: 2e9)
    before = resident()
    with pytest.raises(memory.OutOfReach, match="and 2 GB are available"):
        HUGE[case]()
    assert resident() - before < 1e8


def resident() -> float:
    text = Path("/proc/self/statm")
    return int(text.read_text().split()[1]) * 4096.0 if text.exists() else 0.0


def machine(monkeypatch: pytest.MonkeyPatch, folder: Path, groups: str = "", **files: str) -> None:
    """A machine with 8 GB to spare, and these cgroup files."""
    (folder / "meminfo").write_text("MemTotal: 9000000 kB\nMemAvailable:    8000000 kB\n")
    (folder / "groups").write_text(groups)
    for name, text in files.items():
        file = folder / name.replace("__", "/").replace("_of_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.setattr(memory, "MEMINFO", str(folder / "meminfo"))
    monkeypatch.setattr(memory, "OWN_GROUPS", str(folder / "groups"))
    monkeypatch.setattr(memory, "CGROUPS", str(folder))
    monkeypatch.setattr(memory, "_limits", lambda: ())
    monkeypatch.delenv(memory.SETTING, raising=False)


def test_the_machine_its_groups_and_limits_are_looked_at(monkeypatch, tmp_path):
    machine(monkeypatch, tmp_path)
    assert memory.available() == 8_000_000 * 1024
    two = {
        "job__memory_of_max": "max", "job__memory_of_current": "5", "memory_of_max": "4000000000",
        "memory_of_current": "1500000000", "memory_of_stat": "anon 7\ninactive_file 300000000\nactive_file 200000000\n",
    }  # fmt: skip
    machine(monkeypatch, tmp_path, "0::/job/inner\n", **two)  # the group above sets the limit, caches are free
    assert memory.available() == 3e9
    one = {"memory/job/memory.limit_in_bytes": "2000000000", "memory/job/memory.usage_in_bytes": "1900000000"}
    machine(monkeypatch, tmp_path, "9:cpu:/job\n8:hugetlb,memory:/job\n")
    for name, text in (one | {"memory/job/memory.stat": "total_inactive_file 50000000\n"}).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert memory.available() == 1.5e8


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc")
def test_a_limit_of_address_space_is_looked_at(monkeypatch):
    resource = pytest.importorskip("resource")
    held = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    monkeypatch.delenv(memory.SETTING, raising=False)
    limits = {resource.RLIMIT_AS: (held + 3 * 10**7, -1)}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: limits.get(kind, (-1, -1)))
    assert 0 < memory.available() < 4e7
    with pytest.raises(MemoryError, match="drawing 10000000 points would need 960 MB"):
        pk.sample(PLATE, 10**7)


def test_the_setting_overrides(monkeypatch):
    monkeypatch.setenv(memory.SETTING, "0.05")
    with pytest.raises(MemoryError, match="50 MB are available: give fewer points .PINNKIT_MEMORY=off takes"):
        pk.sample(PLATE, 10**6)
    monkeypatch.setenv(memory.SETTING, "off")
    assert memory.available() == math.inf
    monkeypatch.setenv(memory.SETTING, "much")
    with pytest.raises(ValueError, match="PINNKIT_MEMORY=much: give a number of GB, or off"):
        pk.sample(PLATE, 10**6)
