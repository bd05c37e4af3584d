"""All public names of the package, which pinnkit itself loads at the first use of one."""

# ruff: noqa: F401
# flake8: noqa: F401

from . import scores
from .balance import Balance, gradient_balance, ntk_balance
from .catalogue import from_file, problem
from .certificate.certify import Certificate, certify
from .condition import Dirichlet, Initial, Neumann, Observations, Operator, Periodic, PointSet, Robin, normals
from .conservation import divergence
from .correction import correct
from .deepxde_model import from_deepxde
from .domain import Box
from .draws import draw
from .equation import coordinates, derivatives, field
from .error_map import ErrorMap
from .error_search import error_map
from .expression import function
from .fluid import dissipation, drag, flux, force, lift, measure, pressure_difference, vorticity
from .geometry import Geometry
from .influence.attribution import Influence
from .influence.curvature import Curvature, curvature
from .influence.functional import Error, Field, Function, Integral, Loss, Unknown, at, integral, test_loss
from .influence.map_file import load_map, save_map
from .influence.response import Response, response
from .influence.result import Attribution, Stationarity
from .influence.retrain import Retrained, retrain
from .influence.summary import Comparison, Indicators, compare, indicators
from .influence.validation import Validation, validate
from .interop import deepxde_precision, to_deepxde
from .inversion import Inversion
from .lie.flow import Flow, flow
from .lie.generator import Generator
from .lie.normal_form import NormalForm
from .lie.numerical import NumericalFlow
from .lie.orbit import Orbit, orbits
from .lie.seed import Seed, seeds
from .lie.symmetry import Symmetries, symmetries
from .linearised import Linearised
from .log_distance import LogDistance
from .mesh import Mesh
from .module import Module
from .network import MLP, Fourier, Harmonics, ModifiedMLP, Oscillation
from .optim import LBFGS, SOAP, Adam, LevenbergMarquardt, SSBroyden
from .plan import Recipe
from .points import Points, sample
from .problem import Problem
from .reference import Computed, Exact, Table
from .report import Report, report
from .resample import R3, Resample, rad, rar_d, rar_g, residual_score, uniform
from .residual import Model, Stack
from .runfile import load, save
from .settings import homes, register
from .solution import Solution
from .superpose.chart import heat_forms
from .superpose.family import Family
from .superpose.response import data_response
from .superpose.solver import closed_form, solve_lie
from .train import resume, solve
from .uncertainty import Uncertainty, uncertainty
from .vtk import export_points, export_vtk
from .wake import Wake, load_wake
from .windows import March, march

homes(
    {
        "Superposition": "pinnkit.superpose.network", "ColeHopf": "pinnkit.superpose.cole_hopf",
    }
)  # fmt: skip
