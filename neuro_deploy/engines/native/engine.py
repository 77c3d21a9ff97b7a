"""Runs a plan: some samples and some timesteps at a time, population by population."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Collection, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch

from neuro_deploy.engines.base import RECORDABLE, Recorder, RunResult, as_sequence, merge
from neuro_deploy.engines.native import kernels
from neuro_deploy.engines.native.layout import from_inner, inner_shape, to_inner
from neuro_deploy.engines.native.plan import UNIT, Plan, Step, plan
from neuro_deploy.engines.native.products import Kernel, Product
from neuro_deploy.engines.native.threads import share
from neuro_deploy.errors import UsageError
from neuro_deploy.network import FixedNetwork
from neuro_deploy.numerics.registers import BIAS_EXPONENT, IntArray

AT_ONCE = 2**22
"""Neurons of the widest population times samples times timesteps that are computed at once: a few tens of MB."""
MEMORY = 2 * 2**30
"""Bytes that a run may take for what it computes at once, if not told otherwise."""
BYTES = 24
"""Of a neuron, timestep and sample while it is computed: spikes, sums, and what a convolution's kernel meets."""


class Engine:
    """The CPU, or any other device of torch.

    memory: bytes for what is computed at once. kernel: taken wherever it is exact, for tests and comparisons.
    """

    name = "native"
    batch: int | None = 64

    def __init__(self, device: str = "cpu", memory: int = MEMORY, kernel: Kernel | None = None) -> None:
        self.device = torch.device(device)
        self.kernel = kernel
        self.memory = memory
        if memory < 1:
            raise UsageError(f"memory of {memory} bytes; a positive number is wanted")

    def run(self, network: FixedNetwork, inputs: IntArray, record: Collection[str] = ()) -> RunResult:
        """See ``neuro_deploy.engines.base.Engine.run``.

        Raises:
            UnsupportedError: sums too large for exact arithmetic in float64.
        """
        made = plan(network, self.device, self.kernel)
        widest = max(population.neurons for population in network.populations)
        budget = max(1, min(AT_ONCE, self.memory // BYTES) // widest)
        samples = max(1, min(len(inputs), budget, MOST_SAMPLES))
        steps = max(1, min(network.timesteps, max(budget // samples, min(network.timesteps, FEWEST_STEPS))))
        with torch.inference_mode(), _full_precision():
            parts = (inputs[start : start + samples] for start in range(0, len(inputs), samples))
            return merge([_Run(network, made, part, self.device, record, steps).result() for part in parts])

    def explain(self, network: FixedNetwork) -> list[dict[str, Any]]:
        """Which kernel every projection and population takes, and why."""
        return plan(network.separated, self.device, self.kernel).explain()


LANES = 64
"""Blocks of neurons are multiples of this, so that compiled loops have no odd ends."""
MOST_SAMPLES = 255
"""At once: their spikes are counted in bytes."""
FEWEST_STEPS = 4
"""Timesteps at once, at least: neurons' states are read and written once for all of them."""


def _width(step: Step) -> int:
    """Neurons in a block: few enough for all threads to have some."""
    fair = -(-step.population.neurons // (LANES * torch.get_num_threads())) * LANES
    return min(kernels.BLOCK, fair)


def _outside(counts: np.ndarray, shape: tuple[int, ...]) -> IntArray:
    """Counts in the order outside, int64."""
    return from_inner(counts, shape).astype(np.int64)


@contextlib.contextmanager
def _full_precision() -> Iterator[None]:
    """No TF32 and no bfloat16 inside matrix products, whatever this process has allowed."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


class _Run:
    """Some samples. values: population -> what it sends, (samples, T or 1, *inner shape).

    One timestep stands for all of them where nothing before it changes: static samples, and relays of such. These are
    computed once (still). tails: of delayed products, the sums that arrive in timesteps to come.
    """

    def __init__(
        self,
        network: FixedNetwork,
        made: Plan,
        inputs: IntArray,
        device: torch.device,
        record: Collection[str],
        at_once: int,
    ) -> None:
        self.network, self.plan, self.device, self.at_once = network, made, device, at_once
        self.samples = len(inputs)
        self.recorder = Recorder("native", network, inputs, record)
        sequence = as_sequence(network, inputs)
        self.static = sequence.strides[1] == 0 or network.timesteps == 1
        self.entering = self._entering(sequence[:, :1] if self.static else sequence)
        self.values: dict[str, torch.Tensor] = {}
        self.still: dict[Any, torch.Tensor] = {}
        self.tails: dict[Product, torch.Tensor] = {}
        self.states: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.counts: dict[str, np.ndarray] = {}
        self.kept: dict[tuple[str, str], np.ndarray] = {}

    def result(self) -> RunResult:
        """Compute all timesteps of all populations."""
        steps = self.network.timesteps
        for start in range(0, steps, self.at_once):
            self._some(start, min(steps, start + self.at_once))
        for step in self.plan.steps:
            name, shape = step.population.name, step.population.shape
            arrays = {
                what: from_inner(self.kept[name, what], shape) for what in RECORDABLE if (name, what) in self.kept
            }
            self.recorder.add(step.population, arrays, partial(_outside, self.counts[name], shape))
        return self.recorder.result()

    def _entering(self, sequence: IntArray) -> torch.Tensor:
        """The encoded samples, in the order inside: bytes where they fit."""
        entry = self.network.population(self.network.entry)
        inside = to_inner(np.ascontiguousarray(sequence), entry.shape)
        if self.network.encoding.mode == "bias":
            return torch.tensor(inside << BIAS_EXPONENT, device=self.device)
        fits = inside.min() >= -128 and inside.max() <= 127
        dtype = torch.int8 if fits and self.device.type == "cpu" else torch.float32
        return torch.tensor(inside, dtype=dtype, device=self.device).reshape(
            *inside.shape[:2], *inner_shape(entry.shape)
        )

    def _some(self, start: int, stop: int) -> None:
        """Timesteps start to stop - 1 of all populations."""
        self.values = {}
        if self.network.encoding.mode != "bias":
            self.values[self.network.entry] = self.entering if self.static else self.entering[:, start:stop]
        for step in self.plan.steps:
            if step.population.kind == "relay":
                self._relay(step, start, stop)
            else:
                self._neurons(step, start, stop)
            for name in step.lasts:
                self.values.pop(name, None)

    def _relay(self, step: Step, start: int, stop: int) -> None:
        name = step.population.name
        counts, steps = self._counts(step)[start:stop], stop - start
        if name in self.still:
            value = self.still[name]
            counts += self._still_counts(value)
        else:
            total = self._sum(step, steps)
            static = total.shape[1] == 1 and self._is_static(step)
            here = np.zeros((1, step.population.neurons), np.uint8) if static else counts
            width = _width(step)
            flat = total.reshape(self.samples, total.shape[1], -1)
            share(kernels.relay, -(-flat.shape[2] // width), flat.size, width, flat, step.neurons.bias, here)
            value = torch.from_numpy(total).to(self.device)
            if static:
                counts += here
                self.still[name] = value
        if step.read:
            self.values[name] = value
        for what in RECORDABLE:
            if self.recorder.wants(step.population, what):
                array = value.flatten(2).cpu().numpy()
                kept = self._keep(step, what)
                kept[:, start:stop] = array != 0 if what == "spikes" else array

    def _still_counts(self, value: torch.Tensor) -> np.ndarray:
        return torch.count_nonzero(value.flatten(2), dim=0).cpu().numpy().astype(np.uint8)

    def _neurons(self, step: Step, start: int, stop: int) -> None:
        population, neurons, steps = step.population, step.neurons, stop - start
        x, factor = self._arriving(step, steps)
        dtype = np.float32 if neurons.narrow else np.float64
        bias = neurons.bias[None, None]
        if self.network.driven(population):
            data = (self.entering if self.static else self.entering[:, start:stop]).flatten(2).cpu().numpy()
            bias = (bias + data).astype(dtype)
        if population.name not in self.states:
            shape = (self.samples, population.neurons)
            self.states[population.name] = (np.zeros(shape, dtype), np.zeros(shape, dtype))
        u, v = self.states[population.name]
        spikes = np.empty((self.samples, steps, population.neurons), np.uint8)
        wanted = [what for what in ("u", "v") if self.recorder.wants(population, what)]
        kept = {what: np.empty(spikes.shape if what in wanted else (0, 0, 0), dtype) for what in ("u", "v")}
        counts, width = self._counts(step)[start:stop], _width(step)
        jobs, work = -(-population.neurons // width), spikes.size
        ends = (u, v, spikes, counts, kept["u"], kept["v"])
        parameters = (bias, neurons.threshold, neurons.ku, neurons.kv)
        if neurons.narrow:
            flags = (neurons.leaky, neurons.short)
            share(kernels.lif32, jobs, work, width, x, np.float32(factor * UNIT), *parameters, *flags, *ends)
        else:
            share(kernels.lif64, jobs, work, width, x, factor * UNIT, *parameters, *ends)
        for what in wanted:
            self._keep(step, what)[:, start:stop] = kept[what]
        if self.recorder.wants(population, "spikes"):
            self._keep(step, "spikes")[:, start:stop] = spikes
        if step.read:
            self.values[population.name] = (
                torch.from_numpy(spikes).to(self.device).reshape(self.samples, steps, *step.shape)
            )

    def _arriving(self, step: Step, steps: int) -> tuple[np.ndarray, float]:
        """(what arrives at the neurons, (samples, T or 1, neurons); what it is to be multiplied by)."""
        direct = step.direct
        if direct is not None:
            return self._sums(direct.product).flatten(2).cpu().numpy(), direct.product.factor
        total = self._sum(step, steps)
        return total.reshape(*total.shape[:2], -1), 1.0

    def _is_static(self, step: Step) -> bool:
        return all(self._static(product) for product in step.products)

    def _static(self, product: Product) -> bool:
        source = product.projection.source
        return (
            not product.delay
            and (source in self.still or (source == self.network.entry and self.static))
            and (self.network.encoding.mode != "bias" or source in self.still)
        )

    def _sums(self, product: Product) -> torch.Tensor:
        """The product's sums, (samples, T or 1, *target); those of static sources are made once."""
        if product in self.still:
            return self.still[product]
        sums = product.sums(self.values[product.projection.source])
        if self._static(product):
            self.still[product] = sums
        return sums

    def _sum(self, step: Step, steps: int) -> np.ndarray:
        """All that arrives, added up: (samples, T or 1, *shape), in the step's type."""
        length = 1 if self._is_static(step) else steps
        shape = (self.samples, length, *step.shape)
        starts = bool(step.intakes) and step.intakes[0].merged
        total = np.empty(shape, step.sums) if starts else np.zeros(shape, step.sums)
        for intake in step.intakes:
            part = self._sums(intake.product)
            if intake.product.delay:
                part = self._delayed(intake.product, part, steps)
            positions = 1 if intake.merged or len(step.shape) == 1 else math.prod(step.shape[:-1])
            rows = total.reshape(self.samples * length, positions, -1)
            x = part.reshape(-1, positions, intake.stop - intake.start).cpu().numpy()
            ends = (intake.start, intake.stop, x, intake.factor, intake.product.floor, starts)
            share(kernels.add_up, len(rows), total.size, rows, *ends)
            starts = False
        return total

    def _delayed(self, product: Product, part: torch.Tensor, steps: int) -> torch.Tensor:
        """The sums that arrive now; the latest ones wait."""
        whole = part.expand(-1, steps, *part.shape[2:])
        waiting = self.tails.get(product)
        if waiting is None:
            shape = (self.samples, product.delay, *part.shape[2:])
            waiting = torch.zeros(shape, dtype=part.dtype, device=self.device)
        both = torch.cat([waiting, whole], dim=1)
        self.tails[product] = both[:, steps:]
        return both[:, :steps]

    def _counts(self, step: Step) -> np.ndarray:
        name = step.population.name
        if name not in self.counts:
            self.counts[name] = np.zeros((self.network.timesteps, step.population.neurons), np.uint8)
        return self.counts[name]

    def _keep(self, step: Step, what: str) -> np.ndarray:
        key = step.population.name, what
        if key not in self.kept:
            shape = (self.samples, self.network.timesteps, math.prod(step.shape))
            self.kept[key] = np.empty(shape, np.uint8 if what == "spikes" else np.int64)
        return self.kept[key]
