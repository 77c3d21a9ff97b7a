"""The native engine: torch, batched over samples, layer by layer over all timesteps at once.

The weights meet ``samples * T`` spike vectors in one floating-point product (synapses.py), the neurons run on whole
numbers in floating point (neurons.py); both only where exactness is proven, for each projection and each population.
Spikes are let go when their last reader has read them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import torch

from neuro_deploy.engines.base import Recorder, RunResult, as_sequence, merge
from neuro_deploy.engines.exact import largest_states, largest_sum
from neuro_deploy.engines.neurons import lif, state_type
from neuro_deploy.engines.synapses import synaptic_input
from neuro_deploy.network import FixedNetwork, FixedPopulation, state_bounds
from neuro_deploy.numerics.registers import BIAS_EXPONENT, IntArray

AT_A_TIME = 2**24
"""Neurons times timesteps times samples of one population that are computed together; about 30 bytes each."""


class Engine:
    """torch, any device."""

    name = "native"
    batch: int | None = 64

    def __init__(self, device: str = "cpu") -> None:
        self.device = torch.device(device)

    def run(self, network: FixedNetwork, inputs: IntArray, record: Collection[str] = ()) -> RunResult:
        """See ``neuro_deploy.engines.base.Engine.run``.

        Raises:
            UnsupportedError: sums too large for exact arithmetic in float64.
        """
        widest = max(population.neurons for population in network.populations)
        size = max(1, AT_A_TIME // (widest * network.timesteps))
        with torch.inference_mode(), _full_precision():
            parts = [inputs[start : start + size] for start in range(0, len(inputs), size)]
            return merge([_Run(network, part, self.device, record).result() for part in parts])


@contextlib.contextmanager
def _full_precision() -> Iterator[None]:
    """No TF32 and no bfloat16 inside matrix products, whatever this process has allowed."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@dataclass
class _Run:
    """One pass of some samples through a network. sent: population -> what it sends, (samples, T or 1, neurons).

    One timestep stands for all of them where nothing before it changes: static samples, and relays of such.
    """

    network: FixedNetwork
    inputs: IntArray
    device: torch.device
    record: Collection[str]
    sent: dict[str, torch.Tensor] = field(default_factory=dict)

    def result(self) -> RunResult:
        """Compute all populations, in order."""
        network = self.network
        self.recorder = Recorder(Engine.name, network, self.inputs, self.record)
        sequence = as_sequence(network, self.inputs)
        self.entering = torch.tensor(sequence[:, :1] if sequence.strides[1] == 0 else sequence, device=self.device)
        if network.encoding.mode != "bias":
            self.sent[network.entry] = self.entering
        last_reader = {p.source: q.name for q in network.computed for p in network.inputs_of(q.name)}
        for population in network.computed:
            states = self._relay(population) if population.kind == "relay" else self._neurons(population)
            self._record(population, states)
            if population.name in last_reader:
                self.sent[population.name] = states["u" if population.kind == "relay" else "spikes"]
            for name in [name for name in self.sent if last_reader.get(name) == population.name]:
                del self.sent[name]
        return self.recorder.result()

    def _neurons(self, population: FixedPopulation) -> dict[str, torch.Tensor]:
        bounds = state_bounds(self.network)[population.name]
        driven = self.network.driven(population)
        reach = self.network.encoding.reach if self.network.encoding.mode == "bias" and driven else 0
        dtype = state_type(population, largest_states(population, bounds, self.network.timesteps, reach))
        a_in = self._a_in(population, dtype)
        bias = torch.tensor(population.shifted_bias, dtype=dtype, device=self.device)
        if driven:
            bias = bias + (self.entering << BIAS_EXPONENT).to(dtype)
        keep = [what for what in ("u", "v") if self.recorder.wants(population, what)]
        return lif(population, a_in, bias, self.network.timesteps, bounded=bounds.exact, keep=keep)

    def _relay(self, population: FixedPopulation) -> dict[str, torch.Tensor]:
        bounds = state_bounds(self.network)[population.name]
        dtype = state_type(population, largest_states(population, bounds, self.network.timesteps))
        value = self._a_in(population, dtype).add_(torch.tensor(population.bias, dtype=dtype, device=self.device))
        return {"u": value, "v": value, "spikes": value != 0}

    def _a_in(self, population: FixedPopulation, dtype: torch.dtype) -> torch.Tensor:
        """What arrives: (samples, T or 1, neurons), in this type."""
        projections = self.network.inputs_of(population.name)
        static = all(self.sent[p.source].shape[1] == 1 and not p.max_delay for p in projections)
        steps = 1 if static else self.network.timesteps
        shape = (len(self.inputs), steps, population.neurons)
        a_in: torch.Tensor | None = None
        for projection in projections:
            largest = largest_sum(self.network, projection)
            for delay, sums in synaptic_input(projection, self.sent[projection.source], largest):
                if a_in is None and sums.shape == shape and not delay:  # the first one that is whole needs no zeros
                    a_in = sums.to(dtype)
                elif delay < steps:
                    a_in = torch.zeros(shape, dtype=dtype, device=self.device) if a_in is None else a_in
                    arriving = sums if sums.shape[1] == 1 else sums[:, : steps - delay]
                    a_in[:, delay:, projection.geometry.targets] += arriving.to(dtype)
        return torch.zeros(shape, dtype=dtype, device=self.device) if a_in is None else a_in

    def _record(self, population: FixedPopulation, states: dict[str, torch.Tensor]) -> None:
        """Hand over what the recorder wants, and the counts."""
        wanted = [what for what in ("spikes", "u", "v") if self.recorder.wants(population, what)]
        steps = self.network.timesteps
        arrays = {what: states[what].expand(-1, steps, -1) for what in wanted}
        fired = states["spikes"]
        counts = (fired[0] if len(fired) == 1 else fired.sum(dim=0)).to(torch.int64).expand(steps, -1)
        self.recorder.add(
            population, {what: array.cpu().numpy() for what, array in arrays.items()}, counts.cpu().numpy()
        )
