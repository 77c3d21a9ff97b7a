"""The reference engine: numpy, one timestep at a time. It is the specification; read it beside docs/numerics.md."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np

from neuro_deploy.engines.base import Recorder, RunResult, as_sequence
from neuro_deploy.network import FixedNetwork, FixedProjection
from neuro_deploy.numerics.cuba import cuba_step
from neuro_deploy.numerics.registers import BIAS_EXPONENT, IntArray


class Engine:
    """numpy, int64, one timestep after the other."""

    name = "reference"

    def batch(self, network: FixedNetwork) -> int:
        """See ``neuro_deploy.engines.base.Engine.batch``."""
        return 64

    def run(self, network: FixedNetwork, inputs: IntArray, record: Collection[str] = ()) -> RunResult:
        """See ``neuro_deploy.engines.base.Engine.run``."""
        sequence = as_sequence(network, inputs)
        samples, steps = sequence.shape[:2]
        spikes: dict[str, IntArray] = {}
        if network.encoding.mode != "bias":
            spikes[network.entry] = sequence
        recorder = Recorder(self.name, network, inputs, record)
        for population in network.computed:
            shape = (samples, steps, population.neurons)
            sent, us, vs = (np.zeros(shape, np.int64) for _ in range(3))
            u = np.zeros((samples, population.neurons), np.int64)
            v = np.zeros((samples, population.neurons), np.int64)
            for t in range(steps):
                a_in = np.zeros((samples, population.neurons), np.int64)
                for projection in network.inputs_of(population.name):
                    a_in += synaptic_input(projection, spikes[projection.source], t)
                if population.kind == "relay":
                    u = v = sent[:, t] = a_in + population.bias
                else:
                    bias = population.shifted_bias
                    if network.driven(population):
                        bias = bias + (sequence[:, t] << BIAS_EXPONENT)
                    u, v, sent[:, t] = cuba_step(
                        u,
                        v,
                        a_in,
                        u_decay=population.u_decay,
                        v_decay=population.v_decay,
                        bias=bias,
                        threshold=population.threshold,
                    )
                us[:, t], vs[:, t] = u, v
            spikes[population.name] = sent
            recorder.add(population, {"spikes": sent != 0, "u": us, "v": vs})
        return recorder.result()


def synaptic_input(projection: FixedProjection, spikes: IntArray, t: int) -> IntArray:
    """a_in through one projection at timestep t. spikes: (samples, T, sources). Returns (samples, targets), int64.

    Every delay's sum is shifted by the weight exponent on its own, as lava-nc's DelayDense does.
    """
    total = np.zeros((len(spikes), math.prod(projection.geometry.target)), np.int64)
    for delay, matrix in projection.by_delay:
        if t >= delay:
            total += projection.shift((matrix @ spikes[:, t - delay].T).T)
    return total
