"""Random fixed networks of every kind, each from a seed.

A network is drawn pattern after pattern, in execution order: neurons fed by anything before them, sources side by side,
residuals, relays behind relays, populations that feed their own later channels. Half of the networks are plain, so that
the native engine computes populations together and notes its calls.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from random_synapses import ROWS, Draft, Shape, Synapses, Window, along, pick, possible, typical

from neuro_deploy.network import (
    BiasEncoding,
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    GradedEncoding,
    InputEncoding,
    Kind,
    SpikeEncoding,
)
from neuro_deploy.numerics.registers import BIAS, NEVER, RELAY, THRESHOLD

SIZES = [(1, 1), (2, 3), (3, 2), (1, 5), (4, 1), (3, 4), (5, 5)]
"""Height and width that most populations of a network have."""
RANGES = [(0, 1), (0, 127), (0, 255), (-1, 1), (-15, 15), (-128, 127), (-3, 255)]
"""Lowest and highest value of graded input."""
DECAYS = [4096, 4096, 2048, 4095, 123, 1, 0]


def random_network(seed: int) -> FixedNetwork:
    """The network of that seed."""
    return Drawing(np.random.default_rng(seed)).network()


class Drawing:
    """A network while it is drawn."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.wide = rng.random() < 0.15
        self.size = self.pick(*SIZES[:2] if self.wide else SIZES)
        self.synapses = Synapses(rng, plain=rng.random() < 0.5, extreme=rng.random() < 0.07)
        self.drafts: list[Draft] = []
        self.populations: list[FixedPopulation] = []
        self.projections: list[FixedProjection] = []

    def network(self) -> FixedNetwork:
        """The whole of it: input, some patterns, and the output."""
        encoding = self.entry()
        patterns: list[Callable[[], object]] = [self.anything, self.anything, self.side_by_side, self.side_by_side]
        patterns += [self.mixed_together, self.residual, self.relays, self.circle]
        for _ in range(self.rng.integers(1, 7)):
            self.pick(*patterns)()
        self.neurons(self.pick("readout", "readout", "lif", "lif", "relay"), self.shape(flat=0.6))
        return FixedNetwork(tuple(self.populations), tuple(self.projections), self.pick(1, 2, 3, 5, 8, 13), encoding)

    def pick(self, *options: Any) -> Any:
        """One of the options."""
        return pick(self.rng, *options)

    def channels(self) -> int:
        """How many a population has."""
        return int(self.pick(2, 16, 17, 70, 130) if self.wide else self.rng.integers(1, 7))

    def shape(self, *, flat: float = 0.12) -> Shape:
        """That of a population: flat, or of another size, now and then."""
        size = self.size if self.rng.random() < 0.85 else self.rng.integers(1, 4, 2).tolist()
        return (self.channels(), *(() if self.rng.random() < flat else size))

    def entry(self) -> InputEncoding:
        """How samples enter, and the population that they reach."""
        mode, shape = self.pick(*(["spikes"] * 4), *(["graded"] * 6), "bias"), self.shape()
        if mode == "bias":
            return self.by_bias(shape)
        first, levels = (0, 1) if mode == "spikes" else self.pick(*RANGES)
        draft = self.begin("input", shape, sends=max(levels, -first) / 2)
        self.populations.append(FixedPopulation(draft.name, "input", shape))
        return SpikeEncoding(shape) if mode == "spikes" else GradedEncoding(shape, levels=levels, first=first)

    def by_bias(self, shape: Shape) -> BiasEncoding:
        """Data for the bias of neurons that nothing else feeds."""
        neurons = self.begin("lif", shape)
        self.finish(neurons)
        if self.rng.random() < 0.3:
            return BiasEncoding(neurons.name, shape, np.asarray(2.5), np.asarray(3.0))
        size = math.prod(shape)
        return BiasEncoding(neurons.name, (3,), self.rng.normal(0, 10, (size, 3)), self.rng.normal(0, 30, size))

    def begin(self, kind: Kind, shape: Shape, **more: Any) -> Draft:
        """One more population."""
        self.drafts.append(Draft(f"p{len(self.drafts)}", kind, shape, **more))
        return self.drafts[-1]

    def finish(self, draft: Draft) -> None:
        """Parameters with which it does something, now that all that feeds it is known."""
        neurons, sends = math.prod(draft.shape), {each.name: each.sends for each in self.drafts}
        arriving = max(1.0, sum(typical(p, sends[p.source]) for p in self.projections if p.target == draft.name))
        most = int(min(arriving, RELAY.high) if draft.kind == "relay" else np.clip(arriving / 3, 2, BIAS.high))
        bias = self.rng.integers(-most, most + 1, self.pick((), neurons))
        parameters: dict[str, Any] = {}
        if draft.kind == "relay":
            draft.sends = 2 * arriving
        else:
            parameters = {f"{x}_decay": self.rng.choice(DECAYS, self.pick((), neurons)) for x in "uv"}
            level = int(np.clip(arriving * self.pick(0.02, 0.3, 1.5), 1, THRESHOLD.high))
            levels = self.rng.integers(0, level + 1, self.pick((), neurons))
            parameters["threshold"] = levels if draft.kind == "lif" else np.asarray(NEVER)
        self.populations.append(FixedPopulation(draft.name, draft.kind, draft.shape, bias, **parameters))

    def connect(self, source: Draft, target: Draft) -> None:
        """By any synapses."""
        self.projections.append(self.synapses.between(source, target))

    def feed(self, kind: str, source: Draft, target: Draft, *windows: Window | None, **more: Any) -> None:
        """By synapses of one kind: see ``Synapses.of``."""
        self.projections.append(self.synapses.of(kind, source, target, *windows, **more))

    def more(self, target: Draft, often: float = 0.3) -> None:
        """Now and then something else feeds it too."""
        others = [each for each in self.drafts if each is not target]
        alike = [each for each in others if each.shape == target.shape]
        if self.rng.random() < often:
            if alike and self.rng.random() < 0.7:
                self.feed("one-to-one", self.pick(*alike), target)
            else:
                self.connect(self.pick(*others), target)

    def neurons(self, kind: Kind, shape: Shape, source: Draft | None = None) -> Draft:
        """Fed by that source, or else by one or several of those before."""
        source = source or self.pick(*self.drafts, *self.drafts[-3:])
        draft = self.begin(kind, shape)
        self.connect(source, draft)
        self.more(draft)
        self.more(draft)
        self.finish(draft)
        return draft

    def anything(self) -> None:
        """Neurons or a relay, fed by anything; rarely by nothing."""
        kind = self.pick("lif", "lif", "relay")
        if self.rng.random() < 0.05:
            self.finish(self.begin(kind, self.shape()))
        else:
            self.neurons(kind, self.shape())

    def relays(self) -> None:
        """A relay behind another."""
        relay = self.neurons("relay", self.shape())
        self.neurons("relay", self.pick(relay.shape, self.shape()), relay)

    def parts(self, *kinds: Kind) -> list[Draft]:
        """Two or three populations of the usual size and of these kinds, which were there or are not."""
        made: list[Draft] = []
        for _ in range(self.pick(2, 2, 3)):
            there = [each for each in self.drafts if each.shape[1:] == self.size and each.kind in kinds]
            if there and self.rng.random() < 0.6:
                made.append(self.pick(*there))
            else:
                made.append(self.neurons(self.pick(*kinds[:2]), (self.channels(), *self.size)))
        return made

    def side_by_side(self) -> None:
        """Populations whose channels reach those of another one after the other: one to one, or along one axis."""
        kind = self.pick("one-to-one", "one-to-one", "height", "width", "space")
        one = kind == "one-to-one"
        parts = self.parts(*self.pick(("lif", "relay", "input"), ("lif",))) if one else self.parts("lif")
        if one and self.drafts[0].shape[1:] == self.size and self.rng.random() < 0.9:
            parts[0] = self.drafts[0]
        ends = np.cumsum([0, *(part.channels for part in parts)]).tolist()
        shared = not one and self.rng.random() >= 0.1
        weight = self.synapses.weight(2 * (along(kind, (1, *self.size)),)) if shared else None
        exponent = self.pick(0, 1, -2, None)
        for _ in range(self.pick(1, 2)):
            target = self.begin(self.pick("lif", "lif", "relay"), (ends[-1], *self.size))
            for part, reached in zip(parts, itertools.pairwise(ends), strict=True):
                self.feed(kind, part, target, None, reached, weight=weight, exponent=exponent)
            self.more(target)
            self.finish(target)

    def mixed_together(self) -> None:
        """Neurons of several populations mixed along the channels, by synapses of one exponent."""
        parts, exponent = self.parts("lif"), self.pick(0, 0, 1, -2)
        target = self.begin(self.pick("lif", "relay"), (self.channels(), *self.size))
        for part in parts:
            taken = None if self.synapses.plain else self.synapses.window(part.channels)
            self.feed("channel", part, target, taken, exponent=exponent)
        self.more(target)
        self.finish(target)

    def residual(self) -> None:
        """A relay that others read one to one, some with something else."""
        fast = [each for each in self.drafts if each.kind != "relay"] if self.synapses.plain else []
        source, shape = self.pick(*(fast or self.drafts)), (self.channels(), *self.size)
        relay = self.begin("relay", shape)
        self.connect(source, relay)
        self.more(relay, often=0.5)
        self.finish(relay)
        for _ in range(self.pick(1, 1, 2, 3)):
            reader = self.begin(self.pick("lif", "lif", "lif", "relay"), shape)
            for _ in range(self.pick(1, 1, 1, 2)):
                self.feed("one-to-one", relay, reader)
            self.more(reader)
            self.finish(reader)

    def circle(self) -> None:
        """A population of which each part of the channels feeds the next one, by itself or through another."""
        channels, source = self.pick(4, 5, 6), self.pick(*self.drafts)
        inner = self.rng.choice(np.arange(1, channels), self.pick(1, 2), replace=False)
        first = last = self.begin(self.pick("lif", "relay"), (channels, *self.size), sends=16, circle=True)
        self.connect(source, first)
        if self.rng.random() < 0.5:
            last = self.begin(self.pick("lif", "relay"), first.shape, sends=16, circle=True)
        parts = itertools.pairwise([0, *sorted(inner.tolist()), channels])
        for part, following in itertools.pairwise(parts):
            if last is not first:
                self.feed("one-to-one", first, last, part, part)
            kind = self.pick(*possible(last.shape, first.shape))
            alike = channels if kind in ROWS else min(part[1] - part[0], following[1] - following[0])
            self.feed(kind, last, first, *((start, min(stop, start + alike)) for start, stop in (part, following)))
        for each in [first] if last is first else [first, last]:
            self.finish(each)
