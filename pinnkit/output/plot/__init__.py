"""Pictures of solutions, flows, influence and certificates: each draws on the Axes that it is given, or on new ones."""

from .certificate import plot_certificate
from .error import error_figure, plot_corrected, plot_error, plot_error_map, plot_unseen
from .fluid import plot_flow, plot_pressure, plot_streamlines, plot_vorticity
from .history import plot_history
from .indicators import (
    plot_comparison,
    plot_directionality,
    plot_indicator,
    plot_participation,
    plot_term_fractions,
)
from .influence import plot_influence, plot_leverage, plot_map, plot_self_influence, plot_terms
from .layout import save_picture
from .solution import plot_field, plot_points, plot_rounds, plot_slices
from .summary import figures, plot_summary

__all__ = [
    "error_figure", "figures", "plot_certificate", "plot_comparison", "plot_corrected", "plot_directionality",
    "plot_error", "plot_error_map", "plot_field", "plot_flow", "plot_history", "plot_indicator", "plot_influence",
    "plot_leverage", "plot_map", "plot_participation", "plot_points", "plot_pressure", "plot_rounds",
    "plot_self_influence", "plot_slices", "plot_streamlines", "plot_summary", "plot_term_fractions", "plot_terms",
    "plot_unseen", "plot_vorticity", "save_picture",
]  # fmt: skip
