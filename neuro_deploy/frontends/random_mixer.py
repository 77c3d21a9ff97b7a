"""A Mixer-SNN with random weights: what its dimensions cost can be told without a checkpoint."""

from __future__ import annotations

import math

import numpy as np

from neuro_deploy.errors import UsageError
from neuro_deploy.frontends.mixer import mixer_graph
from neuro_deploy.frontends.mixer_config import PRESETS, MixerConfig
from neuro_deploy.frontends.mixer_keys import COUNTER, Shape, tensor_shapes
from neuro_deploy.graph import LIF, Graph, Input
from neuro_deploy.graph.operators import FloatArray
from neuro_deploy.graph.shapes import shapes
from neuro_deploy.numerics.registers import PAYLOAD

BUFFERS = ("running_mean", "running_var", COUNTER)
"""Numbers that training measures rather than learns: no parameters."""


class RandomTensors:
    """Weights from a seeded generator; variances from 0.5 to 1.5."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)

    def tensor(self, name: str, shape: Shape) -> FloatArray:
        """Random numbers of that shape."""
        if name.endswith(".running_var"):
            return self.rng.uniform(0.5, 1.5, shape)
        return self.rng.normal(0.0, 1 / math.sqrt(math.prod(shape[1:]) or 1), shape)


def preset(name: str) -> MixerConfig:
    """The dimensions of a preset.

    Raises:
        UsageError: no such preset.
    """
    if name not in PRESETS:
        raise UsageError(f"no model {name!r}; models: {', '.join(PRESETS)}")
    return PRESETS[name]


def random_mixer(config: MixerConfig, seed: int = 0) -> Graph:
    """The graph of a Mixer-SNN with random weights and 8-bit pixels from 0 to 1."""
    entry = Input((config.in_channels, *config.image), 1 / PAYLOAD.high, 0.0, PAYLOAD.high)
    return mixer_graph(config, RandomTensors(seed), entry, config.timesteps)


def trained_numbers(config: MixerConfig) -> int:
    """Parameters of a Mixer-SNN: all tensors but those that training only measures."""
    return sum(math.prod(shape) for key, shape in tensor_shapes(config).items() if not key.endswith(BUFFERS))


def neurons(graph: Graph) -> int:
    """LIF neurons of a graph, duplicates among them."""
    known = shapes(graph)
    return sum(math.prod(known[node.name]) for node in graph.nodes if isinstance(node.operator, LIF))
