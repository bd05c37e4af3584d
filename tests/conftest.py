"""What several test files share: the command line, called in an empty folder."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pinnkit.cli import main


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
