"""The stored references against independent formulas, coarser solutions and the equations themselves."""

import hashlib
import importlib
import json
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import pinnkit as pk
from pinnkit.statement.symbolic import reference

pytestmark = pytest.mark.portable
DATA = Path(__file__).parents[2] / "data"
sys.path.insert(0, str(DATA))
table = importlib.import_module("table")
series = importlib.import_module("series")
burgers = importlib.import_module("make_burgers")
allen_cahn = importlib.import_module("make_allen_cahn")
eigen = importlib.import_module("make_series")

BOUND = {"burgers": 1e-11, "allen_cahn": 1e-9}
BOUND |= {f"heat_{name}": 1e-12 for name in eigen.HEAT} | {f"wave1d_{name}": 1e-12 for name in eigen.WAVE}


def same(stored, again):
    """Equal but for the last digits, in which exp, sin and linspace differ between processors."""
    return stored.shape == again.shape and np.allclose(stored, again, rtol=1e-13, atol=1e-15)


def stored(name):
    with h5py.File(DATA / f"{name}.h5") as file:
        return file["x"][:], file["t"][:], file["u"][:], dict(file.attrs)


@pytest.mark.parametrize("name", BOUND)
def test_layout_and_error(name):
    x, t, u, attributes = stored(name)
    assert u.shape == (len(x), len(t)) and u.dtype == np.float64 and np.isfinite(u).all()
    assert attributes["format"] == "pinnkit-reference" and attributes["version"] == 1
    assert json.loads(attributes["coordinates"]) == ["x", "t"]
    assert isinstance(json.loads(attributes["parameters"]), dict) and attributes["method"]
    assert 0 < attributes["error"] <= BOUND[name]
    assert (DATA / f"{name}.h5").stat().st_size < 400_000


def test_burgers_grid_and_data():
    x, t, u, _ = stored("burgers")
    assert same(x, np.linspace(-1, 1, 257)) and same(t, np.linspace(0, 1, 101))
    assert np.abs(u[:, 0] + np.sin(np.pi * x)).max() < 1e-15
    assert not u[[0, -1]].any()
    assert np.abs(u + u[::-1]).max() < 1e-13  # odd in x


def test_burgers_against_another_formula():
    _, _, u, attributes = stored("burgers")
    for again in (burgers.solve(33, 21)[2], burgers.solve_by_drift(33, 21)[2]):
        assert table.relative(u[::8, ::5], again) < 1e-13
    assert json.loads(attributes["parameters"])["nu"] == 0.01 / np.pi


@pytest.mark.parametrize(("i", "j"), [(129, 40), (96, 77)])
def test_burgers_against_40_digits(i, j):
    x, t, u, _ = stored("burgers")
    assert abs(u[i, j] - burgers.exact(x[i], t[j])) < 1e-13


@pytest.mark.parametrize(("x", "t"), [(-0.5, 0.2), (0.3, 0.6), (0.01, 0.2), (0.03, 1.0)])
def test_burgers_equation(x, t):
    h = 1e-3
    first = np.array([-1, 9, -45, 0, 45, -9, 1]) / (60 * h)
    second = np.array([2, -27, 270, -490, 270, -27, 2]) / (180 * h**2)
    offset = h * np.arange(-3, 4)
    rule = burgers.trapezoid(1001)
    along = burgers.column(x + offset, t, *rule)
    u_t = first @ np.concatenate([burgers.column(np.array([x]), t + s, *rule) for s in offset])
    u_x, u_xx = first @ along, second @ along
    scale = abs(u_t) + abs(along[3] * u_x) + burgers.NU * abs(u_xx)
    assert abs(u_t + along[3] * u_x - burgers.NU * u_xx) < 1e-5 * scale


def test_allen_cahn_grid_and_data():
    x, t, u, _ = stored("allen_cahn")
    assert same(x, np.linspace(-1, 1, 201)) and same(t, np.linspace(0, 1, 101))
    assert same(u[:, 0], allen_cahn.initial(x)) and (u[[0, -1]] == -1).all()
    assert np.abs(u - u[::-1]).max() < 1e-11  # even in x


def test_allen_cahn_against_fewer_nodes():
    u = stored("allen_cahn")[2]
    assert table.relative(u[::5, ::20], allen_cahn.solve(41, 6, nodes=640, rtol=1e-10)[2]) < 1e-10


