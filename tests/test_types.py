"""What a user's type checker sees: every attribute of a public class has a type."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "pinnkit"
CLASSES = [
    (path, node)
    for path in sorted(PACKAGE.rglob("*.py"))
    for node in ast.walk(ast.parse(path.read_text()))
    if isinstance(node, ast.ClassDef)
]


def declared(node: ast.ClassDef) -> set[str]:
    """Names that the body of a class, or of a base class in the package, gives a type."""
    own = {s.target.id for s in node.body if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)}
    own |= {s.name for s in node.body if isinstance(s, ast.FunctionDef)}
    bases = {ast.unparse(base).split("[")[0].split(".")[-1] for base in node.bases}
    return own.union(*(declared(other) for _, other in CLASSES if other.name in bases and other is not node))


def undeclared(node: ast.ClassDef) -> set[str]:
    """Public attributes that methods assign without a type: neither the class nor an argument that they are has one."""
    found, known = set(), declared(node)
    for method in (s for s in node.body if isinstance(s, ast.FunctionDef)):
        typed = {a.arg for a in (*method.args.args, *method.args.kwonlyargs) if a.annotation}
        for statement in ast.walk(method):
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Attribute):
                known.add(statement.target.attr)
            if not isinstance(statement, ast.Assign) or ast.unparse(statement.value) in typed:
                continue
            targets = [part for whole in statement.targets for part in getattr(whole, "elts", [whole])]
            found |= {t.attr for t in targets if isinstance(t, ast.Attribute) and ast.unparse(t.value) == "self"}
    return {name for name in found - known if not name.startswith("_")}


def test_attributes_of_public_classes_have_types() -> None:
    missing = {f"{path.stem}.{node.name}": names for path, node in CLASSES if (names := undeclared(node))}
    assert {name: names for name, names in missing.items() if not name.split(".")[1].startswith("_")} == {}
