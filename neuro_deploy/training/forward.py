"""The arithmetic of a fixed network as a torch module that learns: whole numbers forward, straight through backward.

Forward it computes what docs/numerics.md says, in floating point in which every number is whole and exact: weights are
rounded to their levels, biases to mantissas, sums are shifted by the weight exponent, v decays with truncation, and a
neuron spikes where ``v > vThMant << 6``. Backward, rounding and truncation count as if they were not there, and a spike
has the surrogate gradient of the models (models/lif.py) at ``v / threshold``.

Exact because: partial sums stay below 2^24 in float32, else below 2^53 in float64 (``exact_in``); states are within 24
bits, or are wrapped and clipped as on the chip; decays that are no power of two are multiplied in float64.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from neuro_deploy.errors import UnsupportedError
from neuro_deploy.models.lif import SigmoidSpike
from neuro_deploy.network import (
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    Geometry,
    Network,
    Population,
    state_bounds,
)
from neuro_deploy.network import Projection as FloatProjection
from neuro_deploy.numerics.registers import ACTIVATION_SHIFT, DECAY_UNITY, FLOAT32_EXACT, STATE_LIMIT
from neuro_deploy.passes.quantized import Quantized
from neuro_deploy.passes.scale import bias_register

UNIT = 1 << ACTIVATION_SHIFT
ALPHA = 4.0
"""Steepness of the surrogate gradient, as in training."""


def exact_in(network: FixedNetwork) -> torch.dtype:
    """The floating point in which every sum of a network is exact.

    Raises:
        UnsupportedError: sums that even float64 does not hold.
    """
    most = max((bound.a_in for bound in state_bounds(network).values()), default=0)
    if most >= 2**53:
        raise UnsupportedError(f"sums of up to {most:,} are not exact in float64", hint="convert with smaller weights")
    return torch.float32 if most < FLOAT32_EXACT else torch.float64


class FixedForward(torch.nn.Module):
    """A fixed network whose weights and biases learn. What only passes on a relay's value stays as it is.

    reals: all weights and biases, flat, each in parts of the spread of its projection's: one learning rate fits all.

    Raises:
        UnsupportedError: delays, or synaptic currents that decay.
    """

    def __init__(self, quantized: Quantized, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        network = quantized.network
        _check(network)
        self.network = network
        self.dtype = (exact_in(network) if dtype is None else dtype) or torch.float32
        self.names = [population.name for population in network.computed]
        pieces = [_weights_of(each) for each in quantized.synapses]
        spreads = {each.fixed.target: float(each.wanted.std()) for each in quantized.synapses if each.learned}
        pieces += [
            _biases_of(network.population(n), quantized.biases[n], spreads.get(n, 1.0), network) for n in self.names
        ]
        columns = [np.concatenate(column) for column in zip(*pieces, strict=True)]
        tensors = [torch.tensor(column, dtype=self.dtype) for column in columns]
        real, self.spread, self.step, self.low, self.high, self.learned = tensors
        self.reals = torch.nn.Parameter(real / self.spread)
        self.starts = np.cumsum([0, *(len(piece[0]) for piece in pieces)])
        self.parts, self.index = _indexed(network, self.starts)

    @property
    def whole(self) -> torch.Tensor:
        """All weights and biases as whole numbers, flat; the gradient goes straight through."""
        real = self.reals * self.spread
        q = torch.clamp(torch.round(real / self.step), self.low, self.high) * self.step
        return real * self.learned + (q - real * self.learned).detach()

    def keep_within(self) -> None:
        """Bring back what has left its levels by more than half a step, where it would no longer matter."""
        with torch.no_grad():
            ends = (self.low - 0.5) * self.step / self.spread, (self.high + 0.5) * self.step / self.spread
            self.reals.copy_(torch.clamp(self.reals, *ends))

    def fixed(self) -> FixedNetwork:
        """The network of whole numbers as it stands."""
        whole = self.whole.detach().double().numpy().astype(np.int64)
        cut = [whole[start:stop] for start, stop in zip(self.starts[:-1], self.starts[1:], strict=True)]
        projections = tuple(
            replace(p, weight=piece.reshape(p.weight.shape))
            for p, piece in zip(self.network.projections, cut, strict=False)
        )
        biases = dict(zip(self.names, cut[len(projections) :], strict=True))
        populations = tuple(
            replace(p, bias=biases[p.name]) if p.name in biases else p for p in self.network.populations
        )
        return replace(self.network, populations=populations, projections=projections)

    def forward(self, inputs: torch.Tensor, spikes: dict[str, torch.Tensor] | None = None) -> torch.Tensor:
        """inputs: encoded samples, (samples, T or 1, entry neurons), whole numbers. Returns (samples, classes):

        the readout's final v, or how often output neurons spike. spikes: is given (samples, T, neurons) of every part
        of ``network.separated``.
        """
        whole, steps = self.whole, self.network.timesteps
        sent: dict[str, torch.Tensor] = {} if spikes is None else spikes
        host = inputs.to(self.dtype) if self.network.encoding.mode == "bias" else None
        if host is None:
            sent[self.network.entry] = inputs.to(self.dtype)
        last = torch.zeros(0)
        for population in self.parts.computed:
            bias = whole[self.index[population.name]]
            a_in = torch.zeros((len(inputs), 1, population.neurons), dtype=self.dtype)
            for number, projection in enumerate(self.parts.projections):
                if projection.target == population.name:
                    weight = whole[self.index[str(number)]]
                    a_in = a_in + _synaptic_sums(projection, weight, sent[projection.source], population.neurons)
            if host is not None and self.network.driven(population):
                bias = bias + host
            if population.kind == "relay":
                sent[population.name] = last = a_in + bias
            elif population.kind == "readout":
                last = ((a_in + bias) * UNIT).expand(-1, steps, -1).sum(dim=1)
            else:
                bias = bias.expand(len(inputs), steps, -1)
                sent[population.name] = last = _fired(population, a_in.expand(-1, steps, -1), bias)
        return last if last.ndim == 2 else last.sum(dim=1)


def _check(network: FixedNetwork) -> None:
    for projection in network.projections:
        if projection.max_delay:
            raise UnsupportedError("has delays, which fine-tuning does not know", where=projection.name)
    for population in network.computed:
        if population.kind != "relay" and np.any(population.u_decay != DECAY_UNITY):
            raise UnsupportedError(
                "has a synaptic current that decays, which fine-tuning does not know", where=population.name
            )


def _weights_of(each: Any) -> tuple[np.ndarray, ...]:
    """(real, spread, step, low, high, learned) of a projection's weights, flat."""
    size = each.wanted.size
    learned = each.learned and bool(np.any(each.wanted))
    of = each.levels
    spread = float(each.wanted.std()) or float(np.abs(each.wanted).max()) or 1.0
    real = np.asarray(each.wanted if learned else each.fixed.weight, np.float64).reshape(-1)
    if learned:
        real = np.clip(real, (of.low - 0.5) * of.step, (of.high + 0.5) * of.step)
        return real, *(np.full(size, value, np.float64) for value in (spread, of.step, of.low, of.high, 1.0))
    reach = float(np.abs(real).max(initial=0.0))
    return real, *(np.full(size, value, np.float64) for value in (1.0, 1.0, -reach, reach, 0.0))


