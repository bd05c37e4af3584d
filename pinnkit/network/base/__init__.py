"""What a network, its features, its evaluator and one evaluation must be: the abstract classes to subclass."""

from .adapted import evaluator, periodic
from .evaluator import Evaluator, Pass, Pool
from .network import FeatureEvaluator, FeatureMap, Network

__all__ = ["Evaluator", "FeatureEvaluator", "FeatureMap", "Network", "Pass", "Pool", "evaluator", "periodic"]
