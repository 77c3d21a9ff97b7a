"""Checkpoint of a spiking MLP -> Graph."""

from __future__ import annotations

import itertools
import operator

from neuro_deploy.errors import FormatError
from neuro_deploy.frontends.checkpoint import Checkpoint, stored_input
from neuro_deploy.graph import LIF, BatchNorm, Dense, Graph, Node, Readout
from neuro_deploy.numerics.registers import MAX_WIDTH

BATCH_NORM_EPS = 1e-5
"""torch's default, which the model uses."""
BATCH_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def mlp_graph(checkpoint: Checkpoint, timesteps: int | None = None) -> Graph:
    """The operators of a SpikingMLP. timesteps: overrides what it was trained with.

    Nodes: ``input``, ``fc1.linear``, ``fc1.bn``, ``fc1.lif``, ..., ``readout.linear``, ``readout``.

    Raises:
        FormatError: another model, a broken configuration, or tensors that do not fit it.
    """
    if checkpoint.model != "mlp":
        raise FormatError(f"holds a {checkpoint.model!r}; this version converts 'mlp'", where=str(checkpoint.path))
    try:
        widths = [operator.index(n) for n in checkpoint.config["widths"]]
        neuron = LIF(float(checkpoint.config["tau"]), float(checkpoint.config["v_threshold"]))
        steps = operator.index(checkpoint.config["timesteps"]) if timesteps is None else timesteps
        entry = stored_input(checkpoint)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FormatError(f"configuration is broken: {error!r}", where=str(checkpoint.path)) from error
    if len(widths) < 2 or not all(1 <= width <= MAX_WIDTH for width in widths):
        raise FormatError(f"widths are {widths}; two or more, each 1 to {MAX_WIDTH:,}", where=str(checkpoint.path))
    checkpoint.refuse_unknown(_tensor_names(len(widths) - 2))
    nodes = [Node("input", entry)]
    for index, (inputs, outputs) in enumerate(itertools.pairwise(widths), start=1):
        last = index == len(widths) - 1
        layer = "readout" if last else f"fc{index}"
        weight = checkpoint.tensor(f"{layer}.linear.weight", (outputs, inputs))
        dense = Dense(weight, checkpoint.tensor(f"{layer}.linear.bias", (outputs,)))
        nodes.append(Node(f"{layer}.linear", dense, (nodes[-1].name,)))
        if last:
            nodes.append(Node(layer, Readout(), (nodes[-1].name,)))
        else:
            nodes.append(Node(f"{layer}.bn", _batch_norm(checkpoint, f"{layer}.bn", outputs), (nodes[-1].name,)))
            nodes.append(Node(f"{layer}.lif", neuron, (nodes[-1].name,)))
    return Graph(tuple(nodes), steps)


def _tensor_names(hidden: int) -> set[str]:
    layers = [f"fc{index}" for index in range(1, hidden + 1)]
    linear = {f"{layer}.linear.{key}" for layer in [*layers, "readout"] for key in ("weight", "bias")}
    return linear | {f"{layer}.bn.{key}" for layer in layers for key in BATCH_NORM}


def _batch_norm(checkpoint: Checkpoint, name: str, size: int) -> BatchNorm:
    gamma, beta, mean, var = (
        checkpoint.tensor(f"{name}.{key}", (size,)) for key in ("weight", "bias", "running_mean", "running_var")
    )
    if var.min() < 0:
        raise FormatError("holds a negative variance", where=f"{checkpoint.path}:{name}.running_var")
    return BatchNorm(gamma, beta, mean, var, BATCH_NORM_EPS)