def _biases_of(
    population: FixedPopulation, real: np.ndarray, spread: float, network: FixedNetwork
) -> tuple[np.ndarray, ...]:
    """(real, spread, step, low, high, learned) of a population's biases; where data enter as bias they stay."""
    driven = network.driven(population)
    register = bias_register(population.kind)
    values = np.clip(np.asarray(population.bias if driven else real, np.float64), register.low, register.high)
    spread = max(float(values.std()), spread) or 1.0
    rest = (spread, 1.0, register.low, register.high, float(not driven))
    return values, *(np.full(population.neurons, value, np.float64) for value in rest)


def _indexed(network: FixedNetwork, starts: np.ndarray) -> tuple[FixedNetwork, dict[str, torch.Tensor]]:
    """The separated network, and where its numbers stand among those of the whole one.

    By population (biases), and by the number of a projection, as text (weights). Networks that are cut into parts are
    cut a second time with the places in place of the weights.
    """
    computed = network.computed
    places = [
        np.arange(start, start + p.weight.size, dtype=np.float64).reshape(p.weight.shape)
        for p, start in zip(network.projections, starts, strict=False)
    ]
    own = dict(zip((p.name for p in computed), starts[len(places) :], strict=False))
    biases = {p.name: own[p.name] + np.arange(p.neurons, dtype=np.float64) for p in computed}
    parts = network.separated
    if parts is network:
        found = {name: torch.tensor(place, dtype=torch.int64) for name, place in biases.items()}
        return parts, found | {str(i): torch.tensor(p, dtype=torch.int64) for i, p in enumerate(places)}
    mirror = Network(
        tuple(
            Population(p.name, p.kind, p.shape, biases.get(p.name, np.zeros(p.neurons))) for p in network.populations
        ),
        tuple(
            FloatProjection(p.source, p.target, place, p.geometry)
            for p, place in zip(network.projections, places, strict=True)
        ),
        network.timesteps,
        network.encoding,  # type: ignore[arg-type]  # only its mode is looked at
    ).separated
    found = {p.name: torch.tensor(p.bias, dtype=torch.int64) for p in mirror.populations if p.kind != "input"}
    return parts, found | {str(i): torch.tensor(p.weight, dtype=torch.int64) for i, p in enumerate(mirror.projections)}


