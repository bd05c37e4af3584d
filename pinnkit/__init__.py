"""pinnkit: physics-informed models, trained, explained and certified."""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import *  # noqa: F403

__version__ = "0.1.0"


class _Package(ModuleType):
    """Public names come from ``api`` at their first use: the command line's help need not wait for torch."""

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__"):
            names = vars(import_module(".api", __name__))
            if name in names and not name.startswith("_"):
                return vars(self).setdefault(name, names[name])
            if name in vars(self):  # a module that was loaded just now
                return vars(self)[name]
        raise AttributeError(f"pinnkit has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        # The functions pinnkit.problem and pinnkit.report stand before the modules of these names.
        if not (name in ("problem", "report") and isinstance(value, ModuleType)):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*vars(self), *(n for n in vars(import_module(".api", __name__)) if n[0] != "_")})


sys.modules[__name__].__class__ = _Package
