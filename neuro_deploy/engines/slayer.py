"""The slayer engine: lava-dl's SLAYER blocks and their forward.

SLAYER has no 24-bit wrap and no clip, and computes in float32. Where a state leaves 24 bits, this engine says so
instead of returning spikes that the chip would not give.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import torch

from neuro_deploy.engines.base import Recorder, RunResult, as_sequence
from neuro_deploy.errors import EngineError, UnsupportedError
from neuro_deploy.lava_compat import blocks, require
from neuro_deploy.network import FixedNetwork, FixedPopulation, FixedProjection, state_bounds
from neuro_deploy.numerics.registers import FLOAT32_EXACT, STATE_LIMIT, IntArray


class Engine:
    """lava-dl SLAYER blocks on the CPU."""

    name = "slayer"

    def batch(self, network: FixedNetwork) -> int:
        """See ``neuro_deploy.engines.base.Engine.batch``."""
        return 64

    def run(self, network: FixedNetwork, inputs: IntArray, record: Collection[str] = ()) -> RunResult:
        """See ``neuro_deploy.engines.base.Engine.run``.

        Raises:
            MissingError: lava-dl is not installed.
            UnsupportedError: relays, delays, weight exponents, odd weights, signs, synapses that are not dense, windows
                of channels, several projections into one population.
            EngineError: a state left 24 bits, where SLAYER and the chip part.
        """
        require()
        sequence = as_sequence(network, inputs)
        bounds = state_bounds(network)
        spikes: dict[str, torch.Tensor] = {}
        recorder = Recorder(self.name, network, inputs, record)
        with torch.inference_mode():
            for population in network.computed:
                projection = _only_projection(network, population)
                driven = network.driven(population)
                if bounds[population.name].a_in >= FLOAT32_EXACT:
                    raise UnsupportedError("sums leave float32, in which SLAYER computes", where=population.name)
                bias = population.bias + sequence[:, 0] if driven else population.bias
                block = blocks.dense_block(projection, population, bias)
                entering = spikes.get(projection.source)
                if entering is None:
                    silence = np.zeros((len(sequence), 1, network.timesteps))
                    values = silence if driven else sequence.transpose(0, 2, 1)
                    entering = torch.tensor(values, dtype=torch.float32)
                fired, u, v = _states(block, entering, bias, population)
                spikes[population.name] = fired
                recorder.add(population, {"spikes": fired.numpy().transpose(0, 2, 1), "u": u, "v": v})
        return recorder.result()


def _only_projection(network: FixedNetwork, population: FixedPopulation) -> FixedProjection:
    """The projection of a block that SLAYER has: a dense one, and nothing beside it."""
    projections = network.inputs_of(population.name)
    if population.kind == "relay":
        raise _unsupported(population, "SLAYER has no block for a relay")
    if len(projections) > 1:
        raise _unsupported(population, f"SLAYER's dense block takes one projection, here are {len(projections)}")
    if not projections:  # data enter as bias: a block wants a synapse, which here carries nothing
        return FixedProjection("", population.name, np.zeros((population.neurons, 1), np.int64))
    projection = projections[0]
    geometry = projection.geometry
    if geometry.kind != "dense" or geometry.source_channels or geometry.target_channels or projection.sign is not None:
        signs = " with signs" if projection.sign is not None else ""
        raise _unsupported(
            population, f"SLAYER's dense block takes whole populations without signs, not {geometry.describe()}{signs}"
        )
    if projection.max_delay or projection.weight_exp or np.any(projection.weight % 2):
        raise _unsupported(population, "SLAYER's dense block takes even weights, no delays and no weight exponent")
    return projection


def _unsupported(population: FixedPopulation, what: str) -> UnsupportedError:
    return UnsupportedError(what, where=population.name, hint="verify against reference or lava")


def _states(
    block: object, entering: torch.Tensor, bias: IntArray, population: FixedPopulation
) -> tuple[torch.Tensor, IntArray, IntArray]:
    """(spikes (samples, neurons, T), u and v (samples, T, neurons) int64) of one block."""
    current, voltage = block.neuron.dynamics(block.synapse(entering))  # type: ignore[attr-defined]
    fired = block.neuron.spike(voltage)  # type: ignore[attr-defined]
    u = np.rint(current.numpy().astype(np.float64) * blocks.STATE_SCALE).astype(np.int64).transpose(0, 2, 1)
    v = np.rint(voltage.numpy().astype(np.float64) * blocks.STATE_SCALE).astype(np.int64).transpose(0, 2, 1)
    u = u - (bias[:, None] if bias.ndim == 2 else bias) * blocks.SCALE
    silent_v = np.where(fired.numpy().transpose(0, 2, 1) > 0, 0, v)  # a clipped v that spikes is reset all the same
    if np.any(u > STATE_LIMIT) or np.any(u <= -STATE_LIMIT) or np.any(np.abs(silent_v) >= STATE_LIMIT):
        raise EngineError(
            "u or v left 24 bits, where the chip wraps u and clips v and SLAYER does neither",
            where=population.name,
            hint="verify against reference or lava, or convert with smaller weights",
        )
    return fired, u, silent_v
