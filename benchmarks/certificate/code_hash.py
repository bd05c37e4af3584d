"""What the certificates' code is known by: results that other code has found are made anew.

Words do not count: docstrings, the sentences of errors, where things are imported from, and how files are named.
"""

import ast
import hashlib
from pathlib import Path

from benchmarks.common import ROOT

ROOM = ROOT / "pinnkit" / "certificate"
FILES = ("proof_file.py",)  # nothing that a bound depends on


class _Plain(ast.NodeTransformer):
    def visit_Import(self, node: ast.Import) -> None:
        """Without."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Without."""

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """Without its sentence."""
        return ast.copy_location(ast.Pass(), node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """A docstring is nothing."""
        return ast.copy_location(ast.Pass(), node) if isinstance(node.value, ast.Constant) else node


def plain(text: str) -> str:
    """A module's code alone."""
    return ast.unparse(_Plain().visit(ast.parse(text)))


def code(*more: Path) -> str:
    """A hash of the certificates' room, and of ``more`` files."""
    files = [f for f in (*ROOM.rglob("*.py"), *more) if f.name not in FILES]
    parts = [*(plain(f.read_text()) for f in files), *(f.read_text() for f in ROOM.rglob("*.c"))]
    return hashlib.sha256("\0".join(sorted(parts)).encode()).hexdigest()[:16]
