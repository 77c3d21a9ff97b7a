"""Float Network -> FixedNetwork."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from neuro_deploy.errors import UnsupportedError, UsageError
from neuro_deploy.network import (
    BiasEncoding,
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    Network,
    Population,
    Projection,
    reach,
    sent_by_relay,
)
from neuro_deploy.network.bounds import Sent
from neuro_deploy.numerics.registers import WEIGHT, WEIGHT_EXPONENT
from neuro_deploy.passes.fixing import Fixed, fixed_at
from neuro_deploy.passes.fixing import excess as excess_of
from neuro_deploy.passes.intake import Intake, by_bias, is_chain, is_unit, shifts
from neuro_deploy.passes.report import STATES, QuantizedPopulation, check_resolution, report_of
from neuro_deploy.passes.scale import Scale, largest_scale, on_threshold

InputMode = Literal["graded", "bias"]
SPARED = 64.0
"""What is left of the largest weight, at least, of a relay whose gains are small: 6 bits."""
SHRINK = 1.0001
"""A little more than needed, so that rounding does not undo it."""


@dataclass(frozen=True)
class Quantize:
    """8-bit even weights, 17-bit thresholds, 13-bit biases, one scale k per population (equations: scale.py).

    The input's scaling is folded into the first layer: with x = low + scale * q, W x + b = (scale W) q + (b + W low).
    input "graded": q enters as graded spikes. input "bias": the host computes W x + b, which enters as bias.

    A relay sends k times its value. Relays whose value is passed on as it is, or times powers of two, stand on one
    grid of scales with the populations that they feed: k = base * 2^n, so that their synapses only shift. base is the
    first such relay's. A shift to the left is exact; one to the right rounds down what the relay sends. Such
    populations take k from their relays. In a chain of dense layers all weight exponents are 0, as stock files want it;
    elsewhere they make every projection fill its 8 bits, whatever limits k (joined layers along the channels together).

    Requires: tau divides 4096. Input by bias: one dense layer of LIF neurons behind the input.
    Ensures: every number fits its register; for inputs within range u never wraps and v is never clipped but where it
    spikes (interval analysis); a readout's v stays below the largest threshold, so that hardware never makes it spike;
    a relay's values stay within 24 bits.
    """

    input: InputMode = "graded"

    name = "quantize"

    def __post_init__(self) -> None:
        if self.input not in get_args(InputMode):
            raise UsageError(f"no input {self.input!r}; {' or '.join(get_args(InputMode))} is wanted")

    def __call__(self, network: Network) -> tuple[FixedNetwork, tuple[QuantizedPopulation, ...]]:
        """The fixed network, and what was done to each population.

        Raises:
            RangeError: numbers that do not fit however they are scaled.
            UnsupportedError: a decay that 12 bits do not hold, or an input that does not enter as bias.
        """
        made = _Quantizing(network, self.input)
        for population in network.populations:
            made.add(population)
        fixed = FixedNetwork(
            tuple(made.populations), tuple(made.projections), network.timesteps, made.host or network.encoding
        )
        return fixed, tuple(made.reports)


def _largest(projections: Sequence[Projection]) -> float:
    """The largest magnitude of a weight; tiny where there is none."""
    return max((float(np.abs(p.weight).max()) for p in projections), default=0.0) or float(np.finfo(np.float64).tiny)


class _Quantizing:
    """Takes populations in order. scales: of what relays send. sent: the values that populations can send."""

    def __init__(self, network: Network, mode: InputMode) -> None:
        self.network = network
        self.mode = mode
        self.populations: list[FixedPopulation] = []
        self.projections: list[FixedProjection] = []
        self.reports: list[QuantizedPopulation] = []
        self.host: BiasEncoding | None = None
        self.base: float | None = None
        self.scales: dict[str, float] = {}
        self.sent: dict[str, Sent] = {p.name: (0, 1) for p in network.populations if p.kind == "lif"}
        self.chain = is_chain(network)
        self.graded = {p.name for p in network.populations if p.kind == "relay"}
        self.on_grid = {p.source for p in network.projections if p.source in self.graded and shifts(p)}

    def add(self, population: Population) -> None:
        """Quantize a population and what feeds it.

        Raises:
            RangeError: it does not fit.
        """
        if population.kind == "input":
            if self.mode == "graded":
                self.populations.append(FixedPopulation(population.name, "input", population.shape))
            self.sent[population.name] = (self.network.encoding.first, self.network.encoding.levels)
            return
        intake = self.intake(population)
        scale, fixed = self.fitted(intake)
        if intake.current is not None:
            encoding, synapses = self.network.encoding, intake.synapses[0]
            self.host = BiasEncoding(
                population.name, encoding.shape, scale.k * synapses.weight, scale.k * intake.bias, encoding
            )
        if population.kind == "relay":
            self.scales[population.name] = scale.k
            self.sent[population.name] = sent_by_relay(
                fixed.population, reach(fixed.population, fixed.projections, self.sent)
            )
        self.populations.append(fixed.population)
        self.projections += fixed.projections
        self.reports.append(report_of(intake, scale, fixed, self.scales))

    def intake(self, population: Population) -> Intake:
        projections = self.network.inputs_of(population.name)
        entry = self.network.populations[0].name
        driven = [p for p in projections if p.source == entry]
        relayed = tuple(p for p in projections if p.source in self.graded)
        if driven and self.mode == "bias":
            return by_bias(self.network, population)
        unknown = [p.source for p in relayed if p.source not in self.scales]
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
            if p.source not in self.graded
        )
        return Intake(population, tuple(synapses), relayed, bias)

    def fitted(self, intake: Intake) -> tuple[Scale, Fixed]:
        """The largest scale that keeps states within 24 bits, and the population at it."""
        synapses = intake.synapses if intake.current is None else ()
        exponent = WEIGHT_EXPONENT.high if self.shifted(intake) else 0
        scale = largest_scale(
            intake.population, synapses, intake.bias, intake.current or 0.0, exponent, symmetric=not self.chain
        )
        scale = self.grounded(intake, self.resolved(intake, scale))
        while True:
            fixed = fixed_at(intake, scale, self.scales, self.sent, self.network.timesteps, chain=self.chain)
            excess = excess_of(fixed.population, fixed.bounds)
            if excess <= 1:
                break
            scale = self.grounded(intake, Scale(scale.k / (excess * SHRINK), STATES))
        if self.base is None and intake.population.name in self.on_grid:
            self.base = scale.k
        check_resolution(intake, scale, fixed)
        return scale, fixed

    def shifted(self, intake: Intake) -> bool:
        """Whether relays feed this population through shifts, so that its scale is theirs."""
        return any(shifts(p) for p in intake.relayed)

    def resolved(self, intake: Intake, scale: Scale) -> Scale:
        """No finer than the relays, where they say what there is to resolve; no finer than gains behind it can use."""
        useful = max(self.useful(intake.population), SPARED / _largest(intake.synapses))
        if useful < scale.k:
            return Scale(useful, "the gains behind it")
        if not self.shifted(intake) and (intake.synapses or not intake.relayed):
            return scale
        most = max(self.scales[p.source] for p in intake.relayed if shifts(p) or not self.shifted(intake))
        return Scale(most, "relays") if most < scale.k else scale

    def useful(self, population: Population) -> float:
        """The largest scale of a relay that gains behind it make use of: their weights would vanish behind larger ones.

        A gain g into neurons of scale k': 2 g k' leaves their unit resolved. k' is at most that of another relay that
        feeds them, or what their own weights allow.
        """
        behind = [p for p in self.network.projections if p.source == population.name and not is_unit(p)]
        if population.kind != "relay":
            return np.inf
        limits = [np.inf]
        for target in {p.target for p in behind}:
            beside = self.network.inputs_of(target)
            known = [self.scales[p.source] for p in beside if p.source in self.scales and shifts(p)]
            own = [float(np.abs(p.weight).max()) for p in beside if p.source not in self.graded]
            known += [WEIGHT.high / max(own)] if any(own) and not known else []
            gain = max(float(np.abs(p.weight).max()) for p in behind if p.target == target)
            limits += [2 * gain * max(known)] if known and gain > 0 else []
        return min(limits)

    def grounded(self, intake: Intake, scale: Scale) -> Scale:
        """The largest scale up to this one that the population may have: on the grid, or on a whole threshold."""
        population = intake.population
        on_grid = population.name in self.on_grid or self.shifted(intake)
        if on_grid and self.base is not None:
            steps = np.floor(np.log2(scale.k / self.base) + 1e-9)
            return Scale(self.base * float(np.exp2(steps)), scale.limited_by)
        if population.kind == "lif" and np.ndim(population.v_threshold) == 0:
            return Scale(on_threshold(scale.k, population.tau * float(population.v_threshold)), scale.limited_by)
        return Scale(on_threshold(scale.k, self.firing), scale.limited_by) if on_grid else scale

    @property
    def firing(self) -> float:
        """Threshold of the first neurons that a relay feeds, times tau: where the grid's base puts it is exact."""
        for projection in self.network.projections:
            target = self.network.population(projection.target)
            if projection.source in self.on_grid and target.kind == "lif" and np.ndim(target.v_threshold) == 0:
                return target.tau * float(target.v_threshold)
        return 1.0