def _synaptic_sums(projection: FixedProjection, weight: torch.Tensor, sent: torch.Tensor, neurons: int) -> torch.Tensor:
    """a_in through one projection: (samples, T or 1, neurons). sent: (samples, T or 1, sources)."""
    geometry = projection.geometry
    sums = weighted(geometry, weight, sent.flatten(0, 1)[:, geometry.sources])
    if projection.weight_exp:
        sums = sums * 2.0**projection.weight_exp
        sums = sums + (torch.floor(sums) - sums).detach()
    if projection.sign is not None:
        sums = sums * torch.tensor(projection.sign, dtype=sums.dtype)
    targets = geometry.targets
    if sums.shape[1] != neurons:
        sums = torch.nn.functional.pad(sums, (targets.start, neurons - targets.stop))
    return sums.reshape(*sent.shape[:2], -1)


def weighted(geometry: Geometry, weight: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Weighted sums: (n, target neurons of the window). values: (n, source neurons of the window)."""
    if geometry.kind == "dense":
        return torch.nn.functional.linear(values, weight)
    if geometry.kind == "one-to-one":
        return values * weight
    maps = values.reshape(-1, *geometry.source_window)
    if geometry.kind == "conv2d":
        sums = torch.nn.functional.conv2d(maps, weight, stride=geometry.stride, padding=geometry.padding)
    elif geometry.axis == "channel":
        sums = weight @ maps.flatten(2)
    elif geometry.axis == "height":
        sums = weight @ maps
    else:
        sums = (maps.flatten(2) if geometry.axis == "space" else maps) @ weight.T
    return sums.flatten(1)


def _fired(population: FixedPopulation, a_in: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Spikes of LIF neurons: (samples, T, neurons). a_in, bias: alike."""
    threshold = torch.tensor(population.threshold << ACTIVATION_SHIFT, dtype=a_in.dtype)
    v = torch.zeros_like(a_in[:, 0])
    spikes = []
    for t in range(a_in.shape[1]):
        u = _wrapped(a_in[:, t] * UNIT)
        v = torch.clamp(_decayed(v, population.v_decay) + u + bias[:, t] * UNIT, 1 - STATE_LIMIT, STATE_LIMIT - 1)
        over = (v - threshold - 0.5) / (threshold + 1)
        spike: torch.Tensor = SigmoidSpike.apply(over, ALPHA)  # type: ignore[no-untyped-call]
        v = v * (1 - spike.detach())
        spikes.append(spike)
    return torch.stack(spikes, dim=1)


def _wrapped(u: torch.Tensor) -> torch.Tensor:
    """One wrap into (-2^23, 2^23]; exact, since u is a multiple of 64."""
    off = (u <= -STATE_LIMIT).to(u.dtype) - (u > STATE_LIMIT).to(u.dtype)
    return u + (2 * STATE_LIMIT * off).detach() if torch.any(off) else u


def _decayed(v: torch.Tensor, decay: np.ndarray) -> torch.Tensor:
    """``trunc(v (4096 - decay) / 4096)``. decay: () or (neurons,)."""
    kept = DECAY_UNITY - decay
    halves = np.all((kept & (kept - 1)) == 0)
    real = v * torch.tensor(kept / DECAY_UNITY, dtype=v.dtype)
    product = real if halves else v.detach().double() * torch.tensor(kept / DECAY_UNITY, dtype=torch.float64)
    return real + (torch.trunc(product).to(v.dtype) - real).detach()
