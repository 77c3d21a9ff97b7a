"""The reference engine: numpy, one timestep at a time. It is the specification; read it beside docs/numerics.md."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from neuro_deploy.engines.base import RunResult, as_sequence, result_from_records
from neuro_deploy.network import FixedNetwork, FixedProjection
from neuro_deploy.numerics.cuba import cuba_step
from neuro_deploy.numerics.registers import BIAS_EXPONENT, IntArray


class Engine:
    """numpy, int64, one timestep after the other."""

    name = "reference"
    batch: int | None = 64

    def run(self, network: FixedNetwork, inputs: IntArray, record: Collection[str] = ()) -> RunResult:
        """See ``neuro_deploy.engines.base.Engine.run``."""
        sequence = as_sequence(network, inputs)
        samples, steps = sequence.shape[:2]
        spikes: dict[str, IntArray] = {}
        if network.encoding.mode != "bias":
            spikes[network.entry] = sequence
        us: dict[str, IntArray] = {}
        vs: dict[str, IntArray] = {}
        for population in network.computed:
            shape = (samples, steps, population.neurons)
            spikes[population.name] = np.zeros(shape, np.uint8)
            us[population.name], vs[population.name] = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
            u = np.zeros((samples, population.neurons), np.int64)
            v = np.zeros((samples, population.neurons), np.int64)
            for t in range(steps):
                bias = population.shifted_bias
                if network.driven(population):
                    bias = bias + (sequence[:, t] << BIAS_EXPONENT)
                a_in = np.zeros((samples, population.neurons), np.int64)
                for projection in network.inputs_of(population.name):
                    a_in += synaptic_input(projection, spikes[projection.source], t)
                u, v, fired = cuba_step(
                    u,
                    v,
                    a_in,
                    u_decay=population.u_decay,
                    v_decay=population.v_decay,
                    bias=bias,
                    threshold=population.threshold,
                )
                us[population.name][:, t], vs[population.name][:, t] = u, v
                spikes[population.name][:, t] = fired
        computed = {p.name: spikes[p.name] for p in network.computed}
        return result_from_records(self.name, network, inputs, {"spikes": computed, "u": us, "v": vs}, record)


def synaptic_input(projection: FixedProjection, spikes: IntArray, t: int) -> IntArray:
    """a_in through one projection at timestep t. spikes: (samples, T, sources). Returns (samples, targets), int64.

    Every delay's sum is shifted by the weight exponent on its own, as lava-nc's DelayDense does.
    """
    total = np.zeros((len(spikes), len(projection.weight)), np.int64)
    for delay, weight in projection.by_delay:
        if t >= delay:
            total += projection.shift(spikes[:, t - delay].astype(np.int64) @ weight.astype(np.int64).T)
    return total
