"""A population whose roundings are chosen by spikes, its own or those of the neurons that a relay feeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from neuro_deploy.network import Network, Population, Projection
from neuro_deploy.numerics.registers import IntArray
from neuro_deploy.passes.by_spikes import Reader, merged, own_reader, rounded_by_spikes
from neuro_deploy.passes.calibrate import Calibration, Try
from neuro_deploy.passes.fixing import Fixed
from neuro_deploy.passes.float_states import fired, synaptic_input
from neuro_deploy.passes.levels import FloatArray
from neuro_deploy.passes.scale import UNIT

ROUNDS = 4
"""At most; it ends sooner where one brings nothing. Our own."""
ENOUGH, HELD = 32, 4
"""From so many samples on every fourth is held out: where more of its spikes differ than before, nothing changes."""


@dataclass(frozen=True, eq=False)
class Around:
    """What a population has around it. sent: of all that are done; of others what the float network sends.

    scales: of what relays send.
    """

    calibration: Calibration
    sent: Mapping[str, IntArray]
    scales: Mapping[str, float]

    def real(self, name: str) -> FloatArray:
        """What a population sends, in the source's units: (samples, T or 1, neurons)."""
        network, values = self.calibration.network, np.asarray(self.sent[name], np.float64)
        if name == network.populations[0].name:
            return network.encoding.low + network.encoding.scale * values
        return values / self.scales.get(name, 1.0)


def refined(
    around: Around, population: Population, best: Try, nearest: Fixed, tried: Callable[[Fixed], Try | None]
) -> Try:
    """The best with roundings chosen by spikes, as far as fewer differ. nearest: with real weights as wanted.

    tried: runs a population; None where its states are not as sure as they were.
    """
    spikes = _Own(around, population) if population.kind == "lif" else _Fed(around, population)
    if not spikes.some:
        return best
    every = np.arange(len(around.calibration.inputs))
    held = every[::HELD] if len(every) >= ENOUGH else every[:0]
    learned = np.setdiff1d(every, held)
    start, worse = best, spikes.differing(best, learned)
    for _ in range(ROUNDS):
        if not worse.any():
            break
        inputs = around.sent if best.sent is None else {**around.sent, population.name: best.sent}
        made = rounded_by_spikes(best.fixed, nearest, inputs, spikes.readers(best), learned)
        after = None if made is None else tried(made)
        if made is None or after is None:
            break
        after = tried(merged(best.fixed, made, worse, spikes.differing(after, learned))) or after
        better = spikes.differing(after, learned)
        if better.sum() >= worse.sum():
            break
        best, worse = after, better
    lost = spikes.differing(best, held).sum() > spikes.differing(start, held).sum()
    return start if lost else best


class _Own:
    """The spikes of a LIF population."""

    def __init__(self, around: Around, population: Population) -> None:
        self.wanted = around.calibration.targets[population.name].sent
        self.some = True

    def readers(self, found: Try) -> list[Reader]:
        assert found.a_in is not None  # noqa: S101  # it has been tried
        return [own_reader(found.fixed.population, found.a_in, self.wanted)]

    def differing(self, found: Try, samples: IntArray) -> IntArray:
        """How many spikes of each neuron differ: (neurons,)."""
        assert found.outcome is not None  # noqa: S101
        count: IntArray = np.count_nonzero(found.outcome.sent[samples] != self.wanted[samples], axis=(0, 1))
        return count


class _Fed:
    """The spikes of the LIF populations that a relay feeds one to one, in real numbers from what the relay sends."""

    def __init__(self, around: Around, relay: Population) -> None:
        self.around, self.relay = around, relay
        network = around.calibration.network
        self.timesteps = network.timesteps
        self.fed = [
            (p, network.population(p.target), self._rest(network, p))
            for p in network.projections
            if p.source == relay.name and self._reads(network, p)
        ]
        self.some = bool(self.fed)

    def _reads(self, network: Network, projection: Projection) -> bool:
        target, geometry = network.population(projection.target), projection.geometry
        whole = geometry.source_channels is None and geometry.target_channels is None
        known = all(p.source in self.around.sent or p is projection for p in network.inputs_of(target.name))
        return target.kind == "lif" and geometry.kind == "one-to-one" and whole and known

    def _rest(self, network: Network, projection: Projection) -> FloatArray:
        """What else the target gets: (samples, T or 1, neurons)."""
        target = network.population(projection.target)
        z = np.asarray(target.bias)[None, None]
        for each in network.inputs_of(target.name):
            if each is not projection:
                z = z + synaptic_input(each, self.around.real(each.source))
        return z

    def _gain(self, projection: Projection) -> FloatArray:
        sign = 1 if projection.sign is None else projection.sign
        return np.broadcast_to(projection.weight * sign, (self.relay.neurons,)).astype(np.float64)

    def _z(self, found: Try, projection: Projection, rest: FloatArray) -> FloatArray:
        assert found.outcome is not None  # noqa: S101
        z = self._gain(projection) * (found.outcome.sent / found.scale.k) + rest
        samples = len(self.around.calibration.inputs)
        return np.broadcast_to(z, (samples, self.timesteps, self.relay.neurons))

    def readers(self, found: Try) -> list[Reader]:
        made = []
        for projection, target, rest in self.fed:
            wanted = self.around.calibration.targets[target.name].sent.astype(np.uint8)
            z, margin = self._z(found, projection, rest), np.zeros(wanted.shape)
            keep, v = 1 - 1 / target.tau, np.zeros_like(margin[:, 0])
            for t in range(self.timesteps):
                v = keep * v + z[:, t]
                margin[:, t] = v - target.tau * np.asarray(target.v_threshold)
                v = np.where(wanted[:, t] > 0, 0.0, v)
            made.append(Reader(margin * found.scale.k * UNIT, wanted, self._gain(projection), keep))
        return made

    def differing(self, found: Try, samples: IntArray) -> IntArray:
        """How many spikes of the neurons that each neuron of the relay feeds differ: (neurons,)."""
        total = np.zeros(self.relay.neurons, np.int64)
        for projection, target, rest in self.fed:
            wanted = self.around.calibration.targets[target.name].sent
            spikes = fired(target, self._z(found, projection, rest)[samples])
            total += np.count_nonzero(spikes != wanted[samples], axis=(0, 1))
        return total
