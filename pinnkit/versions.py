"""The versions that a result depends on."""

import platform
from importlib.metadata import PackageNotFoundError, version


def versions() -> dict[str, str]:
    """Versions of Python, pinnkit and the libraries that compute."""
    found = {"python": platform.python_version()}
    for name in ("pinnkit", "torch", "numpy", "scipy", "sympy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found
