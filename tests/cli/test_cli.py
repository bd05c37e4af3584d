"""The command line: what it prints, what it leaves behind, and with which code."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import pinnkit as pk
from pinnkit.statement import catalogue
from pinnkit.tools import hdf5

ROOT = Path(__file__).parents[2]
QUICK = [
    "--network",
    "6,6",
    "--points",
    "pde=60",
    "--stages",
    "adam:4,ssbroyden:8",
    "--resample",
    "rad",
    "--every",
    "5",
]
Call = Callable[..., tuple[int, str, str]]


def shell(*words: str, folder: Path) -> subprocess.CompletedProcess:
    """Run a command in a process of its own."""
    command = [sys.executable, "-m", "pinnkit", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


def test_help_does_not_wait_for_torch() -> None:
    code = (
        "import sys\nfrom pinnkit.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as left:\n    assert left.code == 0\n"
        "assert not {'torch', 'sympy', 'h5py', 'matplotlib'} & set(sys.modules)\n"
    )
    for words in (["--help"], ["solve", "--help"], ["problems"], ["--version"]):
        done = subprocess.run([sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0 and done.stdout and not done.stderr, done.stderr


def test_problems(call: Call) -> None:
    code, text, _ = call("problems")
    assert code == 0 and "burgers" in text and "--set alpha=1.0, beta=20.0" in text
    code, text, _ = call("problems", "--json")
    listed = {e["name"]: e for e in json.loads(text)}
    assert set(listed) == set(catalogue.names()) and listed["drift_diffusion"]["arguments"]["beta"] == "20.0"


def test_solve_report_plot(call: Call) -> None:
    code, text, progress = call("solve", "burgers", *QUICK, "--seed", "3")
    assert code == 0 and Path("runs/burgers-seed3.h5").exists()
    assert "relative L2 error of u" in text and "in runs/burgers-seed3.h5" in text
    assert "all 8 iterations done" in progress and "loss" in progress  # plain lines, for there is no terminal
    solution = pk.load("runs/burgers-seed3.h5")
    assert solution.network == pk.MLP(2, 6, 6, 1) and len(solution.points["pde"]) >= 60
    plan = solution.progress.plan
    assert (plan.stages, plan.seed, plan.resample.every) == ((pk.Adam(4), pk.SSBroyden(8)), 3, 5)
    code, text, _ = call("report", "runs/burgers-seed3.h5", "--json")
    found = json.loads(text)
    assert code == 0 and found["relative_l2"] == {"u": pytest.approx(solution.errors()["u"]["relative_l2"], rel=1e-12)}
    assert found["file"] == "runs/burgers-seed3.h5" and found["iterations"] == 12
    code, text, _ = call("report", "runs/burgers-seed3.h5")
    assert code == 0 and "the reference's own" in text
    code, text, _ = call("plot", "runs/burgers-seed3.h5", "--out", "new/folder", "--json")
    files = json.loads(text)["figures"]
    assert code == 0 and files["summary"] == "new/folder/burgers-seed3-summary.png"
    assert all(Path(f).read_bytes().startswith(b"\x89PNG") for f in files.values())
    assert (
        call("plot", "runs/burgers-seed3.h5", "--format", "svg")[0] == 0
        and Path("runs/burgers-seed3-history.svg").exists()
    )


def test_json_is_all_that_is_printed(call: Call) -> None:
    code, text, progress = call("solve", "burgers", *QUICK, "--json", "--quiet", "--set", "nu=0.05", "--out", "x.h5")
    found = json.loads(text)
    assert code == 0 and progress == "" and found["parameters"] == {"nu": 0.05}
    assert found["relative_l2"] == {} and found["reference_error"] is None and found["stop_reasons"]


def test_the_problems_own_training_is_one_of_its_recipe(call: Call) -> None:
    assert call("solve", "burgers", "--stages", "recipe", "--time-limit", "0", "--out", "x.h5", "--quiet")[0] == 0
    recipe, solution = pk.problem("burgers").recipe, pk.load("x.h5")
    plan = solution.progress.plan
    assert (solution.network, plan.stages, plan.resample) == (recipe.network, tuple(recipe.stages), recipe.resample)
    assert len(solution.points["pde"]) == recipe.points["pde"] and solution.theta.dtype == torch.float64


def test_where_nothing_is_given_a_run_climbs(call: Call) -> None:
    assert call("solve", "burgers", "--time-limit", "0", "--out", "x.h5", "--quiet")[0] == 0
    plan, recipe = pk.load("x.h5").progress.plan, pk.problem("burgers").recipe
    assert isinstance(plan.stages[0], pk.Correct) and plan.stages[-3:-1] == tuple(recipe.stages)
    code, out, _ = call("solve", "burgers", "--resume", "--time-limit", "0", "--out", "x.h5", "--quiet")
    assert code == 0, out


def test_other_settings_reach_the_run(call: Call) -> None:
    words = [
        "--stages",
        "adam:2:lr=0.01,lbfgs:2:memory=7",
        "--resample",
        "none",
        "--points",
        "70",
        "--dtype",
        "float32",
    ]
    assert call("solve", "burgers", *words, "--threads", "1", "--device", "cpu", "--out", "x.h5", "--quiet")[0] == 0
    solution = pk.load("x.h5")
    assert solution.progress.plan.stages == (pk.Adam(2, lr=0.01), pk.LBFGS(2, memory=7))
    assert solution.progress.plan.resample is None and solution.theta.dtype == torch.float32
    assert len(solution.points["pde"]) == 70


OWN = """
from dataclasses import dataclass
import pinnkit as pk
from pinnkit.training.optim import Step

