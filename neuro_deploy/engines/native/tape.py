"""A run as the list of its calls, which a later run of as many samples makes again.

In small networks, and for few samples, Python takes as long as the loops.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from neuro_deploy.engines.base import Counts, RunResult, as_sequence, outputs_of
from neuro_deploy.engines.native.buffers import ROOM
from neuro_deploy.engines.native.layout import from_inner, seen
from neuro_deploy.engines.native.samples import fill
from neuro_deploy.engines.native.threads import Call
from neuro_deploy.network import FixedNetwork
from neuro_deploy.numerics.registers import IntArray

COPIED = 2**20
"""Bytes of counts that a result gets as a copy; more are lent to it."""
MOST = 2
"""Tapes of runs of as many samples: a result may hold one while the next run makes another."""
LINE = 64
"""Bytes of a line of the cache: populations' counts begin so far apart."""


class Tally:
    """The counts of all populations in one array, so that they are copied or lent at once.

    It does not hold the network: tapes are kept for as long as that lives.
    """

    def __init__(self, network: FixedNetwork, entering: int) -> None:
        """entering: timesteps of the input that are counted."""
        steps = {population.name: network.timesteps for population in network.populations}
        steps[network.entry] = entering
        self._timesteps, self._shapes = network.timesteps, {p.name: p.shape for p in network.populations}
        self._places: dict[str, tuple[int, int, int]] = {}
        end = 0
        for name, many in steps.items():
            neurons = network.population(name).neurons
            self._places[name] = end, many, neurons
            end += -(-many * neurons // LINE) * LINE
        self.held = np.zeros(end + ROOM, np.uint8)

    def counts(self, held: np.ndarray) -> dict[str, np.ndarray]:
        """population -> (T or 1, neurons), of an array like this one's."""
        return {name: self.of(held, name) for name in self._places}

    def told(self, held: np.ndarray) -> Counts:
        """All that tells counts, of an array like this one's."""
        return Counts({name: told(self._timesteps, self._shapes[name], self.of(held, name)) for name in self._places})

    def of(self, held: np.ndarray, name: str) -> np.ndarray:
        """One population's."""
        start, steps, neurons = self._places[name]
        return held[start : start + steps * neurons].reshape(steps, neurons)


@dataclass(frozen=True, eq=False)
class Tape:
    """calls: in order. entering: where samples go, (samples, T or 1, *inner shape). output: u, v or spikes of
    the output, (samples, T, neurons), and which of them.
    """

    calls: list[Call]
    entering: np.ndarray
    static: bool
    tally: Tally
    output: tuple[str, np.ndarray]

    def play(self, network: FixedNetwork, inputs: IntArray) -> None:
        """Run other samples."""
        counts = self.tally.of(self.tally.held, network.entry)
        counts.fill(0)
        fill(self.entering, as_sequence(network, inputs)[:, : 1 if self.static else None], 0, counts)
        for function, arguments in self.calls:
            function(*arguments)

    def result(self, network: FixedNetwork, inputs: IntArray, tapes: Tapes) -> RunResult:
        """What the run gives. tapes: where this one goes when nobody has its counts any more."""
        what, array = self.output
        outputs = outputs_of(what, from_inner(array, network.output.shape))
        lent = self.tally.held.size > COPIED
        # views of what is lent hold it, and not only what is below it
        held = np.frombuffer(self.tally.held.data, np.uint8) if lent else self.tally.held.copy()
        made = RunResult("native", len(inputs), network.timesteps, outputs, self.tally.told(held))
        tapes.made += 1
        if lent:
            weakref.finalize(held, tapes.free.append, self).atexit = False
        else:
            tapes.free.append(self)
        return made


@dataclass(eq=False)
class Tapes:
    """Of runs of as many samples. free: those whose counts nobody has. made: all but those that play."""

    free: list[Tape] = field(default_factory=list)
    made: int = 0

    def take(self) -> Tape | None:
        """One that is free, for whoever takes it first; it comes back with its result."""
        try:
            tape = self.free.pop()
        except IndexError:
            return None
        self.made -= 1
        return tape


def told(timesteps: int, shape: tuple[int, ...], counts: np.ndarray) -> Callable[[], np.ndarray]:
    """What tells counts, (T or 1, neurons) in the order inside; 1 where every timestep is alike."""
    if len(counts) == timesteps:
        return partial(seen, counts, shape)
    return lambda: seen(counts, shape).repeat(timesteps // len(counts), axis=0)
