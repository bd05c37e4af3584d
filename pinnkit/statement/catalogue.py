"""Problems by name or from a user's file: found, listed, called, also with arguments typed in a shell."""

import ast
import difflib
import importlib
import importlib.util
import inspect
import sys
import types
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pinnkit.tools.checked import checked

if TYPE_CHECKING:  # torch and sympy are slow to load, and a list of names needs neither
    from .problem import Problem

PACKAGE = "pinnkit._problems"  # the name under which the folder's files are loaded, so that "problems" stays free
_ORIGINS: "weakref.WeakKeyDictionary[Problem, Mapping[str, Any]]" = weakref.WeakKeyDictionary()


def folder() -> Path:
    """The folder ``problems`` of the installed package, or of the checkout around it."""
    package = Path(__file__).parents[1]
    for place in (package / "_shipped" / "problems", package.parent / "problems"):
        if place.is_dir():
            return place
    raise ValueError("the folder of problems is missing: install pinnkit anew, or run from a checkout")


@dataclass(frozen=True)
class Entry:
    """A problem of the catalogue: its name, one line about it, its arguments with their defaults as text."""

    name: str
    summary: str
    arguments: Mapping[str, str | None] = field(default_factory=dict)


def entries() -> list[Entry]:
    """The catalogue, by name: every file NAME.py that has a function NAME; no file is executed."""
    found = [_entry(path) for path in sorted(folder().glob("*.py"))]
    return [entry for entry in found if entry is not None]


@cache
def _entry(path: Path) -> Entry | None:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    constants = {ast.unparse(n.targets[0]): ast.unparse(n.value) for n in body if isinstance(n, ast.Assign)}
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name == path.stem:
            arguments = {k: None if v is None else constants.get(v, v) for k, v in _arguments(node).items()}
            return Entry(node.name, (ast.get_docstring(node) or "").partition("\n")[0], arguments)
    return None


def _arguments(node: ast.FunctionDef) -> dict[str, str | None]:
    names = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
    late = [ast.unparse(d) for d in node.args.defaults]
    arguments: dict[str, str | None] = dict.fromkeys(names[: len(names) - len(late)])
    arguments |= dict(zip(names[len(names) - len(late) :], late, strict=True))
    for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        arguments[a.arg] = None if d is None else ast.unparse(d)
    return arguments


def names() -> list[str]:
    """The names of the problems in the catalogue."""
    return [entry.name for entry in entries()]


@checked
def problem(name: str, **arguments: Any) -> "Problem":
    """A problem of the catalogue.

    Args:
        name: its name; a wrong one gives an error that lists all.
        arguments: its parameters, by name.

    Returns:
        The problem.

    Raises:
        ValueError: an unknown name or argument.

    Example:
        >>> import pinnkit as pk
        >>> pk.problem("burgers").field_names
        ('u',)
    """
    return find_problem(name)(**arguments)


def stored(name: str, arguments: Mapping[str, Any], where: str | Path) -> "Problem":
    """The problem of the catalogue that a run file names; ValueError as :meth:`Maker.stored`."""
    return listed(name).stored(arguments, where)


@checked
def from_file(path: str | Path, **arguments: Any) -> "Problem":
    """The problem that a Python file states; the file is executed.

    The file has a function ``problem``, or one function that returns a Problem, or a Problem called ``problem``.

    Args:
        path: the file.
        arguments: arguments of that function, by name.

    Returns:
        The problem.

    Raises:
        ValueError: a missing or failing file, none or several problems in it, an unknown argument.

    Example:
        >>> import pinnkit as pk
        >>> from importlib.resources import files
        >>> pk.from_file(files("problems") / "burgers.py", nu=0.2).parameters
        {'nu': 0.2}
    """
    return _in_file(Path(path))(**arguments)


def find_problem(target: str) -> "Maker":
    """What makes a problem: of the catalogue, or of a file where the target ends in .py; raises as those."""
    return _in_file(Path(target)) if target.endswith(".py") else listed(target)


def listed(name: str) -> "Maker":
    """What makes a problem of the catalogue's own list, and nothing else; ValueError for an unknown name."""
    path = {path.stem: path for path in folder().glob("*.py")}.get(name)
    if path is None or _entry(path) is None:
        known = names()
        raise ValueError(
            f"there is no problem {name!r}{_hint(str(name), known)}: give a FILE.py or one of {', '.join(known)}"
        )
    if PACKAGE not in sys.modules:  # a bare package, so that siblings can be imported and no __init__ runs
        package = types.ModuleType(PACKAGE)
        package.__path__ = [str(folder())]
        sys.modules[PACKAGE] = package
    return Maker(getattr(importlib.import_module(f"{PACKAGE}.{name}"), name), {"catalogue": name})


def origin(problem: "Problem") -> Mapping[str, Any] | None:
    """Where it came from: {"catalogue": name} or {"file": path}, with its "arguments"; None if unknown."""
    if problem in _ORIGINS:
        return _ORIGINS[problem]
    return {"catalogue": problem.name, "arguments": problem.arguments} if problem.name in names() else None


def remember(problem: "Problem", source: Mapping[str, Any]) -> None:
    """Keep where a problem came from, as ``origin`` says it."""
    _ORIGINS[problem] = source


def is_listed(problem: "Problem") -> bool:
    """Whether it was made by the catalogue, of numbers and texts alone: name and arguments then make it anew."""
    source = _ORIGINS.get(problem, {})
    return "catalogue" in source and not listed(source["catalogue"]).files(source["arguments"])


