"""Samples that choose scales: what the float network does with them, and how far integers are from that.

For every population, in order, its integers are tried with the spikes that the integers before it send, and compared
with the spikes of the float network. So the error that counts is that of the spikes, and what one population loses, the
next one sees.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from neuro_deploy.network import Network, Population, gathered
from neuro_deploy.numerics.registers import IntArray
from neuro_deploy.passes.fixing import Fixed
from neuro_deploy.passes.float_states import float_states, in_steps
from neuro_deploy.passes.intake import Intake
from neuro_deploy.passes.levels import FloatArray
from neuro_deploy.passes.rows import row_axis
from neuro_deploy.passes.scale import UNIT, Scale, whole_bias
from neuro_deploy.passes.trial import Outcome, synaptic_sums, tried

CLIPS = tuple(2.0 ** (i / 6) for i in range(10))
"""How far the largest weights are clipped, at most to a third: candidates. Our own: finer ones change little."""
BUDGET = 2**31
"""Additions of one dense run over the samples: with more, fewer samples are taken. Our own: about a second a run."""
FEWEST, MOST = 4, 256
"""Samples that are taken at least and at most. Our own: more of the digits choose no other scales that matter."""


@dataclass(frozen=True, eq=False)
class Target:
    """What a population of the float network sends, and the mean of its z.

    sent: (samples, T, neurons), spikes uint8; (samples, T or 1, neurons), values float64. mean: (neurons,).
    """

    sent: npt.NDArray[np.generic]
    mean: FloatArray


@dataclass(frozen=True, eq=False)
class Calibration:
    """A float network on samples. x: as ``encode`` takes them."""

    network: Network
    x: npt.NDArray[np.generic]

    @cached_property
    def chosen(self) -> npt.NDArray[np.generic]:
        """As many samples, evenly spread, as the budget allows."""
        dense = sum(p.geometry.additions(p.weight.shape) for p in self.network.projections) * self.network.timesteps
        count = int(min(np.clip(BUDGET // max(dense, 1), FEWEST, MOST), len(self.x)))
        return self.x[np.unique(np.linspace(0, len(self.x) - 1, count).astype(np.int64))]

    @cached_property
    def inputs(self) -> IntArray:
        """What is sent in: (samples, T or 1, features), whole numbers."""
        encoded = self.network.encoding.encode(self.chosen)
        return in_steps(encoded, self.network.timesteps)

    @cached_property
    def targets(self) -> dict[str, Target]:
        """population -> what it does in float64, on the samples as they are digitised."""
        encoding = self.network.encoding
        sequence = encoding.low + encoding.scale * self.inputs.astype(np.float64)
        sent, means = {}, {}
        for population, z, out in float_states(self.network, sequence):
            sent[population.name] = out.astype(np.uint8) if population.kind == "lif" else out
            means[population.name] = z.mean(axis=(0, 1))[None]
        whole, mean = gathered(self.network, sent, axis=2), gathered(self.network, means, axis=1)
        return {name: Target(whole[name], mean[name][0]) for name in whole}

    def host(self, scale: Scale, intake: Intake) -> IntArray:
        """The mantissas that the host adds to the bias: (samples, neurons)."""
        encoding = self.network.encoding
        x = encoding.model_units(self.chosen)
        mantissa: IntArray = np.rint(scale.k * (x @ intake.synapses[0].weight.T + intake.bias)).astype(np.int64)
        return mantissa


@dataclass(frozen=True, eq=False)
class Try:
    """A population at some scale, what came of it, its error, and its synaptic input, (samples, T or 1, neurons)."""

    scale: Scale
    fixed: Fixed
    outcome: Outcome | None = None
    error: float = 0.0
    a_in: IntArray | None = None

    @property
    def sent(self) -> IntArray | None:
        """What it sends: (samples, T or 1, neurons); None where it has not been tried."""
        return None if self.outcome is None else self.outcome.sent


def attempt(calibration: Calibration, intake: Intake, scale: Scale, fixed: Fixed, sent: dict[str, IntArray]) -> Try:
    """Run a population at a scale. sent: of its sources; of itself, where it feeds itself, what to begin with."""
    name = intake.population.name
    host = None if intake.current is None else calibration.host(scale, intake)
    a_in, outcome = _run(calibration, fixed, host, sent)
    while name in {p.source for p in fixed.projections} and np.any(sent[name] != outcome.sent):
        sent = {**sent, name: outcome.sent}
        a_in, outcome = _run(calibration, fixed, host, sent)
    return Try(scale, fixed, outcome, error_of(intake.population, calibration.targets[name], scale, outcome), a_in)


def _run(
    calibration: Calibration, fixed: Fixed, host: IntArray | None, sent: dict[str, IntArray]
) -> tuple[IntArray, Outcome]:
    a_in = synaptic_sums(fixed.population.neurons, fixed.projections, sent, fixed.bounds.a_in)
    return a_in, tried(fixed.population, a_in, host, calibration.network.timesteps)


def error_of(population: Population, target: Target, scale: Scale, outcome: Outcome) -> float:
    """How far a population is from the float one: the share of differing spikes; of values, their squared error

    in parts of their variance. Of a readout those of its sums over the timesteps count.
    """
    if population.kind == "lif":
        return float(np.mean(outcome.sent != target.sent))
    want, got = np.asarray(target.sent, np.float64), outcome.sent / scale.k
    if population.kind == "readout":
        want, got = want.mean(axis=1), got.mean(axis=1)
    return float(np.mean((want - got) ** 2) / (want.var() or 1.0))


def corrected(calibration: Calibration, intake: Intake, found: Try) -> Try:
    """The same with biases that make up, on the mean, for what rounding and truncation took away.

    What is missing on the mean: ``k z`` of the float network less the synaptic input and the bias of the integers, and
    what a decay that truncates toward zero takes off v. Of shared weights the mean over their neurons counts.
    """
    population, scale = intake.population, found.scale
    target, fixed = calibration.targets[population.name], found.fixed
    a_in = found.a_in
    assert a_in is not None  # noqa: S101  # it has been tried
    missing = scale.of_neurons * target.mean - fixed.population.bias - a_in.mean(axis=(0, 1))
    missing = missing + (0.0 if found.outcome is None else found.outcome.lost / UNIT)
    shared = {row_axis(p.geometry) for p in intake.synapses} - {"neuron"}
    if shared and len(population.shape) == 3:
        alike = missing.reshape(population.shape).mean(axis=(1, 2), keepdims=True)
        missing = np.broadcast_to(alike, population.shape).reshape(-1)
    bias = fixed.population.bias + missing
    changed = replace(fixed.population, bias=whole_bias(population, bias))
    outcome = tried(changed, a_in, None, calibration.network.timesteps)
    error = error_of(population, target, scale, outcome)
    return Try(scale, replace(fixed, population=changed, bias=bias), outcome, error, a_in)
