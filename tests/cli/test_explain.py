"""The command influence and the file that it writes: what is printed, kept and refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

import pinnkit as pk
from pinnkit.cli import options
from pinnkit.influence.indicator import term_fractions

SETTINGS = {"stages": [pk.Adam(20), pk.SSBroyden(20)], "resample": None, "progress": False, "validation": 50}
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def solution() -> pk.Solution:
    counts = {"pde": 60, "initial": 15, "x": 15}
    return pk.solve(pk.problem("burgers"), pk.MLP(2, 5, 1), counts, hard=False, **SETTINGS)


@pytest.fixture(scope="module")
def run(solution: pk.Solution, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(pk.save(solution, tmp_path_factory.mktemp("runs") / "run.h5"))


def test_the_strongest_points_of_a_prediction_are_printed_drawn_and_kept(
    call: Call, run: str, solution: pk.Solution
) -> None:
    words = ["--of", "u@x=0.2,t=0.5", "--of", "test-loss", "--out", "new/map.h5", "--picture", "new/map.png"]
    code, text, complaint = call("influence", run, *words, "--top", "3", "--response")
    assert code == 0 and complaint == ""
    found = pk.Influence(solution).attribute(
        [pk.at("u", x=0.2, t=0.5), pk.test_loss(solution.problem)], convention="fixed"
    )
    key, number, place, effect = found.strongest(3)[0]
    lines = text.splitlines()
    assert lines[0] == f"u at x=0.2, t=0.5 = {float(found.values[0]):.6g}"
    assert lines[1].startswith("  influence through  pde ")
    assert lines[3].split() == [key, str(number), *(f"{c:.4f}" for c in place), f"{effect:+.2e}"]
    assert sum(line.startswith(("  pde ", "  initial ", "  x ")) for line in lines) == 6
    response = f"response      {pk.response(solution)}"
    for start in ("curvature     exact Hessian", "stationarity  |gradient|", "convention    a change is", response):
        assert any(line.startswith(start) for line in lines)
    assert lines[-2].split() == ["map", "new/map.h5"] and lines[-1].split() == ["picture", "new/map.png"]
    assert Path("new/map.png").read_bytes().startswith(b"\x89PNG")
    kept = pk.load_map("new/map.h5")
    assert kept.names == found.names and torch.equal(kept.joint["pde"], found.joint["pde"])


def test_json_is_all_that_is_printed(call: Call, run: str, solution: pk.Solution) -> None:
    words = ["--json", "--curvature", "gauss-newton", "--damping", "1e-4", "--convention", "mean", "--top", "2"]
    code, text, complaint = call("influence", run, *words, "--response")
    data = json.loads(text)
    assert code == 0 and complaint == "" and data["files"] == {} and data["convention"] == "mean"
    found = pk.Influence(solution, "gauss-newton", 1e-4).attribute(pk.test_loss(solution.problem), convention="mean")
    (answer,) = data["answers"]  # the loss on fresh points unless told otherwise
    assert answer["of"] == found.names[0] and answer["value"] == pytest.approx(float(found.values[0]), rel=1e-12)
    shares = {name: float(v[0]) for name, v in term_fractions(found.effects).items()}
    own = pk.response(solution).to_dict()
    assert data["response"] == {k: None if v != v else pytest.approx(v) for k, v in own.items()}
    assert answer["shares"] == pytest.approx(shares, rel=1e-9) and len(answer["strongest"]) == 2
    key, number, (x, t), change = found.strongest(1)[0]
    first = answer["strongest"][0]
    assert (first["points"], first["number"], first["x"], first["t"]) == (key, number, x, t)
    assert first["change"] == pytest.approx(change, rel=1e-9) and "damping 1.0e-04 (given" in data["curvature"]


def test_the_methods_to_compare_with_have_names(call: Call, run: str) -> None:
    code, text, _ = call("influence", run, "--of", "u_x@t=0.5,x=-1", "--curvature", "gradient-dot", "--top", "0")
    assert code == 0 and "u_x at t=0.5, x=-1 = " in text and "curvature     gradient-dot" in text
    assert "it changes by" not in text


@pytest.mark.parametrize(
    "text, kind, name",
    [
        ("u@x=0.2,t=0.5", pk.Field, "u at x=0.2, t=0.5"),
        ("u_xx@t=1, x=-1e-1", pk.Field, "u_xx at t=1, x=-0.1"),
        ("loss", pk.Loss, "total loss"),
        ("loss:u initial", pk.Loss, "u initial loss"),
        ("test-loss", pk.Loss, "total loss on fresh points"),
        ("test-loss:pde", pk.Loss, "pde loss on fresh points"),
        ("error", pk.Error, "relative L2 error"),
        ("error:u", pk.Error, "relative L2 error of u"),
    ],
)
def test_what_is_asked(solution: pk.Solution, text: str, kind: type, name: str) -> None:
    asked = options.functional(text, solution)
    assert isinstance(asked, kind) and asked.names == (name,)
    assert asked.linearise(solution)[1].shape == (1, solution.model.count)


def test_an_unknown_coefficient_is_asked_for_by_name() -> None:
    inverse = pk.solve(pk.problem("heat_inverse"), pk.MLP(2, 4, 1), 20, **SETTINGS)
    (name,) = inverse.problem.unknowns
    asked = options.functional(f"unknown:{name}", inverse)
    assert isinstance(asked, pk.Unknown) and asked.coefficient == name
    with pytest.raises(ValueError, match=f"unknown:{name}$"):
        options.functional("foo", inverse)


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["--of", "foo"], "--of foo: ask about u@x=0.2,t=0.6, test-loss, loss, loss:pde, error, error:u"),
        (["--of", "unknown"], "--of unknown: ask about u@x=0.2,t=0.6"),
        (["--of", "w@x=0,t=0"], "--of w@x=0,t=0: 'w': the fields are u, their derivatives like u_x (as u@x=0.2"),
        (["--of", "u_q@x=0,t=0"], "--of u_q@x=0,t=0: "),
        (["--of", "u@x=0"], "a point has the coordinates x, t, got x (as u@x=0.2,t=0.6)"),
        (["--of", "u@x=0,t=0,y=1"], "a point has the coordinates x, t, got x, t, y"),
        (["--of", "u@x=a,t=0"], "--of u@x=a,t=0: x=a: expected a number, got 'a'"),
        (["--of", "u@0.2,0.5"], "--of u@0.2,0.5: a point 0.2: expected NAME=VALUE (as u@x=0.2,t=0.6)"),
        (["--of", "u@x=0,t=9"], "the point is outside the domain (x in [-1, 1], t in [0, 1])"),
        (["--of", "u@x=0,t=nan"], "the point is outside the domain"),
        (["--of", "__import__('os')@x=0,t=0"], "the fields are u"),
        (["--of", "loss:foo"], "there is no term 'foo' in the loss: its terms are pde, u initial, u on x"),
        (["--of", "error:w"], "there is no field 'w': the fields are u"),
        (["--of", "unknown:D"], "'D' was not trained: the unknown coefficients are none"),
        (["--curvature", "foo"], "curvature='foo': choose one of auto, gauss-newton, exact, explicit"),
        (["--damping", "much"], "--damping much: give a positive number, gcv or evidence"),
        (["--damping", "-1"], "--damping -1: give a positive number"),
        (["--damping", "inf"], "--damping inf: give a positive number"),
        (["--convention", "foo"], "convention='foo': choose one of fixed, mean"),
        (["--picture", "map"], "map: give a file with its format, as map.png"),
        (["--picture", "map.xyz"], "map.xyz: no such format, choose one of "),
        (["--out", "."], ". is a folder: give the name of a file"),
    ],
)
def test_wrong_input_gets_one_sentence(call: Call, run: str, words: list[str], sentence: str) -> None:
    code, text, complaint = call("influence", run, *words)
    assert (code, text) == (2, "") and sentence in complaint and complaint.count("\n") == 1


def test_runs_that_cannot_be_rebuilt_are_refused(call: Call, solution: pk.Solution) -> None:
    network = pk.Module(torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)))
    own = pk.solve(pk.problem("burgers"), network, 20, stages=[pk.Adam(2)], resample=None, progress=False)
    with pytest.warns(UserWarning, match="cannot hold Module"):
        pk.save(own, "module.h5")
    code, _, complaint = call("influence", "module.h5")
    assert code == 2 and complaint == "module.h5 does not hold Module: give network=... to pinnkit.load\n"
    source = pk.function(lambda x, t: 0 * x, "source")(*solution.problem.variables)
    mine = replace(solution.problem, name="mine", equations=solution.problem.equations["pde"] + source)
    pk.save(replace(solution, model=replace(solution.model, problem=mine)), "mine.h5")
    code, _, complaint = call("influence", "mine.h5")
    assert code == 2 and "does not hold the Python function 'source' in 'pde'" in complaint
    assert "--problem FILE.py" in complaint and complaint.count("\n") == 1
    Path("mine.py").write_text(
        "import dataclasses, pinnkit\n\n"
        "def problem(**given):\n    found = pinnkit.problem('burgers', **given)\n"
        "    source = pinnkit.function(lambda x, t: 0 * x, 'source')(*found.variables)\n"
        "    return dataclasses.replace(found, name='mine', equations=found.equations['pde'] + source)\n"
    )
    assert call("influence", "mine.h5", "--problem", "mine.py", "--of", "loss", "--top", "1")[0] == 0


# ------------------------------------------------------------------------------------------------------------ the file


def test_a_map_comes_back_as_it_was(solution: pk.Solution, tmp_path: Path) -> None:
    X = solution.problem.sample("pde", 5, seed=1).X
    found = pk.Influence(solution, "gauss-newton").attribute([pk.Field("u", X), pk.Error()])
    path = pk.save_map(found, tmp_path / "map.h5")
    again = pk.load_map(path)
    for name in ("names", "convention", "curvature", "notes", "coordinates", "terms"):
        assert getattr(again, name) == getattr(found, name)
    assert dict(again.keys) == dict(found.keys) and list(again.joint) == list(found.joint)
    pairs = [(again.values, found.values), *((again.effects[t], found.effects[t]) for t in found.terms)]
    pairs += [(again.joint[k], found.joint[k]) for k in found.joint]
    pairs += [(again.points[k].X, found.points[k].X) for k in found.points]
    pairs += [(again.points["x"].columns["n_x"], found.points["x"].columns["n_x"])]
    assert all(torch.equal(a, b) for a, b in pairs)
    assert torch.equal(again.places.isnan(), found.places.isnan()) and torch.equal(again.places[:5], X)
    assert again.strongest(3, 2) == found.strongest(3, 2)
    with h5py.File(path) as h5:  # any tool can read it
        assert h5["effects/u initial"].shape == (6, 15) and np.array_equal(h5["points/pde/X"], found.points["pde"].X)


def test_damaged_and_foreign_files_are_refused(run: str, tmp_path: Path, solution: pk.Solution) -> None:
    with pytest.raises(ValueError, match="not one of format pinnkit-influence"):
        pk.load_map(run)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        pk.load_map(tmp_path / "none.h5")
    path = pk.save_map(pk.Influence(solution, "gauss-newton").attribute(pk.Loss()), tmp_path / "map.h5")
    data = bytearray(path.read_bytes())
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="is damaged"):
        pk.load_map(path)
    with pytest.raises(FileNotFoundError, match="create it first"):
        pk.save_map(pk.Influence(solution, "gauss-newton").attribute(pk.Loss()), tmp_path / "no" / "map.h5")


@pytest.mark.parametrize("name, value", [("coordinates", "5"), ("names", "null"), ("notes", "1.5"), ("keys", "[[]]")])
def test_forged_maps_are_refused(solution: pk.Solution, tmp_path: Path, name: str, value: str) -> None:
    path = pk.save_map(pk.Influence(solution, "gauss-newton").attribute(pk.Loss()), tmp_path / "map.h5")
    with h5py.File(path, "r+") as h5:
        h5.attrs[name] = np.array(value.encode(), h5py.string_dtype("ascii", len(value)))
    with pytest.raises(ValueError, match="save_map does not write") as caught:
        pk.load_map(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
