"""The CUBA neuron on torch, all timesteps of a population at a time.

The integers of ``numerics.cuba`` as whole numbers in floating point. The decay ``sgn(x) * ((|x| * k) >> 12)`` is
``trunc(x * (k / 4096))``, exactly, where the product is exact: k / 4096 always is, and its product with a whole x is as
long as |x| times the odd part of k stays below 2^24 in float32, 2^53 in float64.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy.typing as npt
import torch

from neuro_deploy.engines.exact import odd_part
from neuro_deploy.engines.synapses import exact_type
from neuro_deploy.network import FixedPopulation
from neuro_deploy.numerics.registers import (
    ACTIVATION_SHIFT,
    DECAY_UNITY,
    STATE_LIMIT,
    THRESHOLD_SHIFT,
)

TOGETHER = 2**17
"""Neurons, over all samples, that go through their timesteps together: their states stay in a core's cache."""


def state_type(population: FixedPopulation, largest: tuple[int, int]) -> torch.dtype:
    """The type in which this population's timesteps are exact. largest: magnitudes of u and v before wrap and clip.

    Raises:
        UnsupportedError: none is wide enough.
    """
    if population.kind == "relay":
        return exact_type(largest[1], population.name)
    u = largest[0] * odd_part(DECAY_UNITY - population.u_decay)
    v = largest[1] * odd_part(DECAY_UNITY - population.v_decay)
    return exact_type(max(u, v, STATE_LIMIT), population.name)


def lif(
    population: FixedPopulation,
    a_in: torch.Tensor,
    bias: torch.Tensor,
    steps: int,
    *,
    bounded: bool,
    keep: Collection[str] = (),
) -> dict[str, torch.Tensor]:
    """Spikes, and u and v where they are to be kept, of all timesteps: (samples, T, neurons) each.

    a_in: (samples, T or 1, neurons), in ``state_type``; it is overwritten. bias: shifted by its exponent, (neurons,) or
    (samples, T or 1, neurons). bounded: neither wrap nor clip can act. Spikes are bool, u and v in the type of a_in.
    """
    current = a_in.mul_(1 << ACTIVATION_SHIFT)
    samples, neurons = len(a_in), a_in.shape[-1]
    shape = (samples, steps, neurons)
    threshold = _per_neuron(population, population.threshold << THRESHOLD_SHIFT, a_in)
    keep_u = _per_neuron(population, 1 - population.u_decay / DECAY_UNITY, a_in)
    keep_v = _per_neuron(population, 1 - population.v_decay / DECAY_UNITY, a_in)
    leaky = bool((population.u_decay != DECAY_UNITY).any())
    bias = bias.expand(samples, -1, -1) if bias.ndim == 3 else bias[None, None].expand(samples, 1, -1)
    states = {"spikes": torch.empty(shape, dtype=torch.bool, device=a_in.device)}
    states |= {what: torch.empty(shape, dtype=a_in.dtype, device=a_in.device) for what in ("u", "v") if what in keep}
    some = max(1, TOGETHER // samples)
    for part in (slice(start, start + some) for start in range(0, neurons, some)):
        v = torch.zeros_like(current[:, 0, part])
        u, within = torch.zeros_like(v), torch.empty_like(v)
        for t in range(steps):
            arriving = current[:, min(t, current.shape[1] - 1), part]
            u = u.mul_(keep_u[part]).trunc_().add_(arriving) if leaky else arriving
            u = u if bounded else _wrap24(u)
            v.mul_(keep_v[part]).trunc_().add_(u).add_(bias[:, min(t, bias.shape[1] - 1), part])
            if not bounded:
                v.clamp_(-(STATE_LIMIT - 1), STATE_LIMIT - 1)
            torch.gt(v, threshold[part], out=states["spikes"][:, t, part])
            v.mul_(torch.le(v, threshold[part], out=within))  # 0 where it fires; much faster than masked_fill_
            for what, state in (("u", u), ("v", v)):
                if what in states:
                    states[what][:, t, part] = state
    return states


def _per_neuron(population: FixedPopulation, parameter: npt.NDArray[Any], like: torch.Tensor) -> torch.Tensor:
    return torch.tensor(parameter, dtype=like.dtype, device=like.device).expand(population.neurons)


def _wrap24(current: torch.Tensor) -> torch.Tensor:
    wrapped = torch.where(current > STATE_LIMIT, current - 2 * STATE_LIMIT, current)
    return torch.where(current <= -STATE_LIMIT, current + 2 * STATE_LIMIT, wrapped)
