"""Some samples through a plan: some timesteps at a time, population by population."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import numpy as np

from neuro_deploy.engines.base import RECORDABLE, Counts, Recorder, RunResult, as_sequence
from neuro_deploy.engines.native import adding, dot8, kernels
from neuro_deploy.engines.native.arriving import NOTHING, Arrivals, flat
from neuro_deploy.engines.native.buffers import roomy
from neuro_deploy.engines.native.fusion import Fused
from neuro_deploy.engines.native.layout import from_inner, inner_shape
from neuro_deploy.engines.native.plan import Plan, Step
from neuro_deploy.engines.native.samples import biases, entry_type, fill
from neuro_deploy.engines.native.tape import Tally, Tape, told
from neuro_deploy.engines.native.threads import EACH, Call, deal, do, noted, threads
from neuro_deploy.network import FixedNetwork, FixedPopulation
from neuro_deploy.numerics.registers import IntArray

NO_STATES, NO_COUNTS = np.empty((0, 0), np.float32), np.empty((0, 0), np.uint8)
NOTHING8 = np.empty((0, 0, 0), np.uint8)
NO_VALUES = np.empty(0, np.float32)
NO_NEURONS = (
    *(NO_VALUES, NOTHING, NO_VALUES, NOTHING, NO_VALUES, NO_VALUES, NO_VALUES),
    *(False, True, True, True, NO_STATES, NO_STATES, NOTHING8, NO_COUNTS),
)
"""What ``dot8.relay8`` gets of neurons where there are none."""


class Run(Arrivals):
    """All timesteps of some samples. counts: population -> (T, neurons). paired: computed with a relay before them."""

    def __init__(
        self,
        network: FixedNetwork,
        plan: Plan,
        inputs: IntArray,
        record: Collection[str],
        at_once: int,
        counts: dict[str, np.ndarray] | None = None,
        *,
        noting: bool = False,
    ) -> None:
        """counts: of runs before this one, to which its own are added; None: it is the only one.

        noting: make a tape, of a run on the CPU that keeps nothing.
        """
        super().__init__(network, plan, inputs)
        self.plan, self.at_once = plan, at_once
        self.recorder = Recorder("native", network, inputs, record)
        self.states: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.paired: set[str] = set()
        self.alone, self.noting = counts is None, noting
        self.counts: dict[str, np.ndarray] = {} if counts is None else counts
        sequence = as_sequence(network, inputs)
        once = sequence[:, :1] if self.static else sequence
        if noting:
            self.tally = Tally(network, once.shape[1])
            self.counts = self.tally.counts(self.tally.held)
        self.sequence = biases(network, once) if network.encoding.mode == "bias" else once
        self.once: dict[str, np.ndarray] = {}
        self.kept: dict[tuple[str, str], np.ndarray] = {}
        self.output: tuple[str, np.ndarray] | None = None

    def tape(self) -> Tape | None:
        """Compute all populations; the tape of that, unless something cannot be noted."""
        calls = list[Call]()
        self._enter(0, self.network.timesteps)
        with noted(calls) as complete:
            self._some(0, self.network.timesteps)
            if complete() and self.output:
                return Tape(calls, self.entering, self.static, self.tally, self.output)
        return None

    def result(self, *, last: bool = True) -> RunResult:
        """Compute what is not computed yet. last: whether it tells the counts; else a later run does."""
        steps = self.network.timesteps
        for start in range(0, 0 if self.noting else steps, self.at_once):
            self._enter(start, min(steps, start + self.at_once))
            self._some(start, min(steps, start + self.at_once))
        for step in self.plan.steps:
            name, shape = step.population.name, step.population.shape
            arrays = {
                what: from_inner(self.kept[name, what], shape) for what in RECORDABLE if (name, what) in self.kept
            }
            self.recorder.add(step.population, arrays, self._told(step.population))
        if self.network.encoding.mode != "bias":
            entry = self.network.population(self.network.entry)
            self.recorder.counted(entry, self._told(entry))
        self.buffers.over()
        self.plan.spare.append(self.buffers)
        made = self.recorder.result()
        return made if last else replace(made, counts=Counts({}))

    def _told(self, population: FixedPopulation) -> Callable[[], np.ndarray]:
        return told(self.network.timesteps, population.shape, self.counts[population.name])

    def _enter(self, start: int, stop: int) -> None:
        """Timesteps start to stop - 1 of the samples; what is static enters once."""
        if self.network.encoding.mode == "bias":
            return
        entry = self.network.population(self.network.entry)
        if entry.name not in self.counts:
            self.counts[entry.name] = np.zeros((self.sequence.shape[1], entry.neurons), np.uint8)
        if start == 0 or not self.static:
            counts = self.counts[entry.name][: 1 if self.static else None][start:stop]
            take = roomy if self.static else self.buffers.take  # what is static stays, whoever lets it go
            self.entering = take((self.samples, len(counts), *inner_shape(entry.shape)), entry_type(self.network))
            fill(self.entering, self.sequence, start, counts)
        self.values[entry.name] = self.entering

    def _some(self, start: int, stop: int) -> None:
        """Timesteps start to stop - 1 of all populations."""
        for step in self.plan.steps:
            if step.population.kind == "relay":
                self._relay(step, start, stop)
            else:
                self._neurons(step, start, stop)
            for name in step.lasts:
                self.let_go(name)

    def _relay(self, step: Step, start: int, stop: int) -> None:
        name, counts = step.population.name, self._counts(step)[start:stop]
        value = self.still.get(name)
        if value is None:
            value = self._sent(step, start, stop, counts)
        else:
            counts += self.once[name]
        if step.read and value.size:
            self.values[name] = value
        for what in (what for what in RECORDABLE if self.recorder.wants(step.population, what)):
            every = flat(value)
            self._keep(step, what)[:, start:stop] = every != 0 if what == "spikes" else every
        if not step.read and name not in self.still:
            self.buffers.give(value)

    def _sent(self, step: Step, start: int, stop: int, counts: np.ndarray) -> np.ndarray:
        """What a relay sends, (samples, T or 1, *shape), or no samples if nobody wants it any more; counted."""
        static = all(self._static(intake.product) for intake in step.intakes)
        here = np.zeros((1, step.population.neurons), np.uint8) if static else counts
        if step.fused and step.direct:
            pair = None if static else self._pair(step)
            shape = (self.samples, len(here), step.population.neurons)
            total = np.empty((0, *shape[1:]), step.sums) if pair and pair.sole else self.buffers.take(shape, step.sums)
            flags = (step.whole, step.alike)
            rest = (step.direct[1], *self._extra(step), step.neurons.bias, *flags, total, here, self.noting)
            neurons = self._neurons_with(step, pair, start, stop) if pair else NO_NEURONS
            self._fused(step.fused, self._shared(step.fused), (*rest, *neurons))
            if pair:
                self.paired.add(pair.population.name)
                self._fired(pair, *neurons[-4:-1])
        else:
            self._from_zero(here)
            total = self._relayed(step, stop - start, here)
        value = total.reshape(*total.shape[:2], *step.shape)
        if static:
            self._from_zero(counts)
            do(np.add, counts, here, counts)
            self.once[step.population.name] = here
            self.still[step.population.name] = value
        return value

    def _pair(self, step: Step) -> Step | None:
        """The neurons that are computed with a relay: none of a run that keeps what passes between the two."""
        pair = self.plan.pairs.get(step.population.name)
        both = (step.population, pair.population) if pair else ()
        return None if any(self.recorder.wants(each, what) for each in both for what in RECORDABLE) else pair

    def _neurons_with(self, step: Step, pair: Step, start: int, stop: int) -> tuple[Any, ...]:
        """What the relay's loop gets of the neurons that it feeds one to one."""
        u, v, fresh = self._states(pair)
        spikes, counts = self._spikes(pair, start, stop)
        factor, beside = pair.split(step.population.name)
        other = (flat(self._sums(beside[0])), beside[1]) if beside else (NOTHING, pair.ones)
        return (factor, *other, *self._parameters(pair, start, stop, fresh=fresh), u, v, spikes, counts)

    def _parameters(self, step: Step, start: int, stop: int, *, fresh: bool) -> tuple[Any, ...]:
        """What loops get of neurons between what arrives and their states."""
        neurons, bias = step.neurons, self._bias(step, start, stop)
        return (bias, neurons.threshold, neurons.ku, neurons.kv, neurons.leaky, step.whole, step.alike, fresh)

    def _relayed(self, step: Step, steps: int, counts: np.ndarray) -> np.ndarray:
        x, factor = self._arriving(step, steps)
        mine = x.dtype == step.sums and step.direct is None
        total = x if mine else self.buffers.take(x.shape, step.sums)
        deal(adding.relay, step.jobs, EACH * x.size, step.width, x, factor, step.neurons.bias, total, counts)
        if not mine:
            self._used(step, x)
        return total

    def _neurons(self, step: Step, start: int, stop: int) -> None:
        if step.population.name in self.paired:
            self.paired.remove(step.population.name)
            return
        population, steps = step.population, stop - start
        wanted = [what for what in ("u", "v") if self.recorder.wants(population, what)]
        u, v, fresh = self._states(step, wanted)
        spikes, counts = self._spikes(step, start, stop)
        kept = {
            what: np.empty(spikes.shape if what in wanted else (0, 0, 0), step.neurons.dtype) for what in ("u", "v")
        }
        parameters = self._parameters(step, start, stop, fresh=fresh)
        if step.fused and step.direct:
            shared = self._shared(step.fused)
            several = shared[0] > 1
            apart = self._apart(step.fused, counts, several=several)
            ends = (u, v, spikes, apart, self.noting and not several, kept["u"], kept["v"])
            self._fused(step.fused, shared, (step.direct[1], *parameters, *ends))
            if several:
                do(adding.together, apart, counts, self.noting)
                self.buffers.give(apart)
        else:
            x, factor = self._arriving(step, steps)
            self._from_zero(counts)
            rest = (*self._extra(step), *parameters, u, v, spikes, counts, kept["u"], kept["v"])
            deal(kernels.lif, step.jobs, EACH * spikes.size, step.width, x, factor, *rest)
            self._used(step, x)
        for what in wanted:
            self._keep(step, what)[:, start:stop] = kept[what]
            self.output = what, kept[what]
        if self.recorder.wants(population, "spikes"):
            self._keep(step, "spikes")[:, start:stop] = spikes
            self.output = "spikes", spikes
        self._fired(step, u, v, spikes)

    def _fired(self, step: Step, u: np.ndarray, v: np.ndarray, spikes: np.ndarray) -> None:
        """What neurons send, and states that nobody needs any more."""
        if self.at_once >= self.network.timesteps and u.size:
            self.buffers.give(u)
            self.buffers.give(v)
        if step.read:
            self.values[step.population.name] = spikes.reshape(*spikes.shape[:2], *step.shape)
        else:
            self.buffers.give(spikes)

    def _shared(self, fused: Fused) -> tuple[int, int, tuple[int, ...]]:
        return fused.shared(self.samples, min(self.at_once, self.network.timesteps))

    def _apart(self, fused: Fused, counts: np.ndarray, *, several: bool) -> np.ndarray:
        """Where its loop counts spikes: ``lif8``, if several groups share out samples, in each thread apart."""
        if not several:
            here = counts[None] if counts.size else NOTHING8
            return here if fused.loop is dot8.lif8 else counts
        apart = self.buffers.take((threads(), *counts.shape), np.uint8)
        do(apart.fill, 0)
        return apart

    def _from_zero(self, counts: np.ndarray) -> None:
        """Runs that are made again find what the one before counted."""
        if self.noting:
            do(counts.fill, 0)

    def _fused(self, fused: Fused, shared: tuple[int, int, tuple[int, ...]], rest: tuple[Any, ...]) -> None:
        """A product and what it feeds in one loop."""
        self._provide(fused.product)
        source, segments, lent = fused.product.bytes(self.values, self.buffers)
        packed = fused.product.packed
        if packed is not None:
            work = source.size // packed.per * packed.work
            groups, jobs, sizes = shared
            deal(fused.loop, groups * jobs, work, *sizes, source, *packed.arguments(segments), *fused.more, *rest)
        if lent:
            self.buffers.give(source)

    def _spikes(self, step: Step, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Where spikes go, (samples, T, neurons), and their counts, (T, neurons): none if they are the spikes."""
        shape = (self.samples, stop - start, step.population.neurons)
        if not self._writes(step):
            return self.buffers.take(shape, np.uint8), self._counts(step)[start:stop]
        if self.noting:
            return self._counts(step)[None], NO_COUNTS
        spikes = self.buffers.lend(shape, np.uint8)
        self.counts[step.population.name] = spikes[0]
        return spikes, NO_COUNTS

    def _writes(self, step: Step) -> bool:
        """Whether its spikes are its counts: those of one sample, all timesteps at once."""
        whole = self.samples == 1 and self.alone and self.at_once >= self.network.timesteps
        return whole and step.population.kind != "relay"

    def _states(self, step: Step, wanted: Collection[str] = ()) -> tuple[np.ndarray, np.ndarray, bool]:
        """(u, v, whether they are to be taken for 0): (samples, neurons) each; none if nobody needs them afterwards."""
        none = np.empty((0, 0), step.neurons.dtype)
        if not wanted and self.at_once >= self.network.timesteps:
            return none, none, True
        name, shape = step.population.name, (self.samples, step.population.neurons)
        if name in self.states:
            return (*self.states[name], False)
        u, v = self.buffers.take(shape, none.dtype), self.buffers.take(shape, none.dtype)
        if self.at_once < self.network.timesteps:
            self.states[name] = u, v
        return u, v, True

    def _bias(self, step: Step, start: int, stop: int) -> np.ndarray:
        """What enters v: (samples or 1, T or 1, neurons)."""
        bias = step.neurons.bias
        if not self.network.driven(step.population):
            return bias[None, None]
        bias = np.resize(bias, step.population.neurons)
        data = self.sequence if self.static else self.sequence[:, start:stop]
        driven: np.ndarray = (bias + data).astype(step.neurons.dtype)
        return driven

    def _counts(self, step: Step) -> np.ndarray:
        name = step.population.name
        if name not in self.counts:
            self.counts[name] = np.zeros((self.network.timesteps, step.population.neurons), np.uint8)
        return self.counts[name]

    def _keep(self, step: Step, what: str) -> np.ndarray:
        key = step.population.name, what
        if key not in self.kept:
            shape = (self.samples, self.network.timesteps, step.population.neurons)
            self.kept[key] = np.empty(shape, np.uint8 if what == "spikes" else np.int64)
        return self.kept[key]
