"""Float Network -> FixedNetwork."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from neuro_deploy.errors import RangeError, UnsupportedError, UsageError
from neuro_deploy.network import (
    BiasEncoding,
    FixedNetwork,
    FixedPopulation,
    Network,
    Population,
    population_bounds,
    reach,
    sent_by_relay,
)
from neuro_deploy.network.bounds import Sent
from neuro_deploy.numerics.registers import STATE_LIMIT, WEIGHT_EXPONENT, IntArray
from neuro_deploy.passes.calibrate import Calibration, Try, attempt
from neuro_deploy.passes.choose import Choosing
from neuro_deploy.passes.circles import first_reader, settled
from neuro_deploy.passes.fixing import Fixed, Synapses, fixed_at
from neuro_deploy.passes.fixing import excess as excess_of
from neuro_deploy.passes.grid import Grid
from neuro_deploy.passes.intake import Intake, by_bias, is_chain
from neuro_deploy.passes.levels import MOST, FloatArray, Levels, WeightBits, bits_of, check_bits, levels
from neuro_deploy.passes.quantized import Quantized
from neuro_deploy.passes.refine import Around
from neuro_deploy.passes.report import STATES, QuantizedPopulation, check_resolution, report_of
from neuro_deploy.passes.rows import groups
from neuro_deploy.passes.scale import (
    Scale,
    channel_scale,
    largest_scale,
    rooms_of_weights,
)
from neuro_deploy.progress import Progress, silent

InputMode = Literal["graded", "bias"]
ScaleMode = Literal["population", "channel"]
SHRINK = 1.0001
"""A little more than needed, so that rounding does not undo it."""
MARGIN = 2.0
"""States that calibration alone keeps within 24 bits may grow so many times beyond those seen. Our own."""


@dataclass(frozen=True, eq=False)
class Quantize:
    """Even weights of 1 to 8 bits, 17-bit thresholds, 13-bit biases, one scale k per population (equations: scale.py).

    The input's scaling is folded into the first layer: with x = low + scale * q, W x + b = (scale W) q + (b + W low).
    input "graded": q enters as graded spikes. input "bias": the host computes W x + b, which enters as bias.
    weight_bits: levels.py. scale "channel": one k per output channel where rows of weights may have their own.

    samples: with them, k is the one of several candidates whose spikes come nearest to those of the float network, in
    which the largest weights are clipped; and biases make up for what rounding loses on the mean (calibrate.py). Where
    the worst case would cost weights their bits, states of LIF neurons may be kept within 24 bits by calibration
    instead of proof, with ``MARGIN`` to spare; the report says where.

    A relay sends k times its value. Relays whose value is passed on as it is, or times powers of two, stand on one
    grid of scales with the populations that they feed: k = base * 2^n, so that their synapses only shift. base is the
    first such relay's. A shift to the left is exact; one to the right rounds down what the relay sends. Such
    populations take k from their relays. In a chain of dense layers all weight exponents are 0, as stock files want it;
    elsewhere they make every projection fill its bits, whatever limits k (joined layers along the channels together).

    Requires: tau divides 4096. Input by bias: one dense layer of LIF neurons behind the input.
    Ensures: every number fits its register; for inputs within range u never wraps and v is never clipped but where it
    spikes (interval analysis, but for what the report names); a readout's v stays below the largest threshold, so that
    hardware never makes it spike; a relay's values stay within 24 bits.
    """

    input: InputMode = "graded"
    weight_bits: WeightBits = MOST
    scale: ScaleMode = "population"
    samples: npt.NDArray[np.generic] | None = None
    progress: Progress = field(default=silent, repr=False)

    name = "quantize"

    def __post_init__(self) -> None:
        for what, given, allowed in (("input", self.input, InputMode), ("scale", self.scale, ScaleMode)):
            if given not in get_args(allowed):
                raise UsageError(f"no {what} {given!r}; {' or '.join(get_args(allowed))} is wanted")

    def __call__(self, network: Network) -> tuple[FixedNetwork, tuple[QuantizedPopulation, ...]]:
        """The fixed network, and what was done to each population.

        Raises:
            as ``quantized``.
        """
        made = self.quantized(network)
        return made.network, made.reports

    def quantized(self, network: Network) -> Quantized:
        """The fixed network with the real numbers that it was rounded from.

        Raises:
            RangeError: numbers that do not fit however they are scaled.
            UnsupportedError: a decay that 12 bits do not hold, or an input that does not enter as bias.
            UsageError: bits beyond 1..8, or of projections that do not exist.
            DataError: samples that do not fit.
        """
        check_bits(self.weight_bits, {p.name for p in network.projections})
        made = _Quantizing(network, self)
        for index, population in enumerate(network.populations):
            self.progress("choosing scales", index, len(network.populations))
            made.add(population)
        self.progress("choosing scales", len(network.populations), len(network.populations))
        return made.result()


class _Quantizing:
    """Takes populations in order. scales: of what relays send. sent: the values that populations can send.

    spikes: what those that are done send for the samples.
    """

    def __init__(self, network: Network, wanted: Quantize) -> None:
        self.network = network
        self.wanted = wanted
        self.populations: list[FixedPopulation] = []
        self.synapses: list[Synapses] = []
        self.done: list[Fixed] = []
        self.reports: list[QuantizedPopulation] = []
        self.biases: dict[str, npt.NDArray[np.float64]] = {}
        self.host: BiasEncoding | None = None
        self.grid = Grid(network)
        self.sent: dict[str, Sent] = {p.name: (0, 1) for p in network.populations if p.kind == "lif"}
        self.chain = is_chain(network)
        self.calibration = None if wanted.samples is None else Calibration(network, wanted.samples)
        self.spikes: dict[str, IntArray] = {}

    def result(self) -> Quantized:
        """All of it."""
        projections = tuple(each.fixed for each in self.synapses)
        encoding = self.host or self.network.encoding
        fixed = FixedNetwork(tuple(self.populations), projections, self.network.timesteps, encoding)
        return Quantized(fixed, tuple(self.reports), tuple(self.synapses), self.biases)

    def add(self, population: Population) -> None:
        """Quantize a population and what feeds it.

        Raises:
            RangeError: it does not fit.
        """
        if population.kind == "input":
            if self.wanted.input == "graded":
                self.populations.append(FixedPopulation(population.name, "input", population.shape))
            self.sent[population.name] = (self.network.encoding.first, self.network.encoding.levels)
            if self.calibration is not None:
                self.spikes[population.name] = self.calibration.inputs
            return
        intake = self.intake(population)
        found = self.chosen(intake)
        scale, fixed = found.scale, found.fixed
        self.grid.take(population, scale.k)
        if intake.current is not None:
            encoding, synapses = self.network.encoding, intake.synapses[0]
            self.host = BiasEncoding(
                population.name, encoding.shape, scale.k * synapses.weight, scale.k * intake.bias, encoding
            )
        if population.kind == "relay":
            self.sent[population.name] = sent_by_relay(
                fixed.population, reach(fixed.population, fixed.projections, self.sent)
            )
        if found.outcome is not None:
            spiking = population.kind == "lif"
            self.spikes[population.name] = found.outcome.sent.astype(np.uint8) if spiking else found.outcome.sent
            place = first_reader(self.done, population.name, self.network.projections)
            if place < len(self.done):
                members = [*self.done[place:], fixed]
                self.spikes |= settled(members, self.of_source(), self.network.timesteps)
        self.done.append(fixed)
        self.populations.append(fixed.population)
        self.synapses += fixed.synapses
        self.biases[population.name] = fixed.bias
        self.reports.append(report_of(intake, found, self.grid.scales))

    def intake(self, population: Population) -> Intake:
        projections = self.network.inputs_of(population.name)
        entry = self.network.populations[0].name
        driven = [p for p in projections if p.source == entry]
        relayed = tuple(p for p in projections if p.source in self.grid.graded)
        if driven and self.wanted.input == "bias":
            return by_bias(self.network, population)
        unknown = [p.source for p in relayed if p.source not in self.grid.scales]
        if unknown:
            raise UnsupportedError(
                f"is fed by the relay {unknown[0]}, which does not come before it", where=population.name
            )
        bias = population.bias.copy()
        for projection in driven:
            low = projection.geometry.apply(projection.weight, self.network.encoding.low)
            bias[projection.geometry.targets] += low if projection.sign is None else low * projection.sign
        synapses = (
            replace(p, weight=p.weight * self.network.encoding.scale) if p.source == entry else p
            for p in projections
            if p.source not in self.grid.graded
        )
        return Intake(population, tuple(synapses), relayed, bias)

    def of_source(self) -> dict[str, IntArray]:
        """What every population sends for the samples; those that are not done yet as the float network does."""
        assert self.calibration is not None  # noqa: S101  # asked for only where there is one
        targets = self.calibration.targets
        waiting = {
            p.name: np.asarray(targets[p.name].sent)
            for p in self.network.populations
            if p.kind == "lif" and p.name not in self.spikes
        }
        return self.spikes | waiting

    def chosen(self, intake: Intake) -> Try:
        """The population at the scale whose spikes are nearest to those of the float network; at the largest without
        samples. Where channels may have scales of their own, one for all of them is tried too."""
        channels = self.wanted.scale == "channel" and not self.grid.shifted(intake) and intake.current is None
        if self.calibration is None:
            return Try(*self.fitted(intake, 1.0, channels))
        sent = self.of_source()

        def fitted(clip: float, own: bool) -> tuple[Scale, Fixed]:
            return self.fitted(intake, clip, own, sent)

        around = Around(self.calibration, sent, self.grid.scales)
        choosing = Choosing(around, intake, fitted, partial(self.proven, intake), self.chain)
        own = channels and intake.population.kind == "lif"
        return min(
            (choosing.best(each) for each in ((True, False) if own else (False,))), key=lambda found: found.error
        )

    def proven(self, intake: Intake, found: Try) -> Try | None:
        """A candidate with the bounds of what changed in it; None where they no longer hold."""
        population = found.fixed.population
        if intake.current is not None:
            return found
        bounds = population_bounds(
            population, reach(population, found.fixed.projections, self.sent), self.network.timesteps
        )
        held = excess_of(population, bounds) <= max(1.0, excess_of(population, found.fixed.bounds))
        return replace(found, fixed=replace(found.fixed, bounds=bounds)) if held else None

    def levels(self, intake: Intake, clip: float) -> tuple[Levels, ...]:
        """The levels of each of the population's weights."""
        return tuple(
            levels(bits_of(self.wanted.weight_bits, p.name), symmetric=not self.chain, weight=p.weight, clip=clip)
            for p in intake.synapses
        )

    def fitted(
        self, intake: Intake, clip: float, own: bool, sent: dict[str, IntArray] | None = None
    ) -> tuple[Scale, Fixed]:
        """The largest scale that keeps states within 24 bits, and the population at it.

        clip: how far the largest weights are clipped. own: whether channels have scales of their own.
        sent: samples, which may then keep the states of LIF neurons where the worst case would cost weights their bits.
        """
        of = self.levels(intake, clip)
        scale, fixed = self.within(intake, of, own)
        try:
            check_resolution(intake, scale, fixed, of)
        except RangeError:
            if sent is None or intake.population.kind != "lif" or scale.limited_by != STATES:
                raise
            scale, fixed = self.within(intake, of, own, sent)
            check_resolution(intake, scale, fixed, of)
        return scale, fixed

    def within(
        self, intake: Intake, of: tuple[Levels, ...], own: bool, sent: dict[str, IntArray] | None = None
    ) -> tuple[Scale, Fixed]:
        """The largest scale at which no state leaves 24 bits, whatever comes in; with samples, whatever they bring."""
        synapses = intake.synapses if intake.current is None else ()
        exponent = WEIGHT_EXPONENT.high if self.grid.shifted(intake) else 0
        scale = largest_scale(intake.population, synapses, of, intake.bias, intake.current or 0.0, exponent)
        scale = self.grid.resolved(intake, scale)
        scale = channel_scale(intake.population, synapses, of, intake.bias, scale) if own else scale
        while True:
            scale, steps = self.filled(intake, scale, of)
            scale = self.grid.grounded(intake, scale)
            fixed = fixed_at(
                intake, scale, steps, self.grid.scales, self.sent, self.network.timesteps, chain=self.chain
            )
            excess = excess_of(fixed.population, fixed.bounds)
            if excess > 1 and sent is not None and self.calibration is not None:
                excess = MARGIN * self.seen(intake, scale, fixed, sent) / (STATE_LIMIT - 1)
            if excess <= 1:
                return scale, fixed
            scale = replace(scale / self.smaller(intake, scale, fixed, excess * SHRINK), limited_by=STATES)

    def smaller(self, intake: Intake, scale: Scale, fixed: Fixed, excess: float) -> float | FloatArray:
        """What scales are to be divided by: of channels of their own only those that go too far."""
        number = None if scale.each is None else groups(intake.population, intake.synapses)
        if number is None:
            return excess
        reached = reach(fixed.population, fixed.projections, self.sent)
        far = np.maximum(reached.high, -reached.low) / max(int(reached.high.max()), -int(reached.low.min()), 1)
        most = np.zeros(number.max() + 1)
        np.maximum.at(most, number, far)
        return np.maximum(1.0, excess * most[number])

    def seen(self, intake: Intake, scale: Scale, fixed: Fixed, sent: dict[str, IntArray]) -> float:
        """The largest state that samples bring, either of u and v."""
        assert self.calibration is not None  # noqa: S101
        outcome = attempt(self.calibration, intake, scale, fixed, sent).outcome
        assert outcome is not None  # noqa: S101
        return float(max(outcome.u, outcome.v))

    def filled(self, intake: Intake, scale: Scale, of: tuple[Levels, ...]) -> tuple[Scale, tuple[Levels, ...]]:
        """A scale at which weights of few bits fill them, where something else keeps it below what they allow.

        Their step is halved as often as that takes, in chains here, elsewhere by the weight exponent.
        """
        if not of or intake.current is not None or self.grid.shifted(intake) or all(each.bits == MOST for each in of):
            return scale, of
        room = min(rooms_of_weights(intake.synapses, of)) / scale.k
        if not 1.0 + 1e-9 < room < np.inf or scale.each is not None:
            return scale, of
        halvings = int(np.ceil(np.log2(room) - 1e-9))
        most = min((each.step.bit_length() - 2 for each in of), default=0)
        if self.chain and halvings > most:
            return scale, tuple(replace(each, step=2) for each in of)
        steps = tuple(replace(each, step=each.step >> halvings) for each in of) if self.chain else of
        return replace(scale, k=scale.k * room / 2.0**halvings), steps
