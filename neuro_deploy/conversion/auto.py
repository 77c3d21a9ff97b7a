"""Fewer bits where the spikes care least, until a budget of accuracy is spent.

Every projection starts at 8 bits. In each round the quarter of them are lowered by a bit whose spikes change least for
the memory that it saves: the share of differing spikes of the whole network with one projection alone lowered. The
round is kept where the loss stays within the budget; else half as many are tried, and one that cannot be lowered alone
stays where it is. The loss is the largest of what the accuracy on the calibration samples loses, what it loses on noisy
copies of them, and half the share of predictions that change on either: a network knows the samples that it learned
from too well to tell from them alone what others will lose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neuro_deploy.conversion.settings import Settings
from neuro_deploy.engines.base import RunResult
from neuro_deploy.engines.running import run
from neuro_deploy.errors import RangeError, UsageError
from neuro_deploy.hardware import HardwareProfile
from neuro_deploy.mapping import map_network
from neuro_deploy.network import FixedNetwork, Network, weight_bytes
from neuro_deploy.passes.levels import FEWEST, MOST
from neuro_deploy.progress import Progress
from neuro_deploy.training.data import Data

Point = dict[str, Any]
NOISE = 0.5
"""Of the noisy copies: standard deviation, in parts of the samples' own. Our own."""
CHOSEN = 512
"""Samples that sensitivities are measured on; the budget is checked on all."""


@dataclass(frozen=True, eq=False)
class Budget:
    """max_loss: points of accuracy, 0..100, that may be lost. profile: whose cores count. say: told each point."""

    max_loss: float
    profile: HardwareProfile
    say: Callable[[Point], None] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.max_loss <= 100:
            raise UsageError(f"--max-loss is {self.max_loss:g} points; 0 to 100 are allowed")


def search(
    network: Network, settings: Settings, data: Data, budget: Budget, progress: Progress
) -> tuple[dict[str, int], tuple[Point, ...]]:
    """Bits of every projection, and the points on the way: accuracy, loss, memory and cores.

    Raises:
        as ``Quantize``; UsageError: a budget beyond 0..100 points.
    """
    found = _Search(network, settings, data, budget, progress)
    found.go()
    return found.bits, tuple(found.curve)


class _Search:
    def __init__(self, network: Network, settings: Settings, data: Data, budget: Budget, progress: Progress) -> None:
        self.network, self.settings, self.data, self.budget, self.progress = network, settings, data, budget, progress
        graded = {p.name for p in network.populations if p.kind == "relay"}
        self.bits = {p.name: MOST for p in network.projections if p.source not in graded}
        self.few = data.head(CHOSEN)
        self.tests = [data.x, _noisy(network, data.x)]
        self.truths = [run(network, x) for x in self.tests]
        self.curve: list[Point] = []

    def go(self) -> None:
        """Lower bits until nothing can be lowered."""
        self.accept(self.bits, self.made(self.bits))
        self.start = run(self.made(self.bits, calibrated=False), self.few.x, record=("spikes",))
        harm = {name: self.harm(name) for name in self.bits}
        every = sum(bits - FEWEST for bits in self.bits.values())
        done, at_once = 0, -(-len(harm) // 4)
        while harm:
            self.progress("lowering bits", done, every)
            chosen = sorted(harm, key=lambda name: harm[name])[:at_once]
            lower = {**self.bits, **{name: self.bits[name] - 1 for name in chosen}}
            network = self.made(lower)
            if self.within(network):
                self.accept(lower, network)
                done += len(chosen)
                harm |= {name: self.harm(name) for name in chosen}
                at_once = -(-len(harm) // 4)
            elif at_once > 1:
                at_once //= 2
                continue
            else:
                done += self.bits[chosen[0]] - FEWEST
                del harm[chosen[0]]
            harm = {name: each for name, each in harm.items() if self.bits[name] > FEWEST}
        self.progress("lowering bits", every, every)

    def made(self, bits: Mapping[str, int], *, calibrated: bool = True) -> FixedNetwork:
        """The network at these bits; scales are chosen by the samples, or, sooner, without them."""
        settings = replace(self.settings, weight_bits=dict(bits))
        fixed, _ = settings.quantize(np.asarray(self.data.x) if calibrated else None)(self.network)
        return fixed

    def harm(self, name: str) -> float:
        """Differing spikes for each bit of memory that one bit less of a projection saves."""
        if self.bits[name] <= FEWEST:
            return np.inf
        try:
            lowered = self.made({**self.bits, name: self.bits[name] - 1}, calibrated=False)
        except RangeError:  # without samples nothing may be left of weights of one bit
            return np.inf
        got = run(lowered, self.few.x, record=("spikes",))
        saved = sum(int(p.fan_out.sum()) for p in lowered.projections if p.name == name)
        return _differing(self.start, got) / max(saved, 1)

    def loss(self, network: FixedNetwork) -> float:
        """Points that are lost."""
        losses = []
        for x, truth in zip(self.tests, self.truths, strict=True):
            result, y = run(network, x), self.data.y
            changed = float(np.mean(result.predictions != truth.predictions))
            lost = changed if y is None else (truth.accuracy(y) or 0.0) - (result.accuracy(y) or 0.0)
            losses.append(max(lost, changed / 2))
        return 100 * max(losses)

    def within(self, network: FixedNetwork) -> bool:
        """Whether the budget allows a network."""
        return self.loss(network) <= self.budget.max_loss

    def accept(self, bits: Mapping[str, int], network: FixedNetwork) -> None:
        """Go on from these bits, and tell where that is."""
        self.bits = dict(bits)
        result = run(network, self.data.x)
        mapping = map_network(network, self.budget.profile)
        point = {
            "weight_bits": dict(bits),
            "accuracy": result.accuracy(self.data.y),
            "loss": round(self.loss(network), 4),
            "synapse_bytes": weight_bytes(network),
            "cores": len(mapping.cores),
            "profile": self.budget.profile.name,
        }
        self.curve.append(point)
        if self.budget.say is not None:
            self.budget.say(point)


def _noisy(network: Network, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Samples with noise, as whole numbers within the encoding's range; seeded."""
    encoding = network.encoding
    levels = encoding.encode(x)
    noise = np.random.default_rng(0).normal(0, NOISE * levels.std(), levels.shape)
    noisy: npt.NDArray[Any] = np.clip(np.rint(levels + noise), encoding.first, encoding.levels).astype(np.int64)
    return noisy


def _differing(want: RunResult, got: RunResult) -> float:
    """Share of differing spikes of all populations, and a little for outputs, so that a readout counts as well."""
    pairs = [(want.spikes[name], got.spikes[name]) for name in want.spikes]
    spikes = sum(int(np.count_nonzero(a != b)) for a, b in pairs) / max(sum(a.size for a, _ in pairs), 1)
    spread = float(np.std(want.outputs)) or 1.0
    outputs = got.outputs * (float(np.std(want.outputs)) / (float(np.std(got.outputs)) or 1.0))
    return spikes + float(np.mean(np.abs(outputs - want.outputs)) / spread) / 10
