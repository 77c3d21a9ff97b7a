"""Cuts populations into parts that fit a core.

A core holds one part of one population. Source of the rule that layers do not share cores: compiler reports in
lava-dl's tutorials. Two ways to cut (cuts.py): "fewest", the fewest cores for which every known limit of the profile
holds, and of these the fewest axon events; "compiler", as lava-loihi's compiler does it.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass
from typing import Literal

import numpy as np

from neuro_deploy.errors import UsageError
from neuro_deploy.hardware import HardwareProfile
from neuro_deploy.mapping.cost import CORE_RESOURCES, Format, Input, Use, core_use, distinct, projection_use, reached
from neuro_deploy.mapping.cuts import Cut, best_cut, compilers_cut
from neuro_deploy.mapping.limits import limits_of
from neuro_deploy.mapping.types import Core, Mapping
from neuro_deploy.network import FixedNetwork, FixedPopulation
from neuro_deploy.network.fan_out import Counts, axons, members
from neuro_deploy.numerics.registers import IntArray
from neuro_deploy.progress import Progress, silent

CutRule = Literal["fewest", "compiler"]
BITS = (1, 8)
"""Bits that a stored weight can have."""


@dataclass(frozen=True)
class Choice:
    """How to map. shared: weights that positions share are stored once, where the profile says what that costs.

    weight_bits: of a stored weight; None: as the profile says. cut: see above.

    Raises:
        UsageError: none of these.
    """

    shared: bool = True
    weight_bits: int | None = None
    cut: CutRule = "fewest"

    def __post_init__(self) -> None:
        if self.cut not in ("fewest", "compiler"):
            raise UsageError(f"cut is {self.cut!r}; fewest or compiler is wanted")
        if self.weight_bits is not None and not BITS[0] <= self.weight_bits <= BITS[1]:
            raise UsageError(f"weights of {self.weight_bits} bits; {BITS[0]} to {BITS[1]} are wanted")


def map_network(
    network: FixedNetwork,
    profile: HardwareProfile,
    choice: Choice | None = None,
    *,
    rates: Dict[str, IntArray] | None = None,
    progress: Progress = silent,
) -> Mapping:
    """Cut every computed population. Where no cut fits, each neuron gets a core and the mapping does not fit.

    rates: population -> spikes of each neuron, (neurons,); all alike, if not told. Cores stand on the chip in the order
    of the populations; ``place`` finds better places.
    """
    choice = choice or Choice()
    mapper = _Mapper(network, profile, choice, rates)
    mapper.cut(progress)
    cores: list[Core] = []
    for population in network.computed:
        cut = mapper.cuts[population.name]
        used, edges = mapper.use(population, cut, None, mapper.outputs(population)), cut.edges.tolist()
        counted = [resource for resource in CORE_RESOURCES if resource in used]
        for part, values in enumerate(zip(*(used[resource].tolist() for resource in counted), strict=True)):
            own = dict(zip(counted, values, strict=True))
            cores.append(Core(len(cores), 0, population.name, edges[part], edges[part + 1], own, cut.order))
    chips = -(-len(cores) // profile.whole("system.cores_per_chip"))
    limits = limits_of(network, profile, cores, chips)
    return Mapping(profile, tuple(cores), limits, chips, mapper.form.shared, choice.weight_bits, choice.cut)


class _Mapper:
    """The cuts found so far. Populations that are alike (a mixer's, block after block) are computed once."""

    def __init__(
        self, network: FixedNetwork, profile: HardwareProfile, choice: Choice, rates: Dict[str, IntArray] | None
    ) -> None:
        self.network, self.profile, self.choice, self.rates = network, profile, choice, rates
        self.form = Format(profile, choice.shared and profile.shares, choice.weight_bits)
        self.cuts: dict[str, Cut] = {}
        self.inputs = {
            p.name: [Input.of(q, shared=self.form.shared) for q in network.inputs_of(p.name)] for p in network.computed
        }
        self._limits = {r: profile.get(f"core.{r}") for r in CORE_RESOURCES if f"core.{r}" in profile.quantities}
        self._uses: dict[tuple[Input, Cut], Use] = {}
        self._reached: dict[tuple[Input, Cut], Counts] = {}
        self._found: dict[tuple[object, ...], Cut] = {}
        self._sends: dict[str, Counts | None] = {}

    def cut(self, progress: Progress) -> None:
        """Cut every population, targets first: a spike goes to each of their cores.

        Where populations feed each other a second round knows all of them. Without a limit of output axons the order
        plays no part.
        """
        bounded = "output_axons" in self._limits
        rounds = 2 if bounded and self.network.separated is not self.network else 1
        computed = self.network.computed
        for turn in range(rounds):
            for place, population in enumerate(reversed(computed)):
                progress("cutting", turn * len(computed) + place, rounds * len(computed))
                alone = bounded or self.rates or ("thresholds" in self._limits and population.threshold.ndim > 0)
                inputs = tuple(self.inputs[population.name])
                key = (population.shape, inputs, population.name if alone else None)
                if bounded or key not in self._found:
                    self._found[key] = self._best(population)
                self.cuts[population.name] = self._found[key]
        progress("cutting", rounds * len(computed), rounds * len(computed))

    def _best(self, population: FixedPopulation) -> Cut:
        outputs = self.outputs(population)
        most = self.profile.whole("core.neurons")

        def worst(cut: Cut, parts: Counts | None) -> float:
            used = self.use(population, cut, parts, outputs)
            return max(float(used[resource].max()) / limit for resource, limit in self._limits.items() if limit)

        def fits(cut: Cut, parts: Counts | None) -> bool:
            return worst(cut, parts) <= 1

        if self.choice.cut == "compiler":
            return compilers_cut(population.shape, most, fits, lambda cut: worst(cut, None))
        return best_cut(population.shape, most, fits, lambda cut: self._events(population, cut))

    def use(
        self, population: FixedPopulation, cut: Cut, parts: Counts | None, outputs: Counts | None = None
    ) -> dict[str, Counts]:
        """resource -> use of each of these parts (None: all). outputs: (neurons,), as ``outputs``."""
        neurons, cores = cut.neurons(parts)
        count = cut.parts if parts is None else len(parts)
        sizes = cut.sizes if parts is None else cut.sizes[parts]
        uses = []
        for given in self.inputs[population.name]:
            key = given, cut
            if parts is not None:
                uses.append(projection_use(self.form, given, neurons, cores, count))
                continue
            if key not in self._uses:
                self._uses[key] = projection_use(self.form, given, neurons, cores, count)
            uses.append(self._uses[key])
        return {
            **core_use(uses, sizes),
            **self._sent(population, neurons, cores, sizes, outputs),
            **self._thresholds(population, neurons, cores, count, final=parts is None),
        }

    def _sent(
        self, population: FixedPopulation, neurons: Counts, cores: Counts, sizes: Counts, outputs: Counts | None
    ) -> dict[str, Counts]:
        """Axons that leave each core, where they are limited, and entries of its axon map."""
        if population.name not in self._sends:
            sends = np.zeros(population.neurons, np.int64)
            for projection in self.network.projections:
                if projection.source == population.name:
                    sends[projection.geometry.sources] = 1
            self._sends[population.name] = sends if sends.min() == 0 else None
        sends_or_all = self._sends[population.name]
        count = len(sizes)
        mapped = sizes if sends_or_all is None else np.bincount(cores, sends_or_all[neurons], count).astype(np.int64)
        if outputs is None:
            return {"axon_map": mapped}
        return {"axon_map": mapped, "output_axons": np.bincount(cores, outputs[neurons], count).astype(np.int64)}

    def _thresholds(
        self, population: FixedPopulation, neurons: Counts, cores: Counts, count: int, *, final: bool
    ) -> dict[str, Counts]:
        """Different thresholds on each core; while cuts are searched only where they are limited."""
        if not final and "thresholds" not in self._limits:
            return {}
        threshold = population.threshold
        return {"thresholds": distinct(threshold[neurons] if threshold.ndim else threshold, cores, count)}

    def outputs(self, population: FixedPopulation) -> Counts | None:
        """Cores that a spike of each neuron goes to, summed over projections: (neurons,); None without such a limit."""
        if "output_axons" not in self._limits:
            return None
        outputs = np.zeros(population.neurons, np.int64)
        for name in {p.target for p in self.network.projections if p.source == population.name} & set(self.cuts):
            cut = self.cuts[name]
            for projection, given in zip(self.network.inputs_of(name), self.inputs[name], strict=True):
                if projection.source == population.name:
                    if (given, cut) not in self._reached:
                        self._reached[given, cut] = reached(given, *cut.neurons())
                    outputs[members(given.geometry)] += self._reached[given, cut][:, None]
        return outputs

    def _events(self, population: FixedPopulation, cut: Cut) -> float:
        """Axon events of a timestep in which every neuron spikes, or of the measured spikes; once per projection."""
        total = 0.0
        for projection, given in zip(
            self.network.inputs_of(population.name), self.inputs[population.name], strict=True
        ):
            found = axons(given.geometry, given.shape, *cut.neurons())
            if self.rates is None:
                total += len(found.group) * found.size
            else:
                spikes = self.rates[projection.source][members(given.geometry)].sum(axis=1)
                total += float(spikes[found.group].sum())
        return total
