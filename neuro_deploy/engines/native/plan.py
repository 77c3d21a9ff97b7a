"""What is worked out once per network: arranged weights, neurons' parameters, kernels and their proofs."""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from neuro_deploy.engines.exact import FLOAT64_EXACT, largest_states, odd_part
from neuro_deploy.engines.native.buffers import Buffers
from neuro_deploy.engines.native.choice import joined, products
from neuro_deploy.engines.native.layout import Shape, inner_shape, to_inner
from neuro_deploy.engines.native.products import Kernel, Product
from neuro_deploy.errors import UnsupportedError
from neuro_deploy.network import FixedNetwork, FixedPopulation, state_bounds
from neuro_deploy.numerics.registers import (
    DECAY_UNITY,
    FLOAT32_EXACT,
    THRESHOLD_SHIFT,
)


@dataclass(frozen=True, eq=False)
class Neurons:
    """A population's parameters in the order inside. narrow: float32, no wrap and no clip; else float64.

    bias: (neurons,), shifted by its exponent, of a relay as it is. threshold: shifted. ku, kv: what decays leave, of
    4096; divided by 4096 where that is exact (short) or where not narrow. leaky: u decays only in part.
    """

    bias: np.ndarray
    threshold: np.ndarray
    ku: np.ndarray
    kv: np.ndarray
    narrow: bool
    leaky: bool
    short: bool
    reason: str


@dataclass(frozen=True, eq=False)
class Intake:
    """A product, and how its sums are added to others: see ``kernels.add_up``.

    factor: (1, neurons) where it reaches the whole population (merged), else (positions, channels of the window).
    """

    product: Product
    factor: np.ndarray
    start: int
    stop: int
    merged: bool


@dataclass(frozen=True, eq=False)
class Step:
    """One population: what feeds it and what it does.

    sums: the type in which several products are added, and of what a relay sends. ones: (neurons,), of the type in
    which sums enter the population. direct: the only intake, where its sums can go there as they are; with its factor
    of that type. read: whether anything reads what it sends. gathered: whether a product that reads it may
    gather. lasts: the sources that nothing reads after this.
    """

    population: FixedPopulation
    shape: Shape
    intakes: tuple[Intake, ...]
    neurons: Neurons
    sums: Any
    ones: np.ndarray
    direct: tuple[Product, np.ndarray] | None
    read: bool
    gathered: bool
    lasts: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Plan:
    """All computed populations, in order. spare: memory of runs that are over."""

    steps: tuple[Step, ...]
    spare: list[Buffers] = field(default_factory=list)

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
            rows.append({"part": step.population.name, "kernel": f"{kernel} neurons", "reason": step.neurons.reason})
        return rows

    def lend(self) -> Buffers:
        """Memory of an earlier run that is over, or none yet."""
        return self.spare.pop() if self.spare else Buffers()


_PLANS: weakref.WeakKeyDictionary[FixedNetwork, dict[tuple[str, Kernel | None], Plan]] = weakref.WeakKeyDictionary()


def plan(network: FixedNetwork, device: torch.device, forced: Kernel | None) -> Plan:
    """The plan of a network on a device, made the first time.

    Raises:
        UnsupportedError: sums too large for exact arithmetic in float64. UsageError: no such kernel.
    """
    made = _PLANS.setdefault(network, {})
    key = (str(device), forced)
    if key not in made:
        made[key] = Plan(tuple(_step(network, population, device, forced) for population in network.computed))
    return made[key]


def _step(network: FixedNetwork, population: FixedPopulation, device: torch.device, forced: Kernel | None) -> Step:
    each = [
        product
        for projection in network.inputs_of(population.name)
        for product in products(network, projection, device, forced)
    ]
    fed = joined(network, each) if forced is None else tuple(each)
    relay = population.kind == "relay"
    largest = sum(product.largest for product in fed) + (int(np.abs(population.bias).max()) if relay else 0)
    if largest >= FLOAT64_EXACT:
        raise UnsupportedError(
            f"sums reach {largest:,}, beyond exact arithmetic", where=population.name, hint="use the reference engine"
        )
    sums = np.float32 if largest < FLOAT32_EXACT else np.float64
    neurons = _neurons(network, population)
    entering = sums if relay else np.float32 if neurons.narrow else np.float64
    last_reader = {p.source: q.name for q in network.computed for p in network.inputs_of(q.name)}
    intakes = tuple(_intake(population, product, sums) for product in fed)
    return Step(
        population,
        inner_shape(population.shape),
        intakes,
        neurons,
        sums,
        np.ones(population.neurons, entering),
        _direct(intakes, sums, entering),
        population.name in last_reader,
        any(p.geometry.kind == "dense" and p.source == population.name for p in network.projections),
        tuple(name for name, reader in last_reader.items() if reader == population.name),
    )


def _intake(population: FixedPopulation, product: Product, dtype: Any) -> Intake:
    merged = product.channels is None
    start, stop = product.channels or (0, population.neurons if merged else population.shape[0])
    positions = 1 if merged else math.prod(product.target[:-1])
    factor = np.full((positions, stop - start), product.factor)
    if product.projection.geometry.kind == "one-to-one":
        factor *= product.weight.cpu().numpy().reshape(factor.shape)
    if product.sign is not None:
        factor *= product.sign.cpu().numpy().reshape(factor.shape)
    return Intake(product, factor.astype(dtype), start, stop, merged)


def _direct(intakes: Sequence[Intake], sums: Any, entering: Any) -> tuple[Product, np.ndarray] | None:
    """The only intake, if its sums reach all neurons at once and are exact in the type in which they enter."""
    if len(intakes) != 1 or not intakes[0].merged or intakes[0].product.delay:
        return None
    if np.dtype(entering).itemsize < np.dtype(sums).itemsize:
        return None
    return intakes[0].product, intakes[0].factor[0].astype(entering)


def _neurons(network: FixedNetwork, population: FixedPopulation) -> Neurons:
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
    short = narrow and not np.any(left["u"]) and v * odd_part(left["v"]) < FLOAT32_EXACT
    dtype = np.float32 if narrow else np.float64

    def spread(values: Any, unit: float = 1.0) -> np.ndarray:
        whole = np.broadcast_to(np.asarray(values) * unit, (population.neurons,))
        return to_inner(whole, population.shape).astype(dtype)

    return Neurons(
        spread(population.bias if population.kind == "relay" else population.shifted_bias),
        spread(np.minimum(population.threshold, 1 << 18) * float(1 << THRESHOLD_SHIFT)),
        spread(left["u"], 1.0 if narrow else 1 / DECAY_UNITY),
        spread(left["v"], 1 / DECAY_UNITY if short or not narrow else 1.0),
        narrow,
        bool(np.any(left["u"])),
        short,
        f"|u| <= {u:,}, |v| <= {v:,}: " + ("neither wraps nor clips" if narrow else "may wrap or clip"),
    )
