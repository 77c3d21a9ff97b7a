"""lava-dl SLAYER blocks that hold the integers of a fixed network: for writing NetX files and for the slayer engine.

SLAYER's numbers are the integers divided by 64: weights, thresholds and bias mantissas alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from neuro_deploy.errors import UnsupportedError
from neuro_deploy.lava_compat.patches import require
from neuro_deploy.network import FixedPopulation, FixedProjection
from neuro_deploy.numerics.registers import DECAY_UNITY, IntArray

SCALE = 64
"""SLAYER's ``scale``: 1.0 is the integer 64. Source: lava-dl ``cuba.Neuron``, ``scale=1 << 6``."""
STATE_SCALE = SCALE * 64
"""SLAYER's ``s_scale``: a state of 1.0 is the integer 4096."""


class BiasNorm(torch.nn.Module):
    """Adds the bias mantissa to the current that enters v, in the place where SLAYER puts a norm.

    SLAYER's own norms quantize to 8 bits; a mantissa has 13. mantissa: (neurons,) or (samples, neurons).
    """

    def __init__(self, mantissa: IntArray) -> None:
        super().__init__()
        self.mantissa = torch.tensor(mantissa)

    @property
    def bias(self) -> torch.Tensor:
        """The mantissas, as ``export_hdf5`` asks for them."""
        return self.mantissa

    def forward(self, current: torch.Tensor) -> torch.Tensor:
        """current: (samples, neurons, T)."""
        return current + (self.mantissa / SCALE)[..., None]


def input_block(population: FixedPopulation | None, shape: tuple[int, ...]) -> Any:
    """A ``cuba.Input`` block: with a neuron where data enter as its bias, else only a shape."""
    require()
    from lava.lib.dl.slayer.block import cuba

    if population is None:
        block = cuba.Input(delay_shift=False)
        block.input_shape = shape
        return block
    block = cuba.Input(_neuron_parameters(population), delay_shift=False)
    return _prepared(block, shape)


def flatten_block(shape: tuple[int, ...]) -> Any:
    """A ``cuba.Flatten`` block behind a population of this shape."""
    require()
    from lava.lib.dl.slayer.block import cuba

    block = cuba.Flatten()
    block.shape = [int(np.prod(shape)), 1, 1]
    return block


def dense_block(projection: FixedProjection, population: FixedPopulation, bias: IntArray | None = None) -> Any:
    """A ``cuba.Dense`` block with this projection's weights and this population's neurons.

    bias: mantissas that take the place of the population's, (neurons,) or (samples, neurons).
    """
    require()
    from lava.lib.dl.slayer.block import cuba

    outputs, inputs = projection.weight.shape
    block = cuba.Dense(_neuron_parameters(population), inputs, outputs, delay_shift=False)
    with torch.no_grad():
        weight = torch.tensor(projection.weight, dtype=torch.float32) / SCALE
        block.synapse.weight.copy_(weight.reshape(block.synapse.weight.shape))
    mantissa = population.bias if bias is None else bias
    if np.any(mantissa):
        block.neuron.norm = BiasNorm(mantissa)
    return _prepared(block, (outputs,))


def _neuron_parameters(population: FixedPopulation) -> dict[str, float]:
    parameters = {
        "threshold": population.threshold,
        "current_decay": population.u_decay,
        "voltage_decay": population.v_decay,
    }
    for name, value in parameters.items():
        if value.ndim:
            raise UnsupportedError(f"{name} differs between neurons, SLAYER's blocks take one", where=population.name)
    return {
        "threshold": int(population.threshold) / SCALE,
        "current_decay": int(population.u_decay) / DECAY_UNITY,
        "voltage_decay": int(population.v_decay) / DECAY_UNITY,
    }


def _prepared(block: Any, shape: tuple[int, ...]) -> Any:
    """Fix the shape that a forward would set, and the epsilon that makes ``>=`` act as ``>``.

    lava-dl's epsilon of 0.01 / 4096 is lost in float32 above a vThMant of about 2,600, where v equal to the threshold
    would spike; half a unit of the state is exact for all 17 bits.
    """
    block.neuron.shape = torch.Size(shape)
    block.neuron.num_neurons = int(np.prod(shape))
    block.neuron.threshold_eps = 0.5 / STATE_SCALE
    return block
