"""One partial differential equation a file; each is a function that returns a pinnkit.Problem."""

import importlib
import sys
import types


class _Problems(types.ModuleType):
    """``problems.heat`` is the function, whether or not the file of that name has been imported."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            importlib.import_module(f"{self.__name__}.{name}")
        except ModuleNotFoundError as error:
            raise AttributeError(f"there is no problem {name!r}") from error
        return vars(self)[name]

    def __setattr__(self, name: str, value: object) -> None:
        same = isinstance(value, types.ModuleType) and hasattr(value, name)
        super().__setattr__(name, getattr(value, name) if same else value)


sys.modules[__name__].__class__ = _Problems