@dataclass(frozen=True)
class Maker:
    """A function that returns a problem, and where it was found."""

    function: Callable[..., "Problem"]
    origin: Mapping[str, str]

    @property
    def label(self) -> str:
        """The name or file, for sentences."""
        return next(iter(self.origin.values()))

    def __call__(self, **arguments: Any) -> "Problem":
        """The problem; ValueError for arguments that the function does not take or lacks."""
        from .problem import Problem

        self._check(arguments)
        try:
            made = self.function(**arguments)
        except Exception as error:
            if isinstance(error, ValueError) or "file" not in self.origin:
                raise
            raise ValueError(f"{self.label} fails: {_where(error, Path(self.label))}") from error
        if not isinstance(made, Problem):
            raise ValueError(f"{self.label}: {self.function.__name__}() returned {type(made).__name__}, "
                             "expected a pinnkit.Problem")  # fmt: skip
        _ORIGINS[made] = {**self.origin, "arguments": arguments or made.arguments}
        return made

    def stored(self, arguments: Mapping[str, Any], where: str | Path) -> "Problem":
        """The problem with arguments that the file ``where`` holds, which decide nothing but numbers and names.

        Raises:
            ValueError: an unknown argument, or one that is the path of a file: such a problem must be given.
        """
        if not isinstance(arguments, Mapping):
            raise ValueError(f"{where} holds {arguments!r} for the problem's arguments: expected names and values")
        for name in self.files(arguments):
            raise ValueError(
                f"{where} solves {self.label} with the file {arguments[name]!r}, which is not opened by itself: give "
                f"problem=pinnkit.problem(...) with {name}={arguments[name]!r} to load, in a shell --set {name}=..."
            )
        from pinnkit.tools.hdf5 import as_written

        with as_written(where, "pinnkit.save"):
            return self(**arguments)

    def files(self, arguments: Mapping[str, Any]) -> list[str]:
        """The arguments that are paths of files."""
        known = inspect.signature(self.function).parameters.items()
        return [n for n, p in known if p.annotation in (Path, Path | None) and arguments.get(n)]

    def parse(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """Arguments typed as text: numbers, true or false, else the text itself.

        Raises:
            ValueError: an argument that the function does not take, or text where its default is a number.
        """
        self._check(texts, complete=False)
        parameters = inspect.signature(self.function).parameters
        return {name: _typed(name, text, parameters.get(name)) for name, text in texts.items()}

    def _check(self, arguments: Mapping[str, Any], complete: bool = True) -> None:
        parameters = inspect.signature(self.function).parameters
        if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            return
        takes = ", ".join(parameters) or "no arguments"
        for name in arguments:
            if name not in parameters:
                raise ValueError(f"{self.label} has no argument {name!r}{_hint(name, parameters)}: it takes {takes}")
        lacking = [n for n, p in parameters.items() if p.default is p.empty and p.kind is not p.VAR_POSITIONAL]
        lacking = [n for n in lacking if n not in arguments]
        if complete and lacking:
            raise ValueError(f"{self.label} needs the argument {lacking[0]!r}: it takes {takes}")


def _hint(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, list(known), 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _typed(name: str, text: str, parameter: inspect.Parameter | None) -> Any:
    value = _value(text)
    default = None if parameter is None else parameter.default
    if isinstance(default, str):
        return text
    if isinstance(default, bool) != isinstance(value, bool) and isinstance(default, (bool, int, float)):
        raise ValueError(f"{name}={text}: expected {'true or false' if isinstance(default, bool) else 'a number'}")
    if isinstance(default, (int, float)) and isinstance(value, str):
        raise ValueError(f"{name}={text}: expected a number, as {default:g}")
    return value


def _value(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _in_file(path: Path) -> Maker:
    module = _execute(path)
    made = {"file": str(path.resolve())}
    stated = getattr(module, "problem", None)
    if stated is not None and not inspect.isroutine(stated):
        return Maker(lambda: stated, made)
    own = {n: f for n, f in vars(module).items() if inspect.isfunction(f) and f.__module__ == module.__name__}
    named = {n: f for n, f in own.items() if n == "problem"}
    annotated = {n: f for n, f in own.items() if _returns_problem(f)}
    rest = {n: f for n, f in own.items() if not n.startswith("_") and "return" not in f.__annotations__}
    found = named or annotated or rest
    if len(found) != 1:
        what = f"several problems ({', '.join(found)})" if found else "no problem"
        raise ValueError(
            f"{path} states {what}: expected a function `problem`, one function that returns a pinnkit.Problem, "
            "or a Problem called `problem`"
        )
    return Maker(next(iter(found.values())), made)


def _returns_problem(function: Callable) -> bool:
    returned = function.__annotations__.get("return")
    text = returned if isinstance(returned, str) else getattr(returned, "__name__", "")
    return text.rpartition(".")[2] == "Problem"


def _execute(path: Path) -> types.ModuleType:
    if not path.is_file():
        raise ValueError(f"there is no file {path}: give a Python file with a problem, or one of {', '.join(names())}")
    name = f"_pinnkit_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is not a Python file: expected FILE.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _on_path(path.resolve().parent):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ValueError(f"{path} cannot be executed: {_where(error, path)}") from error
    return module


@contextmanager
def _on_path(place: Path) -> Iterator[None]:
    """Lets a file import its neighbours, after all else: one called wave.py must not shadow a library."""
    sys.path.append(str(place))
    try:
        yield
    finally:
        sys.path.remove(str(place))


def _where(error: BaseException, path: Path) -> str:
    line = error.lineno if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        line = trace.tb_lineno if Path(trace.tb_frame.f_code.co_filename).resolve() == path.resolve() else line
        trace = trace.tb_next
    text = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {text}" + (f" (line {line})" if line else "")
