"""What several test files share: the command line, called in an empty folder."""

import gc
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import trained
from hypothesis import settings

import pinnkit as pk
from pinnkit.cli import main

# Of draws that differ from run to run a failure is nobody's change: `HYPOTHESIS_PROFILE=fresh` looks for new ones.
settings.register_profile("steady", derandomize=True)
settings.register_profile("fresh")
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


LONG = Path(__file__).with_name("long.txt")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of long.txt; its every line must name one, where whole files are collected."""
    lines = {line for line in LONG.read_text().splitlines() if line and not line.startswith("#")}
    names = {item: f"{item.path.relative_to(LONG.parent).as_posix()}::{item.name}" for item in items}
    for item, name in names.items():
        if lines & {name, name.split("[")[0]}:
            item.add_marker(pytest.mark.long)
    files = {name.split("::")[0] for name in names.values()}
    met = {*names.values(), *(name.split("[")[0] for name in names.values())}
    lost = sorted(line for line in lines if line.split("::")[0] in files and line not in met)
    if lost and not any("::" in argument for argument in config.args):
        raise pytest.UsageError(f"tests/long.txt names tests that are not there: {', '.join(lost)}")


def pytest_collection_finish() -> None:
    """The collector of garbage need not look at all tests and at SymPy again and again: a seventh of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Draws that name no generator are the same in any order of the tests."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def burgers() -> pk.Solution:
    """A small trained model with three terms."""
    return trained.burgers()


@pytest.fixture(scope="session")
def system() -> pk.Solution:
    """A small trained system with an unknown coefficient."""
    return trained.system()


@pytest.fixture(params=["burgers", "system"])
def solution(request: pytest.FixtureRequest) -> pk.Solution:
    """Either of them."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def call(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """Run a command in an empty folder: the exit code, what it printed, what it complained of."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(list(words))
        return left.value.code, *capsys.readouterr()

    return run
