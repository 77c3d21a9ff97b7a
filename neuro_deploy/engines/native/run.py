"""Some samples through a plan: some timesteps at a time, population by population."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from neuro_deploy.engines.base import RECORDABLE, Recorder, RunResult, as_sequence
from neuro_deploy.engines.native import dot8, kernels
from neuro_deploy.engines.native.buffers import Buffers
from neuro_deploy.engines.native.fusion import Fused
from neuro_deploy.engines.native.layout import from_inner
from neuro_deploy.engines.native.plan import Plan, Step
from neuro_deploy.engines.native.products import Product, side_by_side
from neuro_deploy.engines.native.samples import entering
from neuro_deploy.engines.native.tape import Tally, Tape, told
from neuro_deploy.engines.native.threads import EACH, Call, deal, do, note, noted, share, unnoted
from neuro_deploy.network import FixedNetwork, FixedPopulation
from neuro_deploy.numerics.registers import IntArray

NO_STATES, NO_COUNTS = np.empty((0, 0), np.float32), np.empty((0, 0), np.uint8)
NOTHING, NOTHING64, NOTHING8 = (np.empty((0, 0, 0), kind) for kind in (np.float32, np.float64, np.uint8))


class Run:
    """values: population -> what it sends, (samples, T or 1, *inner shape).

    One timestep stands for all of them where nothing before it changes: static samples, and relays of such. These are
    computed once (still). tails: of delayed products, the sums that arrive in timesteps to come.
    """

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
        self.network, self.plan, self.at_once = network, plan, at_once
        self.samples = len(inputs)
        self.recorder = Recorder("native", network, inputs, record)
        sequence = as_sequence(network, inputs)
        self.static = sequence.strides[1] == 0 or network.timesteps == 1
        self.buffers: Buffers = plan.lend()
        self.values: dict[str, np.ndarray] = {}
        self.together: dict[str, list[str]] = {}
        self.still: dict[str | Product, np.ndarray] = {}
        self.tails: dict[Product, np.ndarray] = {}
        self.states: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.alone, self.noting = counts is None, noting
        self.counts: dict[str, np.ndarray] = {} if counts is None else counts
        once = sequence[:, :1] if self.static else sequence
        if noting:
            written = {step.population.name for step in plan.steps if self._writes(step)}
            self.tally = Tally(network, once.shape[1], written)
            self.counts = self.tally.counts(self.tally.held)
        self.entering = entering(network, once, self.counts)
        self.once: dict[str, np.ndarray] = {}
        self.kept: dict[tuple[str, str], np.ndarray] = {}
        self.output: tuple[str, np.ndarray] | None = None

    def tape(self) -> Tape | None:
        """Compute all populations; the tape of that, unless something cannot be noted."""
        calls = list[Call]()
        with noted(calls) as complete:
            self._some(0, self.network.timesteps)
            if complete() and self.output:
                return Tape(calls, self.entering, self.static, self.tally, self.output)
        return None

    def result(self, *, last: bool = True) -> RunResult:
        """Compute what is not computed yet. last: whether it tells the counts; else they count as 0."""
        steps = self.network.timesteps
        for start in range(0, 0 if self.noting else steps, self.at_once):
            self._some(start, min(steps, start + self.at_once))
        for step in self.plan.steps:
            name, shape = step.population.name, step.population.shape
            arrays = {
                what: from_inner(self.kept[name, what], shape) for what in RECORDABLE if (name, what) in self.kept
            }
            self.recorder.add(step.population, arrays, self._told(step.population, last))
        if self.network.encoding.mode != "bias":
            entry = self.network.population(self.network.entry)
            self.recorder.counted(entry, self._told(entry, last))
        self.plan.spare.append(self.buffers)
        return self.recorder.result()

    def _told(self, population: FixedPopulation, last: bool) -> Callable[[], np.ndarray]:
        counts = self.counts[population.name] if last else np.zeros((1, population.neurons), np.uint8)
        return told(self.network, population, counts)

    def _some(self, start: int, stop: int) -> None:
        """Timesteps start to stop - 1 of all populations."""
        if self.network.encoding.mode != "bias":
            self.values[self.network.entry] = self.entering if self.static else self.entering[:, start:stop]
        for step in self.plan.steps:
            if step.population.kind == "relay":
                self._relay(step, start, stop)
            else:
                self._neurons(step, start, stop)
            for name in (*step.lasts, *(whole for whole, parts in self.together.items() if {*parts} & {*step.lasts})):
                value = self.values.pop(name, None)
                self.together.pop(name, None)
                if value is not None and name not in self.still:
                    self.buffers.give(value)

    def _relay(self, step: Step, start: int, stop: int) -> None:
        name, counts = step.population.name, self._counts(step)[start:stop]
        value = self.still.get(name)
        if value is None:
            value = self._sent(step, stop - start, counts)
        else:
            counts += self.once[name]
        if step.read:
            self.values[name] = value
        for what in (what for what in RECORDABLE if self.recorder.wants(step.population, what)):
            flat = _flat(value)
            self._keep(step, what)[:, start:stop] = flat != 0 if what == "spikes" else flat

    def _sent(self, step: Step, steps: int, counts: np.ndarray) -> np.ndarray:
        """What a relay sends, (samples, T or 1, *shape); counted."""
        static = all(self._static(intake.product) for intake in step.intakes)
        here = np.zeros((1, step.population.neurons), np.uint8) if static else counts
        note(here.fill, 0)
        if step.fused and step.direct:
            total = self.buffers.take((self.samples, len(here), step.population.neurons), step.sums)
            self._fused(step.fused, (step.direct[1], *self._extra(step), step.neurons.bias, step.alike, total, here))
        else:
            total = self._relayed(step, steps, here)
        value = total.reshape(*total.shape[:2], *step.shape)
        if static:
            do(np.add, counts, here, counts)
            self.once[step.population.name] = here
            self.still[step.population.name] = value
        return value

    def _relayed(self, step: Step, steps: int, counts: np.ndarray) -> np.ndarray:
        x, factor = self._arriving(step, steps)
        mine = x.dtype == step.sums and step.direct is None
        total = x if mine else self.buffers.take(x.shape, step.sums)
        deal(kernels.relay, step.jobs, EACH * x.size, step.width, x, factor, step.neurons.bias, total, counts)
        if not mine:
            self._let_go(step, x)
        return total

    def _neurons(self, step: Step, start: int, stop: int) -> None:
        population, neurons, steps = step.population, step.neurons, stop - start
        dtype = np.float32 if neurons.narrow else np.float64
        wanted = [what for what in ("u", "v") if self.recorder.wants(population, what)]
        u, v, fresh = (NO_STATES, NO_STATES, True) if self._forgets(step, wanted) else self._states(step, dtype)
        spikes, counts = self._spikes(step, start, stop)
        none = NOTHING if neurons.narrow else NOTHING64
        kept = {what: np.empty(spikes.shape, dtype) if what in wanted else none for what in ("u", "v")}
        parameters = (self._bias(step, start, stop, dtype), neurons.threshold, neurons.ku, neurons.kv)
        flags = (neurons.leaky, step.whole, step.alike, fresh) if neurons.narrow else (fresh,)
        if step.fused and step.direct:
            apart = self._apart(step.fused, counts)
            self._fused(step.fused, (step.direct[1], *parameters, *flags, u, v, spikes, apart, kept["u"], kept["v"]))
            self._together(apart, counts)
        else:
            x, factor = self._arriving(step, steps)
            extra = self._extra(step) if neurons.narrow else ()
            loop = kernels.lif32 if neurons.narrow else kernels.lif64
            ends = (u, v, spikes, counts, kept["u"], kept["v"])
            deal(loop, step.jobs, EACH * spikes.size, step.width, x, factor, *extra, *parameters, *flags, *ends)
            self._let_go(step, x)
        for what in wanted:
            self._keep(step, what)[:, start:stop] = kept[what]
            self.output = what, kept[what]
        if self.recorder.wants(population, "spikes"):
            self._keep(step, "spikes")[:, start:stop] = spikes
            self.output = "spikes", spikes
        if self.at_once >= self.network.timesteps and u is not NO_STATES:
            self.buffers.give(u)
            self.buffers.give(v)
        if step.read:
            shape = (self.samples, steps, *step.shape)
            self.values[population.name] = spikes.reshape(shape)
        else:
            self.buffers.give(spikes)

    def _apart(self, fused: Fused, counts: np.ndarray) -> np.ndarray:
        """Where its loop counts spikes: for ``lif8`` of each group of samples apart."""
        groups, _, _ = fused.shared(self.samples, min(self.at_once, self.network.timesteps))
        if groups == 1:
            return (
                counts
                if fused.loop is not dot8.lif8
                else counts.reshape(-1, *counts.shape)
                if counts.size
                else NOTHING8
            )
        apart = self.buffers.take((groups, *counts.shape), np.uint8)
        do(apart.fill, 0)
        return apart

    def _together(self, apart: np.ndarray, counts: np.ndarray) -> None:
        """Add up what groups of samples counted."""
        if apart.ndim == 3 and len(apart) > 1:
            total = self.buffers.take(counts.shape, np.uint8)
            do(np.add.reduce, apart, 0, np.uint8, total)
            do(np.add, counts, total, counts)
            self.buffers.give(apart)
            self.buffers.give(total)

    def _fused(self, fused: Fused, rest: tuple[Any, ...]) -> None:
        """A product and what it feeds in one loop."""
        self._provide(fused.product)
        source, segments, lent = fused.product.bytes(self.values, self.buffers)
        packed = fused.product.packed
        if packed is not None:
            work = source.size // packed.per * packed.work
            groups, jobs, sizes = fused.shared(self.samples, min(self.at_once, self.network.timesteps))
            deal(fused.loop, groups * jobs, work, *sizes, source, *packed.arguments(segments), *fused.more, *rest)
        if lent:
            self.buffers.give(source)

    def _provide(self, product: Product) -> None:
        """Put its sources side by side, if it wants them so and nobody has done it yet."""
        if product.beside and product.source not in self.values:
            names = [projection.source for projection in product.projections]
            each = [self.values[name] for name in names]
            self.values[product.source] = side_by_side(each, [None] * len(each), self.buffers)
            self.together[product.source] = names

    def _extra(self, step: Step) -> tuple[np.ndarray, np.ndarray]:
        """What is added to what arrives, and its factor."""
        if step.extra is None:
            return NOTHING, step.ones
        return _flat(self._sums(step.extra[0])), step.extra[1]

    def _forgets(self, step: Step, wanted: list[str]) -> bool:
        """Whether nobody wants the states of neurons after the loop."""
        return step.neurons.narrow and not wanted and self.at_once >= self.network.timesteps

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
        return whole and step.population.kind != "relay" and step.neurons.narrow

    def _states(self, step: Step, dtype: type) -> tuple[np.ndarray, np.ndarray, bool]:
        """(u, v, whether they are to be taken for 0): (samples, neurons) each."""
        name, shape = step.population.name, (self.samples, step.population.neurons)
        if name in self.states:
            return (*self.states[name], False)
        u, v = self.buffers.take(shape, dtype), self.buffers.take(shape, dtype)
        if self.at_once < self.network.timesteps:
            self.states[name] = u, v
        return u, v, True

    def _bias(self, step: Step, start: int, stop: int, dtype: type) -> np.ndarray:
        """What enters v: (samples or 1, T or 1, neurons)."""
        bias = step.neurons.bias
        if not self.network.driven(step.population):
            return bias[None, None]
        bias = np.resize(bias, step.population.neurons)
        data = _flat(self.entering if self.static else self.entering[:, start:stop])
        driven: np.ndarray = (bias + data).astype(dtype)
        return driven

    def _arriving(self, step: Step, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """(what arrives, (samples, T or 1, neurons); the factor of each neuron, after which it is rounded down)."""
        if step.direct is not None:
            product, factor = step.direct
            return _flat(self._sums(product)), factor
        return self._sum(step, steps), step.ones

    def _let_go(self, step: Step, x: np.ndarray) -> None:
        """Give back what arrived, unless it is somebody's value or of use again."""
        product = step.direct[0] if step.direct else None
        if product is None or not (product in self.still or product.projection.geometry.kind == "one-to-one"):
            self.buffers.give(x)

    def _static(self, product: Product) -> bool:
        """Whether its sums are the same at every timestep."""
        entry = self.network.entry if self.static and self.network.encoding.mode != "bias" else None
        return not product.delay and all(p.source == entry or p.source in self.still for p in product.projections)

    def _sums(self, product: Product) -> np.ndarray:
        """The product's sums, (samples, T or 1, *target); those of static sources are made once."""
        if product in self.still:
            return self.still[product]
        self._provide(product)
        sums = product.sums(self.values, self.buffers)
        if self._static(product):
            self.still[product] = sums
        return sums

    def _sum(self, step: Step, steps: int) -> np.ndarray:
        """All that arrives, added up: (samples, T or 1, neurons), in the step's type."""
        length = 1 if all(self._static(intake.product) for intake in step.intakes) else steps
        total = self.buffers.take((self.samples, length, step.population.neurons), step.sums)
        starts = bool(step.intakes) and step.intakes[0].merged
        if not starts:
            do(total.fill, 0)
        for intake in step.intakes:
            product = intake.product
            part = self._sums(product)
            part = self._delayed(product, part, steps) if product.delay else part
            positions = len(intake.factor)
            rows = total.reshape(self.samples * length, positions, -1)
            x = part.reshape(-1, positions, intake.stop - intake.start)
            share(kernels.add_up, len(rows), EACH * x.size, rows, intake.start, intake.stop, x, intake.factor, starts)
            starts = False
            if not (product in self.still or product.projection.geometry.kind == "one-to-one"):
                self.buffers.give(x)
        return total

    def _delayed(self, product: Product, part: np.ndarray, steps: int) -> np.ndarray:
        """The sums that arrive now; the latest ones wait."""
        unnoted()
        whole = np.broadcast_to(part, (len(part), steps, *part.shape[2:]))
        waiting = self.tails.get(product)
        if waiting is None:
            waiting = np.zeros((self.samples, product.delay, *part.shape[2:]), part.dtype)
        both = np.concatenate([waiting, whole], axis=1)
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
            shape = (self.samples, self.network.timesteps, step.population.neurons)
            self.kept[key] = np.empty(shape, np.uint8 if what == "spikes" else np.int64)
        return self.kept[key]


def _flat(values: np.ndarray) -> np.ndarray:
    """(samples, T or 1, neurons)."""
    return values.reshape(*values.shape[:2], -1)
