"""The native engine: torch, batched over samples, layer by layer over all timesteps at once.

The weights meet ``samples * T`` spike vectors in one floating-point product, which is exact because every partial sum
is a whole number below the type's limit: float32 below 2^24, else float64 below 2^53. The neuron runs on int32 where
no intermediate can leave it, else on int64.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import torch

from neuro_deploy.engines.base import RunResult, as_sequence, result_from_records
from neuro_deploy.errors import UnsupportedError
from neuro_deploy.network import Bounds, FixedNetwork, FixedPopulation, FixedProjection, state_bounds
from neuro_deploy.numerics.registers import (
    ACTIVATION_SHIFT,
    BIAS_EXPONENT,
    DECAY_UNITY,
    FLOAT32_EXACT,
    STATE_LIMIT,
    THRESHOLD_SHIFT,
    IntArray,
)

FLOAT64_EXACT = 2**53
INT32_ROOM = 2**30
"""|u + (a_in << 6)| and |v + u + bias| below this leave int32 room for one more sum."""


class Engine:
    """torch, any device."""

    name = "native"
    batch: int | None = 64

    def __init__(self, device: str = "cpu") -> None:
        self.device = torch.device(device)

    def run(self, network: FixedNetwork, inputs: IntArray, record: Collection[str] = ()) -> RunResult:
        """See ``neuro_deploy.engines.base.Engine.run``."""
        sequence = as_sequence(network, inputs)
        bounds = state_bounds(network)
        static = sequence.strides[1] == 0 or sequence.shape[1] == 1
        entering = torch.tensor(sequence[:, :1] if static else sequence, device=self.device)
        spikes: dict[str, torch.Tensor] = {}
        if network.encoding.mode != "bias":
            spikes[network.entry] = entering
        records: dict[str, dict[str, IntArray]] = {"spikes": {}, "u": {}, "v": {}}
        with torch.inference_mode():
            for population in network.computed:
                driven = network.driven(population)
                states = self._states(
                    network, population, spikes, bounds[population.name], entering if driven else None
                )
                spikes[population.name] = states.pop("spikes")
                wanted = {"u", "v"} & set(record) | ({"v"} if population is network.output else set())
                for what in wanted:
                    records[what][population.name] = states[what].cpu().numpy().astype(np.int64)
        for population in network.computed:
            records["spikes"][population.name] = spikes[population.name].cpu().numpy()
        return result_from_records(self.name, network, inputs, records, record)

    def _states(
        self,
        network: FixedNetwork,
        population: FixedPopulation,
        spikes: dict[str, torch.Tensor],
        bounds: Bounds,
        driving: torch.Tensor | None,
    ) -> dict[str, torch.Tensor]:
        steps = network.timesteps
        samples = len(driving) if driving is not None else len(next(iter(spikes.values())))
        dtype = torch.int32 if max(bounds.u, bounds.v, STATE_LIMIT) < INT32_ROOM else torch.int64
        a_in = torch.zeros((samples, steps, population.neurons), dtype=dtype, device=self.device)
        for projection in network.inputs_of(population.name):
            self._add_input(a_in, projection, spikes[projection.source], bounds.a_in)
        bias = self._tensor(population.shifted_bias, dtype)
        offsets = bias if driving is None else bias + (driving.to(dtype) << BIAS_EXPONENT)
        return self._lif(population, a_in, offsets, dtype)

    def _add_input(self, a_in: torch.Tensor, projection: FixedProjection, spikes: torch.Tensor, largest: int) -> None:
        if largest >= FLOAT64_EXACT:
            raise UnsupportedError(f"sums reach {largest:,}, beyond exact arithmetic", where=projection.name)
        exact = torch.float32 if largest < FLOAT32_EXACT else torch.float64
        steps = a_in.shape[1]
        vectors = spikes.to(exact)
        for delay, weight in projection.by_delay:
            if delay < steps:
                sums = vectors @ self._tensor(weight, exact).T
                whole = projection.shift(sums.to(a_in.dtype))
                a_in[:, delay:] += whole if whole.shape[1] == 1 else whole[:, : steps - delay]

    def _lif(
        self, population: FixedPopulation, a_in: torch.Tensor, bias: torch.Tensor, dtype: torch.dtype
    ) -> dict[str, torch.Tensor]:
        threshold = self._tensor(population.threshold << THRESHOLD_SHIFT, dtype)
        keep_u = self._tensor(DECAY_UNITY - population.u_decay, dtype)
        keep_v = self._tensor(DECAY_UNITY - population.v_decay, dtype)
        us, vs = torch.empty_like(a_in), torch.empty_like(a_in)
        spikes = torch.empty(a_in.shape, dtype=torch.uint8, device=self.device)
        u = torch.zeros_like(a_in[:, 0])
        v = torch.zeros_like(u)
        for t in range(a_in.shape[1]):
            u = _wrap24(_decayed(u, keep_u) + (a_in[:, t] << ACTIVATION_SHIFT))
            now = bias if bias.ndim == 1 else bias[:, min(t, bias.shape[1] - 1)]
            v = torch.clamp(_decayed(v, keep_v) + u + now, -(STATE_LIMIT - 1), STATE_LIMIT - 1)
            fired = v > threshold
            v = torch.where(fired, 0, v)
            us[:, t], vs[:, t], spikes[:, t] = u, v, fired
        return {"spikes": spikes, "u": us, "v": vs}

    def _tensor(self, array: IntArray, dtype: torch.dtype) -> torch.Tensor:
        return torch.tensor(array, dtype=dtype, device=self.device)


def _decayed(state: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
    """``sgn(x) * ((|x| * keep) >> 12)`` inside int32: with |x| = 4096 h + l it is h * keep + (l * keep >> 12)."""
    size = state.abs()
    return state.sign() * ((size >> 12) * keep + (((size & 4095) * keep) >> 12))


def _wrap24(current: torch.Tensor) -> torch.Tensor:
    wrapped = torch.where(current > STATE_LIMIT, current - 2 * STATE_LIMIT, current)
    return torch.where(current <= -STATE_LIMIT, current + 2 * STATE_LIMIT, wrapped)
