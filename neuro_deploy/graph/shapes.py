"""The shape of every node's value."""

from __future__ import annotations

import math

from neuro_deploy.errors import UnsupportedError
from neuro_deploy.graph.graph import Graph, Node
from neuro_deploy.graph.operators import Add, Axial, Axis, Concat, Conv2d, Dense, Input, Mean

Shape = tuple[int, ...]


def shapes(graph: Graph) -> dict[str, Shape]:
    """name -> (channels, height, width) or (neurons,).

    Raises:
        UnsupportedError: an operator whose inputs do not fit it.
    """
    known: dict[str, Shape] = {}
    for node in graph.nodes:
        known[node.name] = _shape(node, [known[name] for name in node.inputs])
    return known


def axis_size(shape: Shape, axis: Axis) -> int:
    """Positions along an axis."""
    if len(shape) == 1:
        return shape[0] if axis == "channel" else 1
    return {"channel": shape[0], "height": shape[1], "width": shape[2], "space": shape[1] * shape[2]}[axis]


def _shape(node: Node, inputs: list[Shape]) -> Shape:
    operator = node.operator
    if isinstance(operator, Input):
        return operator.shape if len(operator.shape) == 3 else (math.prod(operator.shape),)
    several = isinstance(operator, Add | Concat)
    if not inputs or (len(inputs) > 1 and not several):
        raise UnsupportedError(f"has {len(inputs)} inputs", where=node.name)
    if isinstance(operator, Add) and len(set(inputs)) > 1:
        raise UnsupportedError(f"adds values of shapes {', '.join(map(str, inputs))}", where=node.name)
    if isinstance(operator, Concat):
        if len({shape[1:] for shape in inputs}) > 1:
            raise UnsupportedError(f"joins values of shapes {', '.join(map(str, inputs))}", where=node.name)
        return (sum(shape[0] for shape in inputs), *inputs[0][1:])
    if isinstance(operator, Dense | Conv2d | Axial):
        return _weighted(node, operator, inputs[0])
    if isinstance(operator, Mean):
        return inputs[0][:1]
    return inputs[0]


def _weighted(node: Node, operator: Dense | Conv2d | Axial, shape: Shape) -> Shape:
    weight = operator.weight.shape
    wanted = math.prod(shape)
    if isinstance(operator, Conv2d):
        wanted = shape[0]
    elif isinstance(operator, Axial):
        wanted = axis_size(shape, operator.axis)
    flat = len(shape) != 3 and not isinstance(operator, Dense)
    if flat or weight[1] != wanted or operator.bias.shape != weight[:1]:
        raise UnsupportedError(
            f"has weights of shape {weight} and biases of shape {operator.bias.shape}, and is fed a value of {shape}",
            where=node.name,
        )
    if isinstance(operator, Dense):
        return weight[:1]
    if isinstance(operator, Conv2d):
        size = [(shape[1 + i] + 2 * operator.padding[i] - weight[2 + i]) // operator.stride[i] + 1 for i in (0, 1)]
        return (weight[0], *size)
    if operator.axis == "space" and weight[0] != weight[1]:
        raise UnsupportedError("weights over the whole space must keep its size", where=node.name)
    place = {"channel": 0, "height": 1, "width": 2}.get(operator.axis)
    return shape if place is None else (*shape[:place], weight[0], *shape[place + 1 :])
