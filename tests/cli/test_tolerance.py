"""Runs with a tolerance, and corrections as stages, from a shell."""

from collections.abc import Callable

import pinnkit as pk

Call = Callable[..., tuple[int, str, str]]


def test_a_tolerance_is_climbed_to(call: Call) -> None:
    given = ["solve", "diffusion", "--network", "10,10", "--points", "pde=200", "--tolerance", "1e-5", "--out", "d.h5"]
    code, text, said = call(*given)
    assert code == 0 and "estimated error" in said and pk.load("d.h5").errors()["u"]["relative_l2"] < 1e-5
    assert call(*given, "--resume")[0] == 0
    for more, sentence in (
        (["--resume", "--tolerance", "1e-9"], "begun with tolerance 1e-05"),
        (["--overwrite", "--stages", "adam:5"], "leave stages out"),
        (["--overwrite", "--windows", "3"], "windows have none"),
        (["--overwrite", "--correct"], "corrects as it goes"),
    ):
        code, _, error = call(*given, *more)
        assert code == 2 and sentence in error, error


def test_a_correction_is_a_stage_in_words(call: Call) -> None:
    code, _, said = call(
        "solve", "diffusion", "--network", "8", "--points", "pde=100", "--stages", "adam:30,ssbroyden:30,correct",
        "--resample", "none",
    )  # fmt: skip
    assert code == 0 and "Correct: correction in the tangent space" in said
