"""What is worked out once per network: arranged weights, neurons' parameters, kernels and their proofs."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from neuro_deploy.engines.exact import FLOAT64_EXACT, largest_states, odd_part
from neuro_deploy.engines.native.layout import Shape, inner_shape, to_inner
from neuro_deploy.engines.native.products import Kernel, Product, products
from neuro_deploy.errors import UnsupportedError
from neuro_deploy.network import FixedNetwork, FixedPopulation, state_bounds
from neuro_deploy.numerics.registers import (
    ACTIVATION_SHIFT,
    DECAY_UNITY,
    FLOAT32_EXACT,
    THRESHOLD_SHIFT,
)

UNIT = float(1 << ACTIVATION_SHIFT)


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
    """A product, and how its sums are added to others: see ``kernels.add_up``. merged: positions and channels as one.

    raw: the values themselves are added, since the factors are the weights.
    """

    product: Product
    factor: np.ndarray
    start: int
    stop: int
    merged: bool
    raw: bool


@dataclass(frozen=True, eq=False)
class Step:
    """One population: what feeds it and what it does. sums: the type in which several products are added.

    lasts: the sources that nothing reads after this.
    """

    population: FixedPopulation
    shape: Shape
    intakes: tuple[Intake, ...]
    neurons: Neurons
    sums: Any
    read: bool
    lasts: tuple[str, ...]

    @property
    def products(self) -> tuple[Product, ...]:
        """What feeds it."""
        return tuple(intake.product for intake in self.intakes)

    @property
    def direct(self) -> Intake | None:
        """The only intake, where its sums can go to the neurons as they are."""
        only = self.intakes[0] if len(self.intakes) == 1 else None
        return only if only is not None and only.product.plain and not only.raw else None


@dataclass(frozen=True, eq=False)
class Plan:
    """All computed populations, in order."""

    steps: tuple[Step, ...]

    def explain(self) -> list[dict[str, Any]]:
        """Kernel and proof of every projection and population, as plain data."""
        rows: list[dict[str, Any]] = []
        for step in self.steps:
            rows += [
                {"part": product.projection.name, "kernel": product.kernel, "reason": product.reason}
                for product in step.products
            ]
            kernel = "relay" if step.population.kind == "relay" else "float32" if step.neurons.narrow else "float64"
            rows.append({"part": step.population.name, "kernel": f"{kernel} neurons", "reason": step.neurons.reason})
        return rows


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
    fed = [
        product
        for projection in network.inputs_of(population.name)
        for product in products(network, projection, device, forced)
    ]
    largest = sum(product.largest for product in fed)
    if population.kind == "relay":
        largest += int(np.abs(population.bias).max())
    if largest >= FLOAT64_EXACT:
        raise UnsupportedError(
            f"sums reach {largest:,}, beyond exact arithmetic", where=population.name, hint="use the reference engine"
        )
    dtype = np.float32 if largest < FLOAT32_EXACT else np.float64
    last_reader = {p.source: q.name for q in network.computed for p in network.inputs_of(q.name)}
    return Step(
        population,
        inner_shape(population.shape),
        tuple(_intake(population, product, dtype) for product in fed),
        _neurons(network, population),
        dtype,
        population.name in last_reader,
        tuple(name for name, reader in last_reader.items() if reader == population.name),
    )


def _intake(population: FixedPopulation, product: Product, dtype: Any) -> Intake:
    merged = product.channels is None
    start, stop = product.channels or (0, population.neurons if merged else population.shape[0])
    factor, raw = np.full((1, 1), product.factor), product.projection.geometry.kind == "one-to-one"
    if raw:
        weight = product.weight.cpu().numpy() * product.factor
        uniform = bool(np.all(weight == weight.flat[0]))
        factor = weight.reshape(-1)[:1, None] if uniform else weight.reshape(-1, stop - start)
    if product.sign is not None:
        factor = factor * product.sign.cpu().numpy().reshape(-1, stop - start)
    return Intake(product, factor.astype(dtype), start, stop, merged, raw)


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
