"""State dict of a Mixer-SNN -> Graph. Nodes bear the names of the official modules."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from neuro_deploy.frontends.mixer_config import MixerConfig, Place
from neuro_deploy.frontends.mixer_keys import Shape, tensor_shapes
from neuro_deploy.graph import LIF, Add, Axial, BatchNorm, Concat, Conv2d, Dense, Graph, Input, Mean, Node, Readout
from neuro_deploy.graph.operators import Axis, FloatArray, Operator

BATCH_NORM_EPS = 1e-5
"""torch's default, which the models use."""


class Tensors(Protocol):
    """Where a graph's numbers come from."""

    def tensor(self, name: str, shape: Shape) -> FloatArray:
        """The tensor of that official key and shape, float64, finite; an error otherwise."""


def mixer_graph(config: MixerConfig, tensors: Tensors, entry: Input, timesteps: int) -> Graph:
    """The operators of a Mixer-SNN.

    Nodes: ``input``; ``to_patch_embedding.0.0`` (weights), ``.0.1`` (its batch norm), ``to_patch_embedding_lif.0``,
    ...; ``batch_norm`` or ``head_lif``; ``mlp_head.0`` (mean), ``mlp_head.1``, ``readout``. What is added or joined
    ends in ``.sum``, ``.shared``, ``.concat``, ``.node2``, ``.node3``; a sum that several nodes need is made once.

    Raises:
        FormatError: tensors that are missing, or of other shapes.
    """
    builder = _Builder(config, tensors)
    last = builder.add("input", entry)
    places = list(config.mixers())
    for stage in range(config.stages):
        h = builder.embedding(stage, last)
        last, before = builder.fire(f"to_patch_embedding_lif.{stage}", h), None
        for place in places:
            if place.stage == stage:
                last, before = builder.mixer(place, last, h, before)
    builder.head(last)
    return Graph(tuple(builder.nodes), timesteps)


class _Builder:
    """Adds nodes in execution order; each method returns the name of its last node."""

    def __init__(self, config: MixerConfig, tensors: Tensors) -> None:
        self.config = config
        self.tensors = tensors
        self.shapes = tensor_shapes(config)
        self.nodes: list[Node] = []
        self.neuron = LIF(config.tau, config.v_threshold)

    def add(self, name: str, operator: Operator, *inputs: str) -> str:
        self.nodes.append(Node(name, operator, inputs))
        return name

    def read(self, key: str) -> FloatArray:
        return self.tensors.tensor(key, self.shapes[key])

    def fire(self, name: str, source: str) -> str:
        return self.add(name, self.neuron, source)

    def norm(self, name: str, source: str, axis: Axis = "channel") -> str:
        gamma, beta, mean, var = (
            self.read(f"{name}.{key}") for key in ("weight", "bias", "running_mean", "running_var")
        )
        return self.add(name, BatchNorm(gamma, beta, mean, var, BATCH_NORM_EPS, axis), source)

    def convolution(self, name: str, source: str, stride: int = 1, padding: int = 0) -> str:
        """A convolution without bias, ``name.0``, and its batch norm, ``name.1``."""
        weight = self.read(f"{name}.0.weight")
        operator = Conv2d(weight, np.zeros(len(weight)), (stride, stride), (padding, padding))
        return self.norm(f"{name}.1", self.add(f"{name}.0", operator, source))

    def linear(self, name: str, source: str, axis: Axis) -> str:
        """Weights (out, in), stored with further axes of one element by convolutions, along an axis."""
        weight = self.read(f"{name}.weight")
        return self.add(name, Axial(axis, weight.reshape(weight.shape[:2]), self.read(f"{name}.bias")), source)

    def sum(self, name: str, *terms: str | None) -> str:
        """The sum of what there is; of one term, the term itself."""
        there = [term for term in terms if term is not None]
        return there[0] if len(there) == 1 else self.add(name, Add(), *there)

    def embedding(self, stage: int, source: str) -> str:
        """A stage's patch state h."""
        name = f"to_patch_embedding.{stage}"
        if stage == 0:
            return self.convolution(name, source, self.config.patch_size)
        if self.config.patch == "partition":
            return self.convolution(name, source, 2)
        n1, n2, n3 = (self.convolution(f"{name}.cell2node.{node}", source, 2, 1) for node in range(3))
        edge = self.convolution(f"{name}.node1_node2", self.fire(f"{name}.lif.0", n1), 1, 1)
        n2 = self.sum(f"{name}.node2", n2, edge)
        edge = self.convolution(f"{name}.node2_node3", self.fire(f"{name}.lif.1", n2), 1, 1)
        n3 = self.sum(f"{name}.node3", n3, n1, edge)
        return self.add(name, Concat(), n1, n2, n3)

    def mixer(self, place: Place, source: str, h: str, before: str | None) -> tuple[str, str]:
        """before: the channel block's state of the mixer before. Returns the mixer's spikes, and its own such state."""
        skip, index = self.config.skip, place.index
        token = self.token(index, source)
        skipped = h if "PT" in skip or place.first else None
        before = before if "CT" in skip else None
        shared = token
        if skipped is not None and {"PC", "TC"} <= skip:
            name = f"token_mix.{index}.sum" if before is None else f"token_mix.{index}.shared"
            shared, skipped = self.sum(name, h, token), None
        state = self.sum(f"token_mix.{index}.sum", skipped, shared, before)
        channel = self.channel(index, self.fire(f"token_mix_lif.{index}", state))
        if shared != token:
            total = self.sum(f"channel_mix.{index}.1.sum", shared, channel)
        else:
            kept = (h if "PC" in skip else None, token if "TC" in skip else None)
            total = self.sum(f"channel_mix.{index}.1.sum", *kept, channel)
        return self.fire(f"channel_mix_lif.{index}", total), channel

    def token(self, index: int, source: str) -> str:
        """A token block's state: identity, height and width, joined in this order and fused."""
        name, identity = f"token_mix.{index}", source
        if self.config.patch == "partition":
            identity = self.fire(f"{name}.activation", self.norm(f"{name}.BN", source))
        branches = [self.branch(f"{name}.proj_h", source, "height"), self.branch(f"{name}.proj_w", source, "width")]
        joined = self.add(f"{name}.concat", Concat(), identity, *branches)
        weight = self.read(f"{name}.fuse.0.weight")
        fuse = Axial("channel", weight.reshape(weight.shape[:2]), np.zeros(len(weight)))
        return self.norm(f"{name}.fuse.1", self.add(f"{name}.fuse.0", fuse, joined))

    def branch(self, name: str, source: str, axis: Axis) -> str:
        return self.fire(f"{name}.3", self.norm(f"{name}.2", self.linear(f"{name}.1", source, axis), axis))

    def channel(self, index: int, source: str) -> str:
        """A channel block's state."""
        name = f"channel_mix.{index}.1.net"
        axis: Axis = "space" if self.config.norm == "token" else "channel"
        hidden = self.norm(f"{name}.1", self.linear(f"{name}.0", source, "channel"), axis)
        return self.norm(f"{name}.4", self.linear(f"{name}.3", self.fire(f"{name}.2", hidden), "channel"), axis)

    def head(self, source: str) -> None:
        if self.config.head == "mean":
            state = self.norm("batch_norm", source)
        else:
            state = self.fire("head_lif", self.norm("head_bn", self.linear("head_fc", source, "space"), "space"))
        dense = Dense(self.read("mlp_head.1.weight"), self.read("mlp_head.1.bias"))
        self.add("readout", Readout(), self.add("mlp_head.1", dense, self.add("mlp_head.0", Mean(), state)))
