"""The engine: how many samples and timesteps are computed at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from math import inf
from numbers import Real
from typing import Any

import numpy as np

from neuro_deploy.engines.base import RunResult, merge
from neuro_deploy.engines.native.plan import Plan, plan
from neuro_deploy.engines.native.products import Kernel
from neuro_deploy.engines.native.run import Run
from neuro_deploy.engines.native.samples import still
from neuro_deploy.engines.native.tape import COPIED, MOST
from neuro_deploy.errors import UsageError
from neuro_deploy.network import FixedNetwork
from neuro_deploy.numerics.registers import IntArray

SOME = 2**28
"""Neurons times timesteps times samples between two signs of progress."""
FEWEST = 4
"""Samples between them, at least: a product of several takes less time for each."""
AT_ONCE = 2**23
"""Neurons of the widest population times samples times timesteps that are computed at once: a few tens of MB."""
ENOUGH = 16
"""Samples that are computed with all their timesteps, if so many can be, rather than more with some of them."""
MEMORY = 2 * 2**30
"""Bytes that a run may take for what it computes at once, if not told otherwise."""
BYTES = 24
"""Of a neuron, timestep and sample while it is computed: spikes, sums, and what a convolution's kernel meets."""


class Engine:
    """The CPU, or any other device of torch.

    memory: bytes for what is computed at once. kernel: taken wherever it is exact, for tests and comparisons.
    """

    name = "native"

    def __init__(self, device: str = "cpu", memory: int = MEMORY, kernel: Kernel | None = None) -> None:
        self.device = _usable(device)
        self.kernel = kernel
        if not isinstance(memory, Real) or not 1 <= memory < inf:
            raise UsageError(f"memory of {memory!r} bytes; a positive number is wanted")
        self.memory: int = int(memory)

    def batch(self, network: FixedNetwork) -> int:
        """See ``neuro_deploy.engines.base.Engine.batch``: what takes a fraction of a second."""
        return max(FEWEST, min(MOST_SAMPLES, SOME // (network.timesteps * sum(p.neurons for p in network.populations))))

    def run(self, network: FixedNetwork, inputs: IntArray, record: Collection[str] = ()) -> RunResult:
        """See ``neuro_deploy.engines.base.Engine.run``.

        Raises:
            UnsupportedError: sums too large for exact arithmetic in float64.
        """
        made = plan(network, self.device, self.kernel)
        widest = max(made.widest, network.population(network.entry).neurons)
        samples, steps = _at_once(len(inputs), network.timesteps, min(AT_ONCE, self.memory // BYTES) // widest)
        return merge(self._parts(network, made, inputs, record, samples, steps))

    def _parts(
        self, network: FixedNetwork, made: Plan, inputs: IntArray, record: Collection[str], samples: int, steps: int
    ) -> Iterator[RunResult]:
        """Some samples and timesteps at a time; counts of as many samples as bytes hold come together."""
        parts = [inputs[start : start + samples] for start in range(0, len(inputs), samples)]
        few = len(parts) == 1 or network.timesteps * sum(p.neurons for p in network.populations) <= COPIED
        if few and steps == network.timesteps and self._notes(network, record):
            for part in parts:
                yield self._again(network, made, part)
            return
        together = max(1, MOST_SAMPLES // samples)
        for first in range(0, len(parts), together):
            some = parts[first : first + together]
            counts: dict[str, np.ndarray] | None = {} if len(some) > 1 else None
            for part in some:
                yield Run(network, made, part, record, steps, counts).result(last=part is some[-1])

    def _notes(self, network: FixedNetwork, record: Collection[str]) -> bool:
        """Whether a run's calls can be noted."""
        return self.device == "cpu" and not record and network.encoding.mode != "bias"

    def _again(self, network: FixedNetwork, made: Plan, inputs: IntArray) -> RunResult:
        """A run that is like an earlier one, or is noted for later ones, unless there are enough of these."""
        tapes = made.noted(inputs.shape, static=still(network, inputs))
        tape = tapes.take()
        if tape:
            tape.play(network, inputs)
            return tape.result(network, inputs, tapes)
        run = Run(network, made, inputs, (), network.timesteps, noting=tapes.made < MOST)
        new = run.tape() if run.noting else None
        return new.result(network, inputs, tapes) if new else run.result()

    def explain(self, network: FixedNetwork) -> list[dict[str, Any]]:
        """Which kernel every projection and population takes, and why."""
        return plan(network.separated, self.device, self.kernel).explain()


MOST_SAMPLES = 255
"""At once: their spikes are counted in bytes."""
FEWEST_STEPS = 4
"""Timesteps at once, at least: neurons' states are read and written once for all of them."""


def _at_once(samples: int, timesteps: int, budget: int) -> tuple[int, int]:
    """(samples, timesteps) that are computed at once. budget: how many timesteps of a sample."""
    some = max(1, min(samples, budget, MOST_SAMPLES))
    steps = max(1, min(timesteps, max(budget // some, min(timesteps, FEWEST_STEPS))))
    if steps < timesteps and budget // timesteps >= ENOUGH:
        parts = -(-samples // min(MOST_SAMPLES, budget // timesteps))
        return -(-samples // parts), timesteps
    return some, steps


def _usable(device: str) -> str:
    if device != "cpu":
        from neuro_deploy.engines.native.by_torch import usable  # torch takes long to load

        return usable(device)
    return device