def test_allen_cahn_against_another_method():
    u = stored("allen_cahn")[2]
    again = allen_cahn.solve_by_elements(41, 6, elements=24, steps=400)[2]
    assert table.relative(u[::5, ::20], again) < 1e-10


@pytest.mark.parametrize("name", eigen.HEAT)
def test_heat(name):
    x, t, u, _ = stored(f"heat_{name}")
    assert same(x, np.linspace(0, 1, 101)) and same(t, np.linspace(0, 0.1, 101))
    u0 = eigen.HEAT[name]
    assert same(u[:, 0], u0(x))
    assert np.abs(u[[0, -1]] - u0(x[[0, -1]])[:, None]).max() < 1e-13
    some = t[[1, 10, 50, 100]]
    again = series.heat_by_images(u0, x[::10], some)
    assert np.abs(u[::10, [1, 10, 50, 100]] - again).max() < 1e-13
    assert np.abs(series.heat(u0, x[::10], some, modes=100) - again).max() < 1e-12


@pytest.mark.parametrize("name", eigen.WAVE)
def test_wave(name):
    x, t, u, _ = stored(f"wave1d_{name}")
    assert same(x, np.linspace(0, 1, 101)) and np.array_equal(t, x)
    assert same(u[:, 0], eigen.WAVE[name](x))
    assert np.abs(u[[0, -1], 1:]).max() < 1e-12
    assert np.abs(u - series.wave_by_characteristics(eigen.WAVE[name], x, t)).max() < 2e-12


def test_series_of_an_eigenfunction_with_constants():
    x, t = np.linspace(0, 1, 9), np.linspace(0, 0.3, 5)
    mode, rate = np.sin(4 * np.pi * x)[:, None], 4 * np.pi
    u = series.heat(lambda y: 1 + 2 * y + eigen.sine(y), x, t, alpha=0.3, modes=10)
    assert np.abs(u - mode * np.exp(-0.3 * rate**2 * t) - (1 + 2 * x)[:, None]).max() < 1e-13
    assert np.abs(series.wave(eigen.sine, x, t, c=2, modes=10) - mode * np.cos(2 * rate * t)).max() < 1e-13


def test_series_of_a_jump_at_the_walls():
    def u0(y):
        return 1 - 0.3 * y**2

    x, t = np.linspace(0, 1, 21), np.linspace(0, 3, 31)
    error = [
        np.abs(series.wave(u0, x, t, modes=modes) - series.wave_by_characteristics(u0, x, t)).max()
        for modes in (500, 1000)
    ]
    assert error[1] < 1e-6 and error[1] < error[0] / 3


def test_write_replaces_in_one_step(tmp_path):
    path, axes = tmp_path / "a.h5", {"x": np.arange(3.0), "t": np.arange(2.0)}
    about = {"error": 1e-3, "method": "none", "parameters": {"k": 1}}
    table.write(path, axes, {"u": np.ones((3, 2))}, **about)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="shape"):
        table.write(path, axes, {"u": np.ones((2, 3))}, **about)
    with pytest.raises(ValueError, match="finite"):
        table.write(path, axes, {"u": np.full((3, 2), np.nan)}, **about)
    with pytest.raises(TypeError):
        table.write(path, axes, {"u": np.ones((3, 2))}, error=0.1, method="none", parameters={"k": object()})
    assert path.read_bytes() == before and {p.name for p in tmp_path.iterdir()} == {"a.h5", "checksums.json"}


def test_a_damaged_table_is_refused(tmp_path, monkeypatch):
    axes = {"x": np.arange(3.0), "t": np.arange(2.0)}
    path = tmp_path / "a.h5"
    table.write(path, axes, {"u": np.ones((3, 2))}, error=1e-3, method="none", parameters={})
    monkeypatch.setattr(reference, "data_file", lambda name: path)
    assert pk.Table("a.h5").error == 1e-3
    data = bytearray(path.read_bytes())
    at = bytes(data).index(np.arange(3.0).tobytes())  # an axis: HDF5 keeps no checksum of it
    data[at + 8] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="a.h5 is damaged"):
        _ = pk.Table("a.h5").error


def test_the_checksums_are_those_of_the_tables():
    known = json.loads(reference.data_file("checksums.json").read_text())
    folder = reference.data_file("burgers.h5").parent
    assert known == {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.glob("*.h5")}
