"""What arrives at the populations of a run."""

from __future__ import annotations

import numpy as np

from neuro_deploy.engines.native import adding
from neuro_deploy.engines.native.buffers import Buffers
from neuro_deploy.engines.native.plan import Plan, Step
from neuro_deploy.engines.native.products import Product, side_by_side
from neuro_deploy.engines.native.samples import still
from neuro_deploy.engines.native.threads import EACH, do, share, unnoted
from neuro_deploy.network import FixedNetwork
from neuro_deploy.numerics.registers import IntArray

NOTHING = np.empty((0, 0, 0), np.float32)


class Arrivals:
    """values: population -> what it sends, (samples, T or 1, *inner shape).

    One timestep stands for all of them where nothing before it changes: static samples, and relays of such. These are
    computed once (still). tails: of delayed products, the sums that arrive in timesteps to come.
    """

    def __init__(self, network: FixedNetwork, plan: Plan, inputs: IntArray) -> None:
        """inputs: see ``neuro_deploy.engines.base.Engine.run``."""
        self.network, self.samples = network, len(inputs)
        self.static = still(network, inputs)
        self.buffers: Buffers = plan.lend()
        self.values: dict[str, np.ndarray] = {}
        self.together: dict[str, list[str]] = {}
        self.still: dict[str | Product, np.ndarray] = {}
        self.tails: dict[Product, np.ndarray] = {}

    def let_go(self, name: str) -> None:
        """Nobody reads any more what a population sends."""
        for each in (name, *(whole for whole, parts in self.together.items() if name in parts)):
            value = self.values.pop(each, None)
            self.together.pop(each, None)
            if value is not None and each not in self.still:
                self.buffers.give(value)

    def _arriving(self, step: Step, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """(what arrives, (samples, T or 1, neurons); the factor of each neuron, after which it is rounded down)."""
        if step.direct is not None:
            product, factor = step.direct
            return flat(self._sums(product)), factor
        return self._sum(step, steps), step.ones

    def _extra(self, step: Step) -> tuple[np.ndarray, np.ndarray]:
        """What is added to what arrives, and its factor."""
        if step.extra is None:
            return NOTHING, step.ones
        return flat(self._sums(step.extra[0])), step.extra[1]

    def _used(self, step: Step, x: np.ndarray) -> None:
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
            if product.beside and product.projection.geometry.kind == "one-to-one":
                self.still[product.source] = sums  # they are its sources themselves
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
            sums = self._sums(product)
            part = self._delayed(product, sums, steps) if product.delay else sums
            positions = len(intake.factor)
            rows = total.reshape(self.samples * length, positions, -1)
            x = part.reshape(-1, positions, intake.stop - intake.start)
            share(adding.add_up, len(rows), EACH * x.size, rows, intake.start, intake.stop, x, intake.factor, starts)
            starts = False
            if not (product in self.still or product.projection.geometry.kind == "one-to-one"):
                self.buffers.give(sums)
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

    def _provide(self, product: Product) -> None:
        """Put its sources side by side, if it wants them so and nobody has done it yet."""
        if product.beside and product.source not in self.values:
            names = [projection.source for projection in product.projections]
            each = [self.values[name] for name in names]
            self.values[product.source] = side_by_side(each, [None] * len(each), self.buffers)
            self.together[product.source] = names


def flat(values: np.ndarray) -> np.ndarray:
    """(samples, T or 1, neurons), neurons next to one another."""
    merged = values.reshape(*values.shape[:2], -1)
    if merged.shape[2] > 1 and merged.strides[2] != merged.itemsize:  # a window of one channel
        unnoted()
        return np.ascontiguousarray(merged)
    return merged
