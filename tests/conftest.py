"""What several test files share: the command line, called in an empty folder."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from pinnkit.cli import main

# Of draws that differ from run to run a failure is nobody's change: `HYPOTHESIS_PROFILE=fresh` looks for new ones.
settings.register_profile("steady", derandomize=True)
settings.register_profile("fresh")
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Draws that name no generator are the same in any order of the tests."""
    torch.manual_seed(0)


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
