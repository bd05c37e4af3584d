"""What can change in a program: one operator, constant, index, comparison, term or call at a time."""

import ast
from dataclasses import dataclass

SIGNS = {ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.FloorDiv: "/", ast.MatMult: "*"}
COMPARISONS = {ast.Lt: ">=", ast.LtE: "<", ast.Gt: "<=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
               ast.In: "not in", ast.NotIn: "in", ast.Is: "is not", ast.IsNot: "is"}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change of one file: the source's span (characters) and what stands there instead."""

    file: str
    line: int
    kind: str
    start: int
    end: int
    old: str
    new: str
    text: str

    @property
    def name(self) -> str:
        """The file, the line's text and the change in it, without the line's number, which moves as the file grows."""
        return f"{self.file}: {self.text} | {' '.join(self.old.split())} -> {' '.join(self.new.split())}"

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.kind}: {_short(self.old)} -> {_short(self.new)}"


def _short(text: str, most: int = 70) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 3]}..."


class _Changes(ast.NodeVisitor):
    """All changes of the expressions within functions: (kind, node, text instead)."""

    def __init__(self, text: str) -> None:
        self.found: list[tuple[str, ast.AST, str]] = []
        self.raw, self.depth, self.starts = text.encode(), 0, [0]
        for line in self.raw.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))

    def span(self, node: ast.AST) -> tuple[int, int]:
        return self.starts[node.lineno - 1] + node.col_offset, self.starts[node.end_lineno - 1] + node.end_col_offset

    def source(self, node: ast.AST) -> str:
        start, end = self.span(node)
        return self.raw[start:end].decode()

    def add(self, kind: str, node: ast.AST, new: str) -> None:
        if self.depth:
            self.found.append((kind, node, new))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.depth += 1
        for part in (*node.args.defaults, *filter(None, node.args.kw_defaults), *node.body):
            if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant)):  # no docstring
                self.visit(part)
        self.depth -= 1

    def visit_Raise(self, node: ast.Raise) -> None:
        """What an error says is no mathematics."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Nor is any other text."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        inside, self.depth = self.depth, self.depth + (isinstance(node.value, ast.Constant | ast.BinOp | ast.UnaryOp))
        self.visit(node.value)  # constants of the module count too
        self.depth = inside
        for target in node.targets:
            self.visit(target)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        left, right = self.source(node.left), self.source(node.right)
        sign = SIGNS.get(type(node.op))
        if sign and not isinstance(node.left, ast.JoinedStr):
            self.add("sign" if sign in "+-" else "operator", node, f"({left}) {sign} ({right})")
        if isinstance(node.op, ast.Add | ast.Sub):
            self.add("dropped term", node, f"({left})")
            self.add("dropped term", node, f"(-({right}))" if isinstance(node.op, ast.Sub) else f"({right})")
        elif isinstance(node.op, ast.Mult | ast.Div):
            self.add("dropped factor", node, f"({left})")
        elif isinstance(node.op, ast.Pow):
            self.add("dropped power", node, f"({left})")
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.USub | ast.Not | ast.Invert):
            self.add("sign", node, f"({self.source(node.operand)})")
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        if len(node.ops) == 1:
            new = COMPARISONS[type(node.ops[0])]
            self.add("comparison", node, f"{self.source(node.left)} {new} {self.source(node.comparators[0])}")
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        other = " or " if isinstance(node.op, ast.And) else " and "
        self.add("comparison", node, "(" + other.join(f"({self.source(v)})" for v in node.values) + ")")
        self.add("dropped term", node, "(" + self.source(node.values[0]) + ")")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self.add("constant", node, str(not node.value))
        elif isinstance(node.value, int):
            self.add("constant", node, str(node.value + 1))
        elif isinstance(node.value, float):
            self.add("constant", node, repr(node.value * 1.5 if node.value else 1.0))

    def visit_Subscript(self, node: ast.Subscript) -> None:
        index = node.slice
        if isinstance(index, ast.Constant) and isinstance(index.value, int):
            self.add("index", node, f"{self.source(node.value)}[{-1 if index.value == 0 else index.value - 1}]")
            self.visit(node.value)
        elif isinstance(index, ast.Slice) and index.step is None and (index.lower is None) != (index.upper is None):
            low, high = (self.source(part) if part else "" for part in (index.lower, index.upper))
            self.add("index", node, f"{self.source(node.value)}[{high}:{low}]")
            self.generic_visit(node)
        else:
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Attribute):
            owner = self.source(node.func.value)
            if owner not in ("torch", "np", "math", "sp", "self"):
                self.add("dropped call", node, f"({owner})")
        elif isinstance(node.func, ast.Name) and node.func.id in ("max", "min"):
            other = {"max": "min", "min": "max"}[node.func.id]
            self.add("dropped call", node, other + self.source(node)[3:])
        elif len(node.args) == 1 and not node.keywords and not isinstance(node.args[0], ast.GeneratorExp | ast.Starred):
            self.add("dropped call", node, f"({self.source(node.args[0])})")
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call):
            self.add("dropped call", node.value, "None")
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        target, value = self.source(node.target), self.source(node.value)
        sign = {ast.Add: "-=", ast.Sub: "+=", ast.Mult: "/=", ast.Div: "*="}.get(type(node.op))
        if sign:
            self.add("sign", node, f"{target} {sign} {value}")
        if isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.Div):
            self.add("dropped term", node, "pass")
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        one, test, other = (f"({self.source(part)})" for part in (node.body, node.test, node.orelse))
        self.add("comparison", node, f"({other} if {test} else {one})")
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        if not any(isinstance(part, ast.Raise) for part in node.body):  # refusals have tests of their own words
            self.add("comparison", node.test, f"not ({self.source(node.test)})")
        self.generic_visit(node)


def changes(file: str, text: str) -> list[Mutant]:
    """All mutants of a file's text that are other programs and that Python can read."""
    visitor = _Changes(text)
    visitor.visit(ast.parse(text))
    lines = text.splitlines()
    found: dict[tuple[int, int, str], Mutant] = {}
    for kind, node, new in visitor.found:
        (start, end), old = visitor.span(node), visitor.source(node)
        if _tree(old) != _tree(new):
            mutant = Mutant(file, node.lineno, kind, start, end, old, new, lines[node.lineno - 1].strip())
            found.setdefault((start, end, _tree(new)), mutant)
    return list(found.values())


def _tree(part: str) -> str:
    """What Python reads in an expression or a statement, whatever its brackets."""
    try:
        return ast.dump(ast.parse(f"({part})", mode="eval"))
    except SyntaxError:
        return ast.dump(ast.parse(part))


def applied(text: str, mutant: Mutant) -> str:
    """The text with the change made."""
    raw = text.encode()
    return (raw[: mutant.start] + mutant.new.encode() + raw[mutant.end :]).decode()
