"""Functions that make a value of a class with some settings of their own, and take all its others by name."""

import inspect
import typing
from collections.abc import Callable
from dataclasses import fields, replace
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from .checked import checked

Settings = ParamSpec("Settings")
Value = TypeVar("Value")


def preset(kind: Callable[Settings, Value], *fixed: str) -> Callable[[Callable[[], Value]], Callable[Settings, Value]]:
    """For a function without arguments, whose value is a dataclass: it then takes the class's fields by name.

    They stand in its signature, with the value's own as defaults, and in its docstring as the class explains them.
    Fields that are ``fixed`` cannot be given.
    """

    def taking(function: Callable[[], Value]) -> Callable[Settings, Value]:
        own: Any = function()
        hints = typing.get_type_hints(kind, include_extras=True)
        defaults = {f.name: getattr(own, f.name) for f in fields(own) if f.name not in fixed}

        made: Any = wraps(function)(lambda **settings: replace(own, **settings))
        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters = [inspect.Parameter(n, keyword, default=d, annotation=hints[n]) for n, d in defaults.items()]
        made.__signature__ = inspect.Signature(parameters, return_annotation=kind)
        made.__annotations__ = {n: hints[n] for n in defaults} | {"return": kind}
        made.__doc__ = _explained(inspect.getdoc(function) or "", inspect.getdoc(kind) or "", own, defaults)
        return checked(made)

    return taking


def _explained(text: str, about: str, own: Any, defaults: dict[str, Any]) -> str:
    """The function's docstring with the arguments of the class, before the first of its own sections."""
    usual = {f.name: f.default for f in fields(own)}
    entries: dict[str, list[str]] = {}
    name = ""
    for line in about.partition("Args:\n")[2].partition("\n\n")[0].split("\n"):
        name = name if line.startswith(" " * 5) else line.partition(":")[0].strip()
        entries.setdefault(name, []).append(line)
    lines = ["Args:"]
    for name, default in defaults.items():
        lines += entries[name]
        if default != usual[name]:
            lines[-1] += f" Here {getattr(default, '__name__', repr(default))}."
    first, _, rest = text.partition("\n\nReturns:")
    return "\n".join([first, "", *lines]) + ("\n\nReturns:" + rest if rest else "")
