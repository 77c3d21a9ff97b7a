"""The operator graph that frontends produce: what a framework says, before it becomes populations and projections."""

from neuro_deploy.graph.graph import Graph, Node
from neuro_deploy.graph.operators import LIF, BatchNorm, Dense, Input, Operator, Readout

__all__ = ["LIF", "BatchNorm", "Dense", "Graph", "Input", "Node", "Operator", "Readout"]
