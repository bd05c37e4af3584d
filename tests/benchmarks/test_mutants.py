"""Mutants are drawn, applied and judged as they should be."""

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.safety import mutants
from benchmarks.safety.mutants import drawn, judged, page, trial
from benchmarks.safety.mutations import applied, changes
from benchmarks.safety.reached import digest, reach

TEXT = '''"""A module."""

LIMIT = 3.0 * 2


def area(a: float, b: float = 2.0) -> float:
    """Twice the area."""
    if a < 0 or b < 0:
        raise ValueError(f"negative: {a + b}")
    sides = [a, b]
    return 2 * max(sides[0], 0.0) * sides[1] - (a ** 2 if a > LIMIT else 0)
'''


def test_every_kind_of_change_is_found_and_errors_and_text_are_left_alone() -> None:
    found = changes("area.py", TEXT)
    news = {(m.old, m.new) for m in found}
    assert {
        ("3.0", "4.5"), ("2.0", "3.0"), ("a < 0", "a >= 0"), ("sides[0]", "sides[-1]"), ("sides[1]", "sides[0]"),
        ("a ** 2", "(a)"), ("max(sides[0], 0.0)", "min(sides[0], 0.0)"), ("a > LIMIT", "a <= LIMIT"),
        ("2 * max(sides[0], 0.0) * sides[1]", "(2 * max(sides[0], 0.0)) / (sides[1])"),
    } <= news  # fmt: skip
    assert not any("negative" in m.old or "module" in m.old or "Twice" in m.old for m in found)
    assert len({applied(TEXT, m) for m in found}) == len(found)
    for m in found:
        compile(applied(TEXT, m), "area.py", "exec")
        assert TEXT.encode()[m.start : m.end].decode() == m.old and TEXT.splitlines()[m.line - 1].strip() == m.text
    moved = changes("area.py", TEXT.replace("\n\nLIMIT", "\n\n\n\nLIMIT"))
    assert [m.name for m in moved] == [m.name for m in found] and moved[0].line == found[0].line + 2


def test_a_draw_is_its_seed_and_goes_on() -> None:
    files = ("statement/symbolic/channels", "tools/damped_solve", "error/estimator")
    few, more, other = drawn(12, 0, files), drawn(30, 0, files), drawn(12, 1, files)
    assert few == more[:12] and few != other and len(set(more)) == 30
    assert {m.file for m in more} == {f"pinnkit/{name}.py" for name in files}
    assert len(Counter(m.kind for m in more)) >= 6
    missing = [name for name in mutants.TESTS if not (mutants.ROOT / "pinnkit" / f"{name}.py").exists()]
    lost = {t for tests in mutants.TESTS.values() for t in tests if not (mutants.ROOT / "tests" / f"{t}.py").exists()}
    assert not missing and not lost


def test_a_trial_kills_what_a_test_sees_and_puts_the_text_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pinnkit").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "pinnkit" / "area.py").write_text(TEXT)
    (tmp_path / "setup.cfg").write_text("[tool:pytest]\nmarkers = slow: never\n")
    load = "import runpy\narea = runpy.run_path('pinnkit/area.py')['area']\n"
    test = tmp_path / "tests" / "test_area.py"
    test.write_text(load + "def test_area():\n    assert area(1.0, 3.0) == 6\n")
    monkeypatch.setitem(mutants.TESTS, "area", ("test_area",))
    by = {(m.old, m.new): m for m in changes("pinnkit/area.py", TEXT)}
    seen, unseen = by["sides[1]", "sides[0]"], by["3.0", "4.5"]
    rows = {m.name: trial(m, tmp_path, tmp_path / "reach") for m in (seen, unseen)}
    assert rows[seen.name]["state"] == "killed" and "test_area" in rows[seen.name]["by"]
    assert rows[unseen.name]["state"] == "survived" and (tmp_path / "pinnkit" / "area.py").read_text() == TEXT
    monkeypatch.setattr(mutants, "equivalent", lambda: {unseen.name: "only beyond the limit"})
    assert [state for _, state, _ in judged([seen, unseen], rows)] == ["killed", "equivalent"]
    text = page([seen, unseen], rows)
    assert "1 of 1 that change something are killed (100%), 1 change nothing" in text
    assert "only beyond the limit" in text
    test.write_text(load + "def test_area():\n    assert area(1.0, 3.0) == 7\n")
    row = trial(seen, tmp_path, tmp_path / "reach")
    assert row["state"] == "survived" and row["tests"] == 0  # what fails without the change does not count


def test_only_the_tests_that_reach_a_line_are_run(tmp_path: Path) -> None:
    (tmp_path / "pinnkit").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "pinnkit" / "two.py").write_text("def f():\n    return 1\n\n\ndef g():\n    return 2\n")
    (tmp_path / "setup.cfg").write_text("[tool:pytest]\nmarkers = slow: never\n")
    text = "import runpy\nimport pytest\nNAMES = runpy.run_path('pinnkit/two.py')\n"
    text += "@pytest.fixture(scope='module')\ndef two():\n    return NAMES['g']()\n"
    text += "def test_f():\n    assert NAMES['f']() == 1\ndef test_g(two):\n    assert two == 2\n"
    text += "def test_h(two):\n    pass\n"
    (tmp_path / "tests" / "test_two.py").write_text(text)
    found = reach(tmp_path, "tests/test_two.py", tmp_path / "reach")
    file, known = "pinnkit/two.py", digest(tmp_path / "pinnkit" / "two.py")
    f, g, h = (f"tests/test_two.py::test_{name}" for name in "fgh")
    assert set(found.seconds) == {f, g, h}
    assert found.tests(file, 2, known) == {f}
    assert found.tests(file, 6, known) == {f, g, h}  # a fixture's line belongs to all that may share it
    assert found.tests(file, 2, "changed") == {f, g, h} and found.tests("pinnkit/other.py", 1, known) == set()
    again = reach(tmp_path, "tests/test_two.py", tmp_path / "reach")
    assert again.tests(file, 2, known) == {f} and len(list((tmp_path / "reach").iterdir())) == 1
