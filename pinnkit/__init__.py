"""pinnkit: physics-informed models, trained, explained and certified."""

import sys
from importlib import import_module

TYPE_CHECKING = False  # typing takes longer to load than all of this, and Ctrl-C is not heard meanwhile
if TYPE_CHECKING:
    from typing import Any

    from .api import *  # noqa: F401, F403

__version__ = "0.1.0"
_BEFORE_MODULES = ("error_map", "problem", "report", "uncertainty")  # functions that stand before modules of their name


class _Package(type(sys)):
    """Public names come from ``api`` at their first use: the command line's help need not wait for torch."""

    def __getattr__(self, name: str) -> "Any":
        if name == "__all__":  # of an import of *
            return dir(self)
        if name.startswith("__"):
            raise AttributeError(name)
        from importlib.util import find_spec

        if name not in _BEFORE_MODULES and find_spec(f"{__name__}.{name}"):
            return import_module(f"{__name__}.{name}")
        names = vars(import_module(f"{__name__}.api"))
        if name.startswith("_") or name not in names:
            raise AttributeError(f"pinnkit has no attribute {name!r}")
        return vars(self).setdefault(name, names[name])

    def __setattr__(self, name: str, value: "Any") -> None:
        if not (name in _BEFORE_MODULES and isinstance(value, type(sys))):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted(n for n in vars(import_module(f"{__name__}.api")) if not n.startswith("_"))


sys.modules[__name__].__class__ = _Package
