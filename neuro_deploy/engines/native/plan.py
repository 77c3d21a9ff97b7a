"""What is worked out once per network: arranged weights, neurons' parameters, kernels and their proofs."""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from neuro_deploy.engines.exact import FLOAT64_EXACT, largest_states, odd_part
from neuro_deploy.engines.native import kernels
from neuro_deploy.engines.native.buffers import Buffers
from neuro_deploy.engines.native.choice import joined, products
from neuro_deploy.engines.native.fusion import Fused, arranged, neurons_too, relay_too
from neuro_deploy.engines.native.layout import Shape, inner_shape, to_inner
from neuro_deploy.engines.native.products import Kernel, Packed, Product, whole
from neuro_deploy.engines.native.tape import Tapes
from neuro_deploy.engines.native.threads import threads
from neuro_deploy.errors import UnsupportedError
from neuro_deploy.network import FixedNetwork, FixedPopulation, state_bounds
from neuro_deploy.numerics.registers import (
    DECAY_UNITY,
    FLOAT32_EXACT,
    THRESHOLD_SHIFT,
)


@dataclass(frozen=True, eq=False)
class Neurons:
    """A population's parameters in the order inside, or those of a block where all blocks have the same.

    narrow: float32, no wrap and no clip; else float64. bias: (neurons,), shifted by its exponent, of a relay as it is.
    threshold: shifted. ku, kv: what decays leave, of 1. leaky: u is kept, since it decays only in part, or may wrap.
    """

    bias: np.ndarray
    threshold: np.ndarray
    ku: np.ndarray
    kv: np.ndarray
    narrow: bool
    leaky: bool
    reason: str

    @property
    def dtype(self) -> np.dtype[Any]:
        """In which they are computed."""
        return self.threshold.dtype


@dataclass(frozen=True, eq=False)
class Intake:
    """A product, and how its sums are added to others: see ``adding.add_up``.

    factor: (1, neurons) where it reaches the whole population (merged), else (positions, channels of the window).
    """

    product: Product
    factor: np.ndarray
    start: int
    stop: int
    merged: bool


Direct = tuple[Product, np.ndarray]
"""A product whose sums enter a population as they are, with its factor: (neurons,), or that of a block."""


