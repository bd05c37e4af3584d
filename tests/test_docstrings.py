"""Docstrings of the public names stand alone: every argument, result and error is named, and the examples run."""

import ast
import doctest
import inspect
import textwrap
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import pinnkit

ROOT = Path(__file__).parents[1]
SHAPES = ("(P,)", "(M,)", "(n,", "(K,", "(N_k,)", "(P, P)", "(M, M)", "(M, P)", "(R, N)", "(K, N_k)", "(terms,)")
DIALECT = (" of one's own", "what it takes", " asked ", "so many ")


def _modules() -> list[tuple[str, ModuleType]]:
    """Public names that are modules: pictures, scores."""
    return [(name, getattr(pinnkit, name)) for name in pinnkit.MODULES]


def names() -> Iterator[tuple[str, Any]]:
    """All public callables by name: functions, classes, and the public methods of these."""
    modules = [(f"{home}.{name}", getattr(module, name)) for home, module in _modules() for name in module.__all__]
    alone = [(name, getattr(pinnkit, name)) for name in sorted(set(pinnkit.PUBLIC) - set(pinnkit.MODULES))]
    for name, thing in alone + modules:
        if not callable(thing):  # a value: STOP
            continue
        yield name, thing
        if not inspect.isclass(thing):
            continue
        for key in dir(thing):
            value = inspect.getattr_static(thing, key)
            method = getattr(value, "__func__", value)
            if not key.startswith("_") and inspect.isfunction(method) and method.__module__.startswith("pinnkit"):
                yield f"{name}.{key}", method


CALLABLES = dict(names())


def section(text: str, title: str) -> str | None:
    """The lines under a title of a docstring; None where there is no such title."""
    lines = text.split("\n")
    if f"{title}:" not in lines:
        return None
    rest = lines[lines.index(f"{title}:") + 1 :]
    end = next((i for i, line in enumerate(rest) if line and not line.startswith(" ")), len(rest))
    return "\n".join(rest[:end])


def raises(thing: Callable[..., Any]) -> bool:
    """Whether the text of a function, or of the making of an instance, raises an error by itself."""
    parts = [thing]
    if inspect.isclass(thing):
        parts = [vars(thing)[key] for key in ("__init__", "__post_init__") if key in vars(thing)]
    found = False
    for part in parts:
        try:
            text = textwrap.dedent(inspect.getsource(inspect.unwrap(part)))
        except OSError:  # the constructor that a dataclass makes
            continue
        found |= any(isinstance(node, ast.Raise) and node.exc is not None for node in ast.walk(ast.parse(text)))
    return found


def _speaks(name: str, signature: inspect.Signature) -> bool:
    """Whether the result needs a word: that of a function, tensors, and collections."""
    kind = str(signature.return_annotation)
    if "Iterator[None]" in kind or signature.return_annotation is None:
        return False
    return "." not in name or "Tensor" in kind or kind.startswith(("tuple[", "dict[", "list["))


def faults(name: str, thing: Any) -> list[str]:
    """What a docstring lacks."""
    text = inspect.getdoc(thing) or ""
    if not text:
        return [f"{name} has no docstring"]
    signature = inspect.signature(thing)
    parameters = [p for p in signature.parameters if not p.startswith("_") and p not in ("self", "cls")]
    told = (section(text, "Args") or "") + (section(text, "Attributes") or "")
    found = [f"{name}: {p} is not explained" for p in parameters if f"\n    {p}: " not in "\n" + told]
    more = [line.split(":")[0].strip() for line in told.split("\n") if line[:4] == " " * 4 and line[4:5].strip()]
    found += [f"{name}: it has no parameter {p}" for p in more if p not in parameters]
    if raises(thing) and section(text, "Raises") is None:
        found.append(f"{name}: its errors are not named")
    first = text.split("\n\n")[0]
    if not first.endswith((".", ":", "``.")) or len(first) > 240:
        found.append(f"{name}: one sentence first, which ends with a full stop")
    returns = section(text, "Returns") or section(text, "Yields")
    told_first = any(mark in first for mark in SHAPES)
    if inspect.isfunction(thing) and parameters and returns is None and _speaks(name, signature) and not told_first:
        found.append(f"{name}: the result and its shape are not told")
    return found + [f"{name}: {word.strip()!r} is no plain English" for word in DIALECT if word in text]


@pytest.mark.parametrize("name", sorted(CALLABLES))
def test_a_public_docstring_names_arguments_results_and_errors(name: str) -> None:
    assert faults(name, CALLABLES[name]) == []


def test_the_check_sees_what_is_missing() -> None:
    def bare(n: int, low: float) -> tuple[int, float]:
        """n and low.

        Args:
            n: a number.
            m: another one.
        """
        raise ValueError(n)

    assert faults("bare", bare) == [
        "bare: low is not explained", "bare: it has no parameter m", "bare: its errors are not named",
        "bare: the result and its shape are not told",
    ]  # fmt: skip


def examples() -> dict[str, doctest.DocTest]:
    """All examples of the package by name, each once."""
    found = {}
    for path in sorted((ROOT / "pinnkit").rglob("*.py")):
        if ">>> " not in path.read_text():
            continue
        module = import_module(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
        found |= {t.name: t for t in doctest.DocTestFinder().find(module) if t.examples}
    return found


EXAMPLES = examples()


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_the_example_of_a_docstring_runs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    test = EXAMPLES[name]
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    told: list[str] = []
    runner.run(test, out=told.append)
    assert not runner.failures, "".join(told)


def test_what_users_call_has_an_example() -> None:
    with_example = {
        name for name in set(pinnkit.PUBLIC) - set(pinnkit.MODULES)
        if section(inspect.getdoc(getattr(pinnkit, name)) or "", "Example")
    }  # fmt: skip
    assert len(with_example) >= 60, sorted(set(pinnkit.PUBLIC) - with_example)
