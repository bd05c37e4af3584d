"""Long commands end by SIGTERM with status 143 and go on later: a quick part of the campaign."""

from pathlib import Path

import pytest

from benchmarks.safety import kills, terms

KINDS = ("influence", "solve")


@pytest.mark.parametrize("kind", KINDS)
def test_a_command_that_is_ended_goes_on_in_the_same_bits(kind: str, tmp_path: Path) -> None:
    with kills.inside(tmp_path):
        case = terms.cases(tmp_path, {kind: terms.commands()[kind]})
        for seed in range(1, 9):  # one may have come to its end just before it was told to
            found = case(seed)
            assert found["result"] == "fine" and found["kind"].startswith(kind), found
            if found["what"].endswith(("(143)", "(-15)")):
                return
    pytest.fail(f"none of 8 was ended before its end: {found}")
