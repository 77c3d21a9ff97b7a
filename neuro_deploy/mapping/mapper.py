"""Cuts populations into parts that fit a core, and puts the parts on cores, first come first served.

A core holds one part of one population. A population is cut into the fewest parts of equal size (to one unit, see
cuts.py) for which every known limit of the profile holds. Source of the rule that layers do not share cores: compiler
reports in lava-dl's tutorials.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neuro_deploy.hardware import HardwareProfile
from neuro_deploy.mapping.cost import CORE_RESOURCES, Input, Use, core_use, distinct, projection_use
from neuro_deploy.mapping.cuts import Cut, fewest_parts
from neuro_deploy.mapping.types import Core, Limit, Mapping
from neuro_deploy.network import FixedNetwork, FixedPopulation
from neuro_deploy.network.bounds import largest_spike
from neuro_deploy.network.fan_out import Counts, members


def map_network(network: FixedNetwork, profile: HardwareProfile) -> Mapping:
    """Map every computed population. Where no cut fits, each neuron gets a core and the mapping does not fit."""
    mapper = _Mapper(network, profile)
    mapper.cut()
    cores: list[Core] = []
    per_chip = profile.whole("system.cores_per_chip")
    for population in network.computed:
        cut, used = mapper.cuts[population.name], mapper.use(population, mapper.cuts[population.name], None)
        edges, columns = cut.edges.tolist(), [used[resource].tolist() for resource in CORE_RESOURCES]
        for part, values in enumerate(zip(*columns, strict=True)):
            index, own = len(cores), dict(zip(CORE_RESOURCES, values, strict=True))
            where = population.name, edges[part], edges[part + 1]
            cores.append(Core(index, index // per_chip, *where, own, cut.order))
    chips = -(-len(cores) // per_chip)
    return Mapping(profile, tuple(cores), tuple(_limits(network, profile, cores, chips)), chips)


class _Mapper:
    """The cuts found so far. Populations that are alike (a mixer's, block after block) are computed once."""

    def __init__(self, network: FixedNetwork, profile: HardwareProfile) -> None:
        self.network, self.profile = network, profile
        self.cuts: dict[str, Cut] = {}
        self._limits = {r: profile.get(f"core.{r}") for r in CORE_RESOURCES if f"core.{r}" in profile.quantities}
        self._uses: dict[tuple[Input, Cut], Use] = {}
        self._found: dict[tuple[object, ...], Cut] = {}

    def cut(self) -> None:
        """Cut every population, targets first: a spike goes to each of their cores.

        Where populations feed each other a second round knows all of them. Without a limit of output axons the order
        plays no part.
        """
        bounded = "output_axons" in self._limits
        for _ in range(2 if bounded and self.network.separated is not self.network else 1):
            for population in reversed(self.network.computed):
                inputs = tuple(Input.of(p) for p in self.network.inputs_of(population.name))
                alone = bounded or ("thresholds" in self._limits and population.threshold.ndim > 0)
                key = (population.shape, inputs, population.name if alone else None)
                if bounded or key not in self._found:
                    self._found[key] = self._fewest(population)
                self.cuts[population.name] = self._found[key]

    def _fewest(self, population: FixedPopulation) -> Cut:
        outputs = self._outputs(population) if "output_axons" in self._limits else None

        def fits(cut: Cut, parts: Counts | None) -> bool:
            used = self.use(population, cut, parts, outputs)
            return all(bool(np.all(used[resource] <= limit)) for resource, limit in self._limits.items() if limit)

        return fewest_parts(population.shape, self.profile.whole("core.neurons"), fits)

    def use(
        self, population: FixedPopulation, cut: Cut, parts: Counts | None, outputs: Counts | None = None
    ) -> dict[str, Counts]:
        """resource -> use of each of these parts (None: all). outputs: (neurons,), counted here where not given."""
        neurons, cores = cut.neurons(parts)
        count = cut.parts if parts is None else len(parts)
        sizes = cut.sizes if parts is None else cut.sizes[parts]
        uses = []
        for projection in self.network.inputs_of(population.name):
            key = Input.of(projection), cut
            if parts is not None:
                uses.append(projection_use(self.profile, key[0], neurons, cores, count))
                continue
            if key not in self._uses:
                self._uses[key] = projection_use(self.profile, key[0], neurons, cores, count)
            uses.append(self._uses[key])
        if outputs is None:
            outputs = self._outputs(population) if parts is None else np.zeros(population.neurons, np.int64)
        sent = np.bincount(cores, outputs[neurons], minlength=count).astype(np.int64)
        threshold = population.threshold
        return core_use(uses, sizes, sent, distinct(threshold[neurons] if threshold.ndim else threshold, cores, count))

    def _outputs(self, population: FixedPopulation) -> Counts:
        """Cores that a spike of each neuron goes to, summed over projections: (neurons,), int64."""
        outputs = np.zeros(population.neurons, np.int64)
        for projection in self.network.projections:
            if projection.source == population.name and projection.target in self.cuts:
                given, cut = Input.of(projection), self.cuts[projection.target]
                if (given, cut) not in self._uses:
                    self._uses[given, cut] = projection_use(self.profile, given, *cut.neurons(), cut.parts)
                outputs[members(given.geometry)] += self._uses[given, cut].reached[:, None]
        return outputs


def _limits(network: FixedNetwork, profile: HardwareProfile, cores: Sequence[Core], chips: int) -> list[Limit]:
    limits = []
    for resource in CORE_RESOURCES:
        quantity = profile.quantities.get(f"core.{resource}")
        if quantity is not None:
            worst = max(cores, key=lambda core: core.used[resource])
            used, where = worst.used[resource], f"one core of {worst.population}"
            limits.append(Limit(resource, quantity.unit, int(quantity.value), used, where, quantity.source))
    apart = [population for population in network.computed if population.threshold.ndim]
    if apart and "core.thresholds" not in profile.quantities:
        most = max(len(np.unique(population.threshold)) for population in apart)
        source = "no public figure says whether neurons of one core may differ in their threshold"
        limits.append(Limit("thresholds", "thresholds", None, most, apart[0].name, source))
    limits.append(_payload(network, profile))
    system = profile.quantities["system.chips"]
    limits.append(Limit("chips", system.unit, int(system.value), chips, "the network", system.source))
    return limits


def _payload(network: FixedNetwork, profile: HardwareProfile) -> Limit:
    """The widest payload: the magnitude of graded input, or of what a relay can send."""
    sent = {p.name: largest_spike(network, p.name) for p in network.populations if p.kind == "relay"}
    if network.encoding.mode == "graded":
        sent = {network.entry: int(network.encoding.levels), **sent}
    widest = max(sent, key=lambda name: sent[name], default=None)
    bits = sent[widest].bit_length() if widest else 0
    quantity = profile.quantities["spike.payload_bits"]
    where = f"spikes of {widest or 'every projection'}"
    hint = _payload_hint(network, profile, [name for name in sent if sent[name].bit_length() > quantity.value])
    return Limit("payload_bits", quantity.unit, int(quantity.value), bits, where, quantity.source, hint)


def _payload_hint(network: FixedNetwork, profile: HardwareProfile, wide: Sequence[str]) -> str | None:
    """How a network gets rid of the spikes whose payload is too wide: of these populations."""
    options = []
    for name in wide:
        onto = [p for p in network.projections if p.source == name]
        if network.population(name).kind == "relay":
            avoidable, option = all(p.weight.size == 1 for p in onto), "--skip recompute"
        else:
            first = network.population(onto[0].target)
            alone = len(onto) == len(network.inputs_of(first.name)) == 1
            avoidable = alone and onto[0].geometry.kind == "dense" and first.kind == "lif"
            option = "--input bias"
        if not avoidable:
            kind = "relays" if network.population(name).kind == "relay" else "the input"
            return f"{kind} of this network must send graded spikes, which {profile.name} does not carry: use loihi2"
        options.append(option)
    return f"neuro-deploy convert {' '.join(dict.fromkeys(options))} sends no graded spikes" if options else None
