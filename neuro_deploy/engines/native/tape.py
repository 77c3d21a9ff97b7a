"""A run as the list of its calls, which the next run of as many samples makes again.

In small networks, and for one sample, Python takes longer than the loops.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from neuro_deploy.engines.base import Recorder, RunResult, as_sequence
from neuro_deploy.engines.native.layout import from_inner, seen
from neuro_deploy.engines.native.samples import fill
from neuro_deploy.engines.native.threads import Call
from neuro_deploy.network import FixedNetwork, FixedPopulation
from neuro_deploy.numerics.registers import IntArray

MOST = 2**24
"""Neurons times timesteps times samples, of runs that are noted: their arrays are held."""


@dataclass(frozen=True, eq=False)
class Tape:
    """calls: in order; one that returns False ends the run, which then has to be made anew. entering: where samples go,
    (samples, T or 1, *inner shape). counts: population -> (T, neurons), the input's too. outputs: u, v or spikes of the
    output, (samples, T, neurons), and which of them.
    """

    calls: list[Call]
    entering: np.ndarray
    static: bool
    counts: dict[str, np.ndarray]
    output: tuple[str, np.ndarray]

    def play(self, network: FixedNetwork, inputs: IntArray) -> RunResult | None:
        """Run other samples. None: not these."""
        for counts in self.counts.values():
            counts.fill(0)
        entry = network.population(network.entry)
        fill(self.entering, as_sequence(network, inputs)[:, : 1 if self.static else None], self.counts[entry.name])
        for function, arguments in self.calls:
            if function(*arguments) is False:
                return None
        recorder = Recorder("native", network, inputs, ())
        recorder.counted(entry, told(network, entry, self.counts[entry.name].copy()))
        for population in network.computed:
            what, array = self.output
            arrays = {what: from_inner(array, population.shape)} if population is network.output else {}
            recorder.add(population, arrays, told(network, population, self.counts[population.name].copy()))
        return recorder.result()


def told(network: FixedNetwork, population: FixedPopulation, counts: np.ndarray) -> Callable[[], np.ndarray]:
    """What tells counts, (T or 1, neurons) in the order inside; 1 where every timestep is alike."""
    if len(counts) == network.timesteps:
        return partial(seen, counts, population.shape)
    return lambda: seen(counts, population.shape).repeat(network.timesteps // len(counts), axis=0)
