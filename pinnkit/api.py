"""All public names of the package, which pinnkit itself loads at the first use of one."""

from .catalogue import from_file as from_file, problem as problem
from .condition import (
    Dirichlet as Dirichlet,
    Initial as Initial,
    Neumann as Neumann,
    Observations as Observations,
    Operator as Operator,
    Periodic as Periodic,
    PointSet as PointSet,
    Robin as Robin,
    normals as normals,
)
from .domain import Box as Box
from .equation import coordinates as coordinates, derivatives as derivatives, field as field
from .expression import function as function
from .geometry import Geometry as Geometry
from .interop import deepxde_precision as deepxde_precision, to_deepxde as to_deepxde
from .module import Module as Module
from .network import MLP as MLP, Fourier as Fourier, Harmonics as Harmonics, ModifiedMLP as ModifiedMLP
from .optim import (
    LBFGS as LBFGS,
    SOAP as SOAP,
    Adam as Adam,
    LevenbergMarquardt as LevenbergMarquardt,
    SSBroyden as SSBroyden,
)
from .points import Points as Points, sample as sample
from .problem import Problem as Problem
from .reference import Computed as Computed, Exact as Exact, Table as Table
from .report import Report as Report, report as report
from .resample import (
    R3 as R3,
    Resample as Resample,
    draw as draw,
    rad as rad,
    rar_d as rar_d,
    rar_g as rar_g,
    residual_score as residual_score,
    uniform as uniform,
)
from .residual import Model as Model, Stack as Stack
from .runfile import load as load, save as save
from .solution import Solution as Solution
from .train import Recipe as Recipe, resume as resume, solve as solve