@dataclass(frozen=True, eq=False)
class Step:
    """One population: what feeds it and what it does.

    sums: the type in which several products are added, and of what a relay sends. ones: as factors are, of the type in
    which sums enter the population. direct: the only intake, where its sums can go there as they are. extra: another
    one, one-to-one, that is added to it. read: whether anything reads what it sends. lasts: the sources that nothing
    reads after this. width: neurons in a block. relay: one that feeds neurons one to one, with which
    they can be computed; sole: nothing else reads it.
    """

    population: FixedPopulation
    shape: Shape
    intakes: tuple[Intake, ...]
    neurons: Neurons
    sums: Any
    ones: np.ndarray
    direct: Direct | None
    extra: Direct | None
    read: bool
    lasts: tuple[str, ...]
    width: int
    fused: Fused | None
    relay: Step | None = None
    sole: bool = False

    @cached_property
    def factor(self) -> np.ndarray:
        """That of what arrives, whether as it is or added up."""
        return self.direct[1] if self.direct and not (self.extra and self.population.kind == "lif") else self.ones

    def split(self, relay: str) -> tuple[np.ndarray, Direct | None]:
        """Of neurons that are computed with a relay: the factor of what it sends, and the other intake."""
        pairs = [pair for pair in (self.direct, self.extra) if pair]
        pairs.sort(key=lambda pair: pair[0].source != relay)
        return pairs[0][1], pairs[1] if len(pairs) > 1 else None

    @cached_property
    def whole(self) -> bool:
        """Whether factors are whole numbers."""
        more = [self.extra[1]] if self.extra and self.population.kind == "relay" else []
        return all(bool(np.all(factor == np.floor(factor))) for factor in (self.factor, *more))

    @cached_property
    def alike(self) -> bool:
        """Whether all neurons have the same of ``vectors.SHARED``."""
        made = self.neurons
        return all(bool(np.all(values == values[0])) for values in (self.factor, made.ku, made.kv))

    @property
    def jobs(self) -> int:
        """Blocks of neurons."""
        return -(-self.population.neurons // self.width)


@dataclass(frozen=True, eq=False)
class Plan:
    """All computed populations, in order.

    spare: memory of runs that are over. tapes: (shape of samples, whether they are static) -> such runs.
    """

    steps: tuple[Step, ...]
    spare: list[Buffers] = field(default_factory=list)
    tapes: dict[tuple[tuple[int, ...], bool], Tapes] = field(default_factory=dict)

    @cached_property
    def widest(self) -> int:
        """Neurons of the largest population."""
        return max(step.population.neurons for step in self.steps)

    @cached_property
    def pairs(self) -> dict[str, Step]:
        """Relay -> the neurons that are computed with it."""
        return {step.relay.population.name: step for step in self.steps if step.relay}

    def explain(self) -> list[dict[str, Any]]:
        """Kernel and proof of every projection and population, as plain data."""
        rows: list[dict[str, Any]] = []
        for step in self.steps:
            rows += [
                {"part": projection.name, "kernel": intake.product.kernel, "reason": intake.product.reason}
                for intake in step.intakes
                for projection in intake.product.projections
            ]
            kernel = "relay" if step.population.kind == "relay" else "float32" if step.neurons.narrow else "float64"
            reason = step.neurons.reason + (
                "; computed with their product" if step.fused else "; computed with their relay" if step.relay else ""
            )
            rows.append({"part": step.population.name, "kernel": f"{kernel} neurons", "reason": reason})
        return rows

    def noted(self, shape: tuple[int, ...], *, static: bool) -> Tapes:
        """Runs of such samples; those of other shapes are forgotten, the oldest first."""
        tapes = self.tapes.setdefault((shape, static), Tapes())
        while len(self.tapes) > SHAPES:
            self.tapes.pop(list(self.tapes)[0], None)  # noqa: RUF015 - at once, whatever other threads do meanwhile
        return tapes

    def lend(self) -> Buffers:
        """Memory of an earlier run that is over, or none yet."""
        return self.spare.pop() if self.spare else Buffers()


SHAPES = 4
"""Of samples, whose runs are kept: they hold memory."""
LANES = 64
"""Blocks of neurons of flat populations are multiples of this, so that compiled loops have no odd ends."""
_PLANS: weakref.WeakKeyDictionary[FixedNetwork, dict[tuple[str, Kernel | None], Plan]] = weakref.WeakKeyDictionary()


def plan(network: FixedNetwork, device: str, forced: Kernel | None) -> Plan:
    """The plan of a network on a device, made the first time.

    Raises:
        UnsupportedError: sums too large for exact arithmetic in float64. UsageError: no such kernel.
    """
    made = _PLANS.setdefault(network, {})
    key = (device, forced)
    if key not in made:
        steps: list[Step] = []
        for population in network.computed:
            steps.append(_step(network, population, device, forced, steps))
        made[key] = Plan(tuple(steps))
    return made[key]


def _step(
    network: FixedNetwork, population: FixedPopulation, device: str, forced: Kernel | None, before: Sequence[Step]
) -> Step:
    each = [
        product
        for projection in network.inputs_of(population.name)
        for product in products(network, projection, device, forced)
    ]
    fed = joined(network, each) if forced in (None, "dot8") else tuple(each)
    relay = population.kind == "relay"
    largest = sum(product.largest for product in fed) + (int(np.abs(population.bias).max()) if relay else 0)
    if largest >= FLOAT64_EXACT:
        raise UnsupportedError(
            f"sums reach {largest:,}, beyond exact arithmetic", where=population.name, hint="use the reference engine"
        )
    sums = np.float32 if largest < FLOAT32_EXACT else np.float64
    intakes = tuple(_intake(population, arranged(network, product), sums) for product in fed)
    bounds = state_bounds(network)[population.name]
    entering = sums if relay else np.float32 if bounds.exact else np.float64
    direct, extra = _direct(intakes, sums, entering, relay=relay)
    fused = None
    if direct and relay and entering == np.float32:
        fused = relay_too(population, direct[0], network.timesteps)
    elif direct and not relay and not extra:
        fused = neurons_too(population, direct[0], network.timesteps)
    relay_before = None if relay or not bounds.exact else _relay_before(network, population, (direct, extra), before)
    together = fused or (relay_before and relay_before.fused)
    width, period = (together.width, together.period) if together else _width(population)
    last_reader = {p.source: q.name for q in network.computed for p in network.inputs_of(q.name)}
    return Step(
        population,
        inner_shape(population.shape),
        intakes,
        _neurons(network, population, entering, width, period),
        sums,
        np.ones(min(width, population.neurons), entering),
        _repeated(direct, width, period),
        _repeated(extra, width, period),
        population.name in last_reader,
        tuple(name for name, reader in last_reader.items() if reader == population.name),
        width,
        fused,
        relay_before,
        relay_before is not None and _readers(network, relay_before.population) == 1,
    )


def _readers(network: FixedNetwork, population: FixedPopulation) -> int:
    return sum(p.source == population.name for q in network.computed for p in network.inputs_of(q.name))


def _relay_before(
    network: FixedNetwork, population: FixedPopulation, pairs: Sequence[Direct | None], before: Sequence[Step]
) -> Step | None:
    """The relay with which neurons can be computed: the last of what feeds them, each one to one."""
    fed = [pair[0] for pair in pairs if pair]
    if population is network.output or any(product.beside for product in fed):
        return None
    geometries = [product.projection.geometry for product in fed]
    if any(each.kind != "one-to-one" or each.source_channels is not None for each in geometries):
        return None
    sources = {product.source for product in fed}
    last = next((step for step in reversed(before) if step.population.name in sources), None)
    taken = last is None or any(step.relay is last for step in before) or len(sources) < len(fed)
    return None if taken or last is None or last.population.kind != "relay" or not last.fused else last


def _width(population: FixedPopulation) -> tuple[int, int]:
    """Neurons in a block: whole positions, and few enough for all threads to have some; and those at a position."""
    if len(population.shape) != 3:
        return min(kernels.BLOCK, whole(-(-population.neurons // threads()), LANES)), 1
    channels = population.shape[0]
    positions = population.neurons // channels
    return channels * max(1, min(kernels.BLOCK // channels, -(-positions // threads()))), channels


def _intake(population: FixedPopulation, product: Product, dtype: Any) -> Intake:
    merged = product.channels is None
    start, stop = product.channels or (0, population.neurons if merged else population.shape[0])
    positions = 1 if merged else math.prod(product.target[:-1])
    factor = np.full((positions, stop - start), product.factor)
    if product.projection.geometry.kind == "one-to-one":
        factor *= product.weight.reshape(factor.shape)
    if product.sign is not None:
        factor *= product.sign.reshape(factor.shape)
    return Intake(product, factor.astype(dtype), start, stop, merged)


def _direct(intakes: Sequence[Intake], sums: Any, entering: Any, *, relay: bool) -> tuple[Direct | None, Direct | None]:
    """The only intake, if its sums reach all neurons at once and are exact in the type in which they enter.

    With it another one, if that is one-to-one and loops can add the two.
    """
    whole = all(intake.merged and not intake.product.delay for intake in intakes)
    if not whole or np.dtype(entering).itemsize < np.dtype(sums).itemsize:
        return None, None
    pairs = [(intake.product, intake.factor[0].astype(entering)) for intake in intakes]
    if len(pairs) == 1:
        return pairs[0], None
    pairs.sort(key=lambda pair: pair[0].projection.geometry.kind == "one-to-one")
    kinds = [pair[0].projection.geometry.kind for pair in pairs]
    if len(pairs) != 2 or (relay and entering != np.float32) or kinds[1] != "one-to-one":
        return None, None
    if not (isinstance(pairs[0][0].packed, Packed) if relay else kinds[0] == "one-to-one"):
        return None, None
    return pairs[0], pairs[1]


def _repeated(direct: Direct | None, width: int, period: int) -> Direct | None:
    return (direct[0], _block(direct[1], width, period)) if direct else None


def _neurons(network: FixedNetwork, population: FixedPopulation, dtype: Any, width: int, period: int) -> Neurons:
    bounds, driven = state_bounds(network)[population.name], network.driven(population)
    reach = network.encoding.reach if network.encoding.mode == "bias" and driven else 0
    u, v = largest_states(population, bounds, network.timesteps, reach)
    left = {name: DECAY_UNITY - np.asarray(getattr(population, f"{name}_decay")) for name in ("u", "v")}
    narrow = bounds.exact
    if not narrow and max(u * odd_part(left["u"]), v * odd_part(left["v"])) >= FLOAT64_EXACT:
        raise UnsupportedError(
            f"states reach {max(u, v):,}, beyond exact arithmetic",
            where=population.name,
            hint="run it on the reference engine",
        )

    def spread(values: Any, unit: float = 1.0) -> np.ndarray:
        every = np.broadcast_to(np.asarray(values) * unit, (population.neurons,))
        if np.size(values) == 1:
            return every[: min(width, population.neurons)].astype(dtype)
        return _block(to_inner(every, population.shape).astype(dtype), width, period)

    return Neurons(
        spread(population.bias if population.kind == "relay" else population.shifted_bias),
        spread(np.minimum(population.threshold, 1 << 18) * float(1 << THRESHOLD_SHIFT)),
        spread(left["u"], 1 / DECAY_UNITY),
        spread(left["v"], 1 / DECAY_UNITY),
        narrow,
        not narrow or bool(np.any(left["u"])),
        f"|u| <= {u:,}, |v| <= {v:,}: " + ("neither wraps nor clips" if narrow else "may wrap or clip"),
    )


def _block(values: np.ndarray, width: int, period: int) -> np.ndarray:
    """Of values in the order inside, (neurons,), those of a block, (width,), if all blocks have the same."""
    if len(values) <= width or len(values) % period:
        return values
    each = values.reshape(-1, period)
    return np.resize(each[0], width) if np.all(each == each[0]) else values
