"""Settings as JSON and back: dataclasses and functions that are registered by name, and nothing else."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from importlib import import_module
from typing import Any, ClassVar, NoReturn, Protocol, TypeVar, runtime_checkable

import numpy as np

Thing = TypeVar("Thing", bound=Callable[..., Any])
_KNOWN: dict[str, Callable[..., Any]] = {}  # what a file may name: classes and functions that registered themselves
ROOMS = "network.", "training.", "exact."  # where what files may name is; a file loads nothing of others
_MAKERS: dict[str, Callable[..., Any]] = {}  # of a class with ``to_json``: what takes its entries back


@runtime_checkable
class ToJson(Protocol):
    """What says itself how a file holds it: entries that the class, or the maker it is registered with, takes back."""

    def to_json(self) -> Mapping[str, Any]:
        """The entries by name."""


def register(thing: Thing, maker: Callable[..., Any] | None = None) -> Thing:
    """Let files name this class or function, so that a run that uses it can be saved, loaded and resumed.

    A file never holds code: it holds the name and the settings, and what is registered in the reading process under
    that name is called with them. Works as a decorator.

    Args:
        thing: a dataclass (a network, feature map, optimiser, resampler, score ...), whose fields are its settings; a
            class with a method ``to_json() -> dict`` and, unless ``maker`` is given, a constructor that takes the
            entries of that dict; or a function. Registering a class of the same name and module again replaces it.
        maker: called with the entries of ``to_json()``, returns the object.

    Returns:
        The thing itself.

    Raises:
        TypeError: neither a function nor such a class.
        ValueError: a name that something else has already.

    Example:
        >>> import pinnkit as pk
        >>> from dataclasses import dataclass
        >>> @pk.register
        ... @dataclass(frozen=True)
        ... class Halving:
        ...     every: int = 10
        >>> pk.register(Halving) is Halving
        True
    """
    name = getattr(thing, "__name__", "")
    if not callable(thing) or not name or (isinstance(thing, type) and not (
        is_dataclass(thing) or issubclass(thing, ToJson))):  # fmt: skip
        raise TypeError(f"register: {thing!r} is neither a function, nor a dataclass, nor a class with to_json()")
    other = _known(name)
    if other is not None and (other.__module__, other.__qualname__) != (thing.__module__, thing.__qualname__):
        raise ValueError(f"register: the name {name} is taken by {other.__module__}.{other.__qualname__}: rename it")
    _KNOWN[name] = thing
    if maker is not None:
        _MAKERS[name] = maker
    return thing


def registered() -> dict[str, Callable[..., Any]]:
    """What is registered in this process so far, by name."""
    return dict(_KNOWN)


def _known(name: str) -> Callable[..., Any] | None:
    root = import_module(__package__.partition(".")[0])  # whose table of names loads nothing
    home = (root.PUBLIC | root.NAMED).get(name, "")
    if name not in _KNOWN and home.startswith(ROOMS):
        import_module(f"{root.__name__}.{home}")  # from the package's own list: a file's text is only looked up in it
    return _KNOWN.get(name)


@dataclass(frozen=True)
class Unsaved:
    """Stands for something that is not registered: its name, and of a dataclass its settings."""

    name: str
    settings: Any = None
    stands_in: ClassVar[bool] = True  # checks of arguments let it through

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        """Raises ValueError: there is nothing to call."""
        raise ValueError(f"a file names {self.name}, which is not registered here: call pk.register({self.name})")


def encode(value: Any) -> Any:
    """Numbers, text, sequences, mappings, known dataclasses and functions as JSON; the rest as ``Unsaved``."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [encode(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): encode(v) for k, v in value.items()}
    known = _KNOWN.get(type(value).__name__) is type(value)
    if known and isinstance(value, ToJson):
        return {"class": type(value).__name__} | encode(value.to_json())
    if known and is_dataclass(value):
        settings = {f.name: encode(getattr(value, f.name)) for f in fields(value)}
        return {"class": type(value).__name__} | settings
    if isinstance(value, Unsaved):
        return {"class": "Unsaved", "name": value.name, "settings": encode(value.settings)}
    name = getattr(value, "__name__", type(value).__name__)
    if _KNOWN.get(name) is value:
        return {"class": "function", "name": name}
    own = is_dataclass(value) and not isinstance(value, type)
    held = {f.name: encode(getattr(value, f.name)) for f in fields(value)} if own else None
    return {"class": "Unsaved", "name": name, "settings": held}


def decode(data: Any) -> Any:
    """The value that ``encode`` was given, sequences as tuples.

    Raises:
        ValueError: a class or function that this pinnkit does not know, or settings that it does not take.
    """
    try:
        return _decoded(data)
    except (TypeError, KeyError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        raise ValueError(f"a file holds settings that this pinnkit does not write: {error}") from error


def _decoded(data: Any) -> Any:
    if isinstance(data, list):
        return tuple(_decoded(v) for v in data)
    if not isinstance(data, Mapping):
        return data
    settings = {k: _decoded(v) for k, v in data.items() if k != "class"}
    if "class" not in data:
        return settings
    name = settings["name"] if data["class"] in ("function", "Unsaved") else data["class"]
    thing = _known(name)
    if data["class"] == "Unsaved":
        own = settings.get("settings")
        return Unsaved(name, own) if thing is None else thing if own is None else thing(**own)
    if thing is None:
        raise ValueError(
            f"{name} is not known here: the file was written by another version, or with a class of one's own "
            f"(define it and call pk.register({name}), then load)"
        )
    if data["class"] == "function":
        return thing
    with warnings.catch_warnings():  # files of before hold settings by the names that they had then
        warnings.simplefilter("ignore", DeprecationWarning)
        return _MAKERS.get(name, thing)(**settings)


def missing(value: Any) -> list[str]:
    """The names of all ``Unsaved`` things in settings."""
    if isinstance(value, Unsaved):
        return [value.name]
    if isinstance(value, Mapping):
        value = list(value.values())
    elif is_dataclass(value):
        value = [getattr(value, f.name) for f in fields(value)]
    return [name for v in value for name in missing(v)] if isinstance(value, (list, tuple)) else []
