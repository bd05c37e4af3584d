"""Long work says where it is: a moving line in a terminal, lines in a log, nothing where nobody asked."""

import io
import sys

import pytest

import pinnkit as pk
from pinnkit.tools import progress


def test_stages_are_lines_in_a_log(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "SECONDS", 0.0)
    progress.stage("before")
    with progress.working("work", True):
        progress.stage("first")
        with pytest.raises(KeyError), progress.working("other", True):
            progress.stage("inner")
            raise KeyError
        progress.stage("second")
    progress.stage("after")
    assert capsys.readouterr().err.splitlines() == ["work  first", "other  inner", "work  second"]


def test_lines_wait_for_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.working("work", True):
        progress.stage("at once")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("show", [None, False])
def test_nothing_is_said_where_nobody_asked(show: bool | None, capsys: pytest.CaptureFixture[str]) -> None:
    with progress.working("work", show):
        progress.stage("first")
    assert capsys.readouterr().err == ""


def test_a_terminal_shows_name_and_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with progress.working("work"):
        progress.stage("the first stage")
    assert "work" in screen.getvalue() and "the first stage" in screen.getvalue()


def test_certificates_say_where_they_are(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "SECONDS", 0.0)
    problem = pk.problem("diffusion")
    model = pk.Model(problem, pk.MLP(2, 3, 1), True)
    solution = pk.Solution(model, model.initial(0), pk.Points({}))
    pk.certify(solution, enclosed=True, corrected=False, progress=True)
    said = capsys.readouterr().err
    assert all(text in said for text in ("what is missed", "cells looked at", "a barrier, from the time"))
