"""The operator graph that frontends produce: what a framework says, before it becomes populations and projections."""

from neuro_deploy.graph.graph import Graph, Node
from neuro_deploy.graph.operators import (
    LIF,
    Add,
    Axial,
    Axis,
    BatchNorm,
    Concat,
    Conv2d,
    Dense,
    Input,
    Mean,
    Operator,
    Readout,
    Scale,
)

__all__ = [
    "LIF",
    "Add",
    "Axial",
    "Axis",
    "BatchNorm",
    "Concat",
    "Conv2d",
    "Dense",
    "Graph",
    "Input",
    "Mean",
    "Node",
    "Operator",
    "Readout",
    "Scale",
]
