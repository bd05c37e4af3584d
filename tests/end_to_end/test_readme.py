"""README and pages: blocks run and print what they say; links, commands, public names and figures lead to something."""

import ast
import inspect
import os
import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

import pinnkit as pk
from pinnkit.cli import explain, read, solve  # noqa: F401  # commands put themselves into the app
from pinnkit.cli.app import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY")] + sorted((ROOT / "docs").glob("*.md"))
COMMANDS = typer.main.get_command(app).commands
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_readme_is_short():
    assert len(README.split()) <= 900 and README.count("![") <= 2
    assert len((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()) <= 60


def test_a_source_distribution_holds_all_pages():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    held = settings["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert {page.relative_to(ROOT).parts[0] for page in PAGES} <= set(held)
    assert all((ROOT / name).exists() for name in held)


def test_python_prints_what_the_readme_says(capsys: pytest.CaptureFixture):
    names: dict = {}
    for block in blocks(README, "python"):
        exec(compile(block, "README.md", "exec"), names)
    printed, said = capsys.readouterr().out, "".join(blocks(README, "text"))
    assert NUMBER.sub("#", printed) == NUMBER.sub("#", said) and "#" in NUMBER.sub("#", said)
    for here, there in zip(NUMBER.findall(printed), NUMBER.findall(said), strict=True):
        assert float(there) / 10 <= float(here) <= float(there) * 10, printed  # rounding differs, the size does not


def test_commands_run(call: Callable[..., tuple[int, str, str]]):
    lines = [line.partition("#")[0].split() for block in blocks(README, "sh") for line in block.splitlines()]
    assert ["make", "test"] in lines
    for program, *words in lines:
        if program == "make":  # environments take minutes and a network: make says what it would run
            clean = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
            done = subprocess.run(["make", "-n", *words], cwd=ROOT, capture_output=True, text=True, env=clean)
            assert done.returncode == 0 and done.stdout, done.stderr
        else:
            assert program == "pinnkit"
            code, printed, complaint = call(*words)
            assert code == 0 and printed, complaint


every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@every_page
def test_links_and_paths_lead_to_files(page: Path):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        assert "://" in target or (page.parent / target).exists(), target
    for path in re.findall(r"`((?:pinnkit|tests|docs|data|notebooks|problems|benchmarks)/[\w/.]*)`", text):
        assert re.search("[A-Z]{4}", path) or (ROOT / path).exists(), path  # but for a NAME that stands for any
    for module in re.findall(r"python -m (benchmarks[\w.]*)", text):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


@every_page
def test_names_and_commands_are_those_of_the_package(page: Path):
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"\bpk\.([A-Za-z]\w*)", text)) <= set(pk.__all__)
    calls = [n for b in blocks(text, "python") for n in ast.walk(ast.parse(b)) if isinstance(n, ast.Call)]
    for node in calls:  # pk.NAME(..., key=...): the page may not run, but the arguments are there
        if isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "pk":
            given = {k.arg: None for k in node.keywords if k.arg is not None}
            inspect.signature(getattr(pk, node.func.attr)).bind_partial(*node.args, **given)
    shell = [line.partition(" #")[0] for block in blocks(text, "sh") for line in block.splitlines()]
    for line in [*shell, *re.findall(r"`(pinnkit [^`]+)`", text)]:
        program, name, *words = line.split()
        if program == "pinnkit" and name != "--help":
            known = {o for p in COMMANDS[name].params for o in (*p.opts, *p.secondary_opts)}
            assert {w for w in words if w.startswith("--")} <= known, line


def test_figures_are_those_of_the_benchmarks():
    rows = re.findall(r"^\| .* \| ([\w.^+-]+) \| `python -m benchmarks\.\w+\.(\w+).*` \|$", README, re.MULTILINE)
    assert len(rows) == README.count("`python -m benchmarks.") >= 10
    for number, name in rows:
        pages = [*(ROOT / "benchmarks").rglob(f"{name.rstrip('s')}*.md")]
        found = re.compile(rf"(?<![\d.]){re.escape(number)}(?![\d.]\d|\d)")
        assert any(found.search(page.read_text(encoding="utf-8")) for page in pages), (number, name)