@pk.register
@dataclass(frozen=True)
class PlainGradient:
    iterations: int
    rate: float = 1e-3
    name: str | None = None
    start, renew = (lambda self, theta, objective: {}), (lambda self, state: dict(state))

    def step(self, theta, state, objective):
        losses, gradient = objective.loss_and_gradient(theta)
        return theta - self.rate * gradient, state, Step(losses)

def rod():
    return pk.problem("heat")
"""


def test_a_stage_that_the_problems_file_registers_is_known(call: Call) -> None:
    Path("rod.py").write_text(OWN)
    words = [
        "rod.py",
        "--stages",
        "plaingradient:3:rate=0.01:name=plain",
        "--points",
        "20",
        "--network",
        "4",
        "--quiet",
    ]
    assert call("solve", *words, "--out", "rod.h5")[0] == 0
    (stage,) = pk.load("rod.h5", pk.problem("heat")).progress.plan.stages
    assert (type(stage).__name__, stage.iterations, stage.rate, stage.name) == ("PlainGradient", 3, 0.01, "plain")
    code, _, said = call("solve", "rod.py", "--stages", "plaingradient:3:speed=1")
    assert code == 2 and "PlainGradient has no setting 'speed'; it has iterations, rate, name" in said


def test_a_run_is_not_overwritten_unasked(call: Call) -> None:
    assert call("solve", "burgers", *QUICK, "--quiet")[0] == 0
    before = Path("runs/burgers-seed0.h5").read_bytes()
    code, text, complaint = call("solve", "burgers", *QUICK)
    assert code == 2 and text == "" and Path("runs/burgers-seed0.h5").read_bytes() == before
    assert complaint == (
        "runs/burgers-seed0.h5 exists: --resume goes on with it, --overwrite starts anew, --out names another file\n"
    )
    assert call("solve", "burgers", *QUICK, "--overwrite", "--quiet")[0] == 0


def test_resume_begins_goes_on_and_ends_in_the_same_bits(call: Call) -> None:
    whole = ["solve", "burgers", *QUICK, "--quiet", "--out", "whole.h5"]
    part = ["solve", "burgers", *QUICK, "--quiet", "--out", "part.h5", "--resume"]
    assert call(*whole)[0] == 0
    assert call(*part, "--time-limit", "0")[0] == 0  # there is no file yet: it begins
    assert not pk.load("part.h5").progress.done
    assert call(*part)[0] == 0
    assert torch.equal(pk.load("part.h5").theta, pk.load("whole.h5").theta)
    assert call(*part)[0] == 0  # nothing is left to do
    assert call("solve", "burgers", "--resume", "--out", "part.h5", "--quiet")[0] == 0
    assert torch.equal(pk.load("part.h5").theta, pk.load("whole.h5").theta)


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["--network", "7,7"], "was begun with network MLP(sizes=(2, 6, 6, 1)"),
        (["--stages", "adam:5"], "was begun with stages (Adam(iterations=4"),
        (["--resample", "none"], "was begun with resample"),
        (["--seed", "1"], "was begun with seed 0: leave --seed out to go on with it, or give --overwrite"),
        (["--dtype", "float32"], "was begun with dtype torch.float64"),
        (["--points", "pde=61"], "was begun with points {'pde': 60}"),
        (["--set", "nu=0.5"], "parameters are {'nu': 0.00318"),
    ],
)
def test_resume_with_other_settings_is_refused(call: Call, words: list[str], sentence: str) -> None:
    begin = ["solve", "burgers", *QUICK, "--quiet", "--out", "x.h5", "--time-limit", "0"]
    assert call(*begin)[0] == 0
    code, _, complaint = call("solve", "burgers", "--resume", "--out", "x.h5", *words)
    assert code == 2 and sentence in complaint and complaint.count("\n") == 1


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["solve", "burger"], "there is no problem 'burger' (did you mean 'burgers'?)"),
        (["solve", "missing.py"], "there is no file missing.py"),
        (["solve", "burgers", "--set", "mu=1"], "burgers has no argument 'mu'"),
        (["solve", "burgers", "--set", "nu=abc"], "nu=abc: expected a number"),
        (["solve", "burgers", "--set", "nu"], "--set nu: expected NAME=VALUE"),
        (["solve", "burgers", "--stages", "foo:3"], "'foo' is not an optimiser; choose among adam"),
        (["solve", "burgers", "--stages", "adam:x"], "expected a whole number, got 'x'"),
        (["solve", "burgers", "--stages", "adam:5:lr=nan"], "Adam: lr is nan: expected a positive number"),
        (
            ["solve", "burgers", "--seed", "-1"],
            "Invalid value for '--seed': Input should be greater than or equal to 0",
        ),
        (["solve", "burgers", "--stages", "adam:0"], "expected a number of at least 1, got 0"),
        (["solve", "burgers", "--stages", "adam:3:foo=1"], "Adam has no setting 'foo'; it has iterations, lr"),
        (["solve", "burgers", "--stages", "ssbroyden:3:scaled=7"], "expected true or false, got '7'"),
        (
            ["solve", "burgers", "--resample", "foo"],
            "--resample foo: choose among uniform, rad, rar-d, rar-g, r3, influence",
        ),
        (["solve", "burgers", "--resample", "none", "--every", "5"], "nothing is resampled"),
        (["solve", "burgers", "--points", "foo=3"], "burgers has no point set 'foo': its sets are pde"),
        (["solve", "burgers", "--points", "0"], "--points pde=0: expected a number of at least 1"),
        (["solve", "burgers", "--points", "pde=20,pde=30"], "pde is given twice"),
        (["solve", "burgers", "--stages", "adam:-5"], "expected a number of at least 1, got -5"),
        (["solve", "burgers", "--stages", "adam:5:lr=0.1:lr=0.2"], "lr is given twice"),
        (["solve", "burgers", "--set", "nu=nan"], "nu has the value nan: expected a finite number"),
        (["solve", "burgers", "--seed", "99999999999999999999999"], "Invalid value for '--seed'"),
        (["solve", "burgers", "--points", "99999999999999"], "points would need 9.6 PB of memory"),
        (["solve", "burgers", "--points", "pde=many"], "expected a whole number, got 'many'"),
        (["solve", "burgers", "--network", "3,x"], "--network 3,x: expected a whole number"),
        (["solve", "burgers", "--dtype", "float16"], "choose float64 or float32"),
        (["solve", "burgers", "--device", "nowhere"], "--device nowhere: this machine and PyTorch have no such device"),
        (["solve", "burgers", "--seed", "x"], "Invalid value for '--seed'"),
        (["solve", "burgers", "--foo"], "No such option: --foo"),
        (["solve"], "Missing argument 'NAME|FILE.py'"),
        (["dissolve"], "No such command 'dissolve'"),
        (["report", "missing.h5"], "there is no file missing.h5"),
        (["plot", "missing.h5"], "there is no file missing.h5"),
        (["solve", "burgers", "--out", "."], "is a folder"),
    ],
)
def test_wrong_input_gets_one_sentence(call: Call, words: list[str], sentence: str) -> None:
    code, text, complaint = call(*words, *(["--overwrite", "--quiet"] if words[:2] == ["solve", "burgers"] else []))
    assert (code, text) == (2, "") and sentence in complaint and complaint.count("\n") == 1
    assert not list(Path().glob("runs/*.h5"))


def test_damaged_runs_get_one_sentence(call: Call) -> None:
    Path("x.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    for command in ("report", "plot"):
        code, _, complaint = call(command, "x.h5")
        assert code == 2 and complaint.startswith("x.h5 is damaged") and complaint.count("\n") == 1
    assert call("solve", "burgers", "--resume", "--out", "x.h5")[0] == 2


def test_a_problem_from_a_file_is_solved_resumed_and_asked_for_again(call: Call) -> None:
    Path("mine.py").write_text("import pinnkit\n\ndef problem(k=0.1):\n    return pinnkit.problem('burgers', nu=k)\n")
    words = ["mine.py", *QUICK, "--quiet", "--set", "k=0.2"]
    assert call("solve", *words, "--time-limit", "0")[0] == 0 and Path("runs/mine-seed0.h5").exists()
    assert call("solve", "mine.py", "--resume", "--quiet")[0] == 0
    moved = Path("mine.py").rename("elsewhere.py")
    code, text, _ = call("report", "runs/mine-seed0.h5", "--json")
    moved.rename("mine.py")
    again = call("report", "runs/mine-seed0.h5", "--problem", "mine.py", "--json")
    assert code == 0 and (again[0], json.loads(again[1])) == (0, json.loads(text))
    assert json.loads(text)["parameters"] == {"nu": 0.2} and json.loads(text)["iterations"] == 12
    assert call("plot", "runs/mine-seed0.h5", "--problem", "mine.py")[0] == 0


def test_no_traceback_reaches_a_person(tmp_path: Path) -> None:
    (tmp_path / "x.h5").touch()
    done = shell("solve", "burgers", "--out", "x.h5", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("x.h5 exists: --resume goes on with it") and done.stderr.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="signals differ")
@pytest.mark.parametrize("asking", [signal.SIGINT, signal.SIGTERM])
def test_signals_save_and_say_how_to_go_on(asking: signal.Signals, tmp_path: Path) -> None:
    words = ["solve", "burgers", "--network", "6", "--points", "50", "--stages", "adam:1000000", "--resample", "none"]
    running = subprocess.Popen(
        [sys.executable, "-m", "pinnkit", *words, "--out", "x.h5"], cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        stdout=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    until = time.monotonic() + 60
    while not (tmp_path / "x.h5").exists() and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.5)
    running.send_signal(asking)
    text, complaint = running.communicate(timeout=60)
    assert running.returncode == 128 + asking and text == "" and "Traceback" not in complaint
    if asking == signal.SIGINT:
        assert "go on with `pinnkit solve burgers --resume --out x.h5`" in complaint.splitlines()[-1]
    solution = pk.load(tmp_path / "x.h5")
    assert solution.progress.total > 0 and solution.stops[-1].startswith("interrupted")


def test_an_unforeseen_error_is_one_sentence(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("of\nmine")

    monkeypatch.setattr("pinnkit.cli.jobs.opened", fail)
    code, text, complaint = call("report", "x.h5")
    assert (code, text) == (1, "") and complaint.count("\n") == 1
    assert complaint.startswith("pinnkit failed (ZeroDivisionError: of mine): add --debug to see where")
    for words in (["--debug", "report", "x.h5"], ["report", "x.h5", "--debug"]):
        code, text, complaint = call(*words)
        assert (code, text) == (1, "") and "Traceback" in complaint and 'raise ZeroDivisionError("of' in complaint
    for odd in (KeyError(), ValueError(), MemoryError(), RecursionError("deep"), SystemExit(0), GeneratorExit()):
        monkeypatch.setattr("pinnkit.cli.jobs.opened", lambda *_, odd=odd: (_ for _ in ()).throw(odd))
        code, text, complaint = call("report", "x.h5")
        assert code in (1, 2) and text == "" and complaint.count("\n") == 1 and "--debug" in complaint, complaint


WHERE = """
import signal, sys
class At:
    def find_spec(self, name, *rest):
        if name == sys.argv[1]:
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, At())
from pinnkit.cli import main
main(["plot", "missing.h5"])
"""


@pytest.mark.skipif(os.name == "nt", reason="signals differ")
@pytest.mark.parametrize("module", ["pinnkit.cli.solve", "typer", "pinnkit.cli.jobs", "rich.console"])
def test_an_interrupt_while_modules_are_loaded_leaves_no_traceback(module: str) -> None:
    done = subprocess.run([sys.executable, "-c", WHERE, module], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (130, "") and "Traceback" not in done.stderr


def test_the_package_itself_loads_next_to_nothing() -> None:
    """Before that a command cannot hear Ctrl-C."""
    code = "import sys\nbefore = set(sys.modules)\nimport pinnkit.cli\nprint(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert set(done.stdout.split()) <= {"pinnkit", "pinnkit.cli", "importlib", "importlib._bootstrap",
                                        "importlib._bootstrap_external", "warnings", "_warnings"}  # fmt: skip


def test_nonsense_about_a_run_gets_one_sentence(call: Call) -> None:
    assert call("solve", "burgers", *QUICK, "--quiet", "--out", "x.h5", "--time-limit", "0")[0] == 0
    for words, sentence in (
        (["export", "x.h5", "--derivative", ""], "--derivative '': give the name of a derivative, as u_x"),
        (["export", "x.h5", "--derivative", "u_"], "'u_': the fields are u, their derivatives like u_x"),
        (["export", "x.h5", "--nodes", "9999999999999"], "nodes would need 4 PB of memory"),
        (["export", "x.h5", "--vector", "v=u,u_x", "--vector", "v=u,u"], "--vector v=u,u: v is given twice"),
        (["influence", "x.h5", "--of", "u@x=0,x=0"], "--of u@x=0,x=0: a point x=0: x is given twice"),
        (["influence", "x.h5", "--of", "u@x=0,t=0.1,x=1"], "x is given twice"),
        (["influence", "x.h5", "--of", "u@x=nan,t=0.1"], "--of u@x=nan,t=0.1"),
        (["influence", "x.h5", "--of", "loss:"], "--of loss:: ask about u@x="),
        (["influence", "x.h5", "--of", ""], "--of : ask about u@x="),
        (["influence", "x.h5", "--damping", "nan"], "--damping nan: give a positive number"),
        (["error", "x.h5", "--seed", "99999999999999999999999"], "Invalid value for '--seed'"),
        (["influence", "x.h5", "--of", "loss", "--out", "x.h5"], "x.h5 is the run itself, which would be lost"),
        (["certify", "x.h5", "--out", "./x.h5"], "x.h5 is the run itself, which would be lost"),
        (["correct", "x.h5", "--out", "x.h5"], "x.h5 is the run itself, which would be lost"),
    ):
        code, text, complaint = call(*words)
        assert (code, text, complaint.count("\n")) == (2, "", 1) and sentence in complaint, complaint


def test_a_run_that_could_not_be_saved_ends_in_failure(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write, path = hdf5.write, Path("o/x.h5").resolve()

    def gone(target: Path, *arguments: object) -> Path:
        if Path(target).resolve() == path and path.exists():
            raise OSError("the folder is gone")
        return write(target, *arguments)

    monkeypatch.setattr(hdf5, "write", gone)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code, text, complaint = call("solve", "diffusion", *QUICK, "--quiet", "--out", "o/x.h5")
    assert code == 2 and "in o/x.h5" not in text
    said = complaint.splitlines()[-1]
    assert said.startswith("not saved: the folder is gone; it is in ")
    assert pk.load(said.rpartition(" ")[2]).progress.done
