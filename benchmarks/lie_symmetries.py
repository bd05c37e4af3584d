"""Lie point symmetries found from the equations: dimensions against known ones, closed flows, time."""

import time

from pinnkit.lie.flow import flow
from pinnkit.lie.symmetry import symmetries

from .common import BLUE, figure, options, publish, table
from .lie_equations import EQUATIONS, system

QUICK = ("heat 1D", "Burgers", "Black-Scholes", "wave 1D")


def once(name: str) -> dict:
    """Symmetries and flows of one equation, with CPU seconds."""
    equations, fields = system(name)
    start = time.process_time()
    found = symmetries(equations, fields)
    middle = time.process_time()
    closed = [flow(v) is not None for v in found if v.fibred]
    return {
        "dimension": found.known, "listed": len(found), "families": len(found.families),
        "closed_flows": sum(closed), "flows": len(closed),
        "symmetries_s": middle - start, "flows_s": time.process_time() - middle,
    }  # fmt: skip


def main() -> None:
    """Every equation once; what is wrong is said."""
    quick = options(__doc__).quick
    names = QUICK if quick else tuple(EQUATIONS)
    once(names[0])
    found = {name: once(name) for name in names}
    rows, wrong = [], []
    for name, r in found.items():
        _, dimension, listed = EQUATIONS[name]
        if (r["dimension"], r["listed"]) != (dimension, listed):
            wrong.append(f"- {name}: MISSED, {dimension} known, {listed} listed")
        size = "infinite" if r["dimension"] is None else r["dimension"]
        rows.append([
            name, size, r["listed"], r["families"], f"{r['closed_flows']} of {r['flows']}",
            f"{r['symmetries_s']:.2f}", f"{r['flows_s']:.2f}",
        ])  # fmt: skip
    head = ["equation", "dimension", "listed", "with f", "closed flows", "symmetries, CPU s", "flows, CPU s"]
    text = "\n\n".join([
        table(head, rows),
        "u d/du is counted, the superposition of linear equations is not. Parameters stay symbols. \"with f\" are "
        "generators with an arbitrary function. Every generator is verified by its prolongation, every flow by the "
        "group law at 40 digits; both are in the times.",
        "\n".join(wrong) or "All dimensions are those of the literature.",
    ])  # fmt: skip
    drawing, ax = figure(size=(6.4, 0.22 * len(found) + 0.8))
    ax.barh(list(found), [r["symmetries_s"] for r in found.values()], color=BLUE)
    ax.set(xlabel="seconds of CPU", xscale="log")
    ax.invert_yaxis()
    publish("lie_symmetries", "Lie point symmetries", text, {"results": found}, drawing, quick)


if __name__ == "__main__":
    main()
