"""An independent check of a mapping: recounts every limit core by core, from the network's shapes and weights alone.

It shares no formula with the mapper; it is slow and simple on purpose. Synapses that are each stored on their own are
counted in the unrolled matrix, kernels stored once by the coordinates of the neurons on the core. Networks whose
unrolled synapses would fill the memory are recounted as far as that is not needed; ``unchecked`` says what is left out.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.sparse

from neuro_deploy.hardware import HardwareProfile
from neuro_deploy.mapping.mesh import chip_mesh
from neuro_deploy.mapping.types import Core, Mapping
from neuro_deploy.network import FixedNetwork, FixedProjection
from neuro_deploy.numerics.registers import IntArray
from neuro_deploy.progress import Progress, silent

MAX_SYNAPSES = 2**24
"""Synapses that are unrolled; more would take gigabytes."""

Axon = tuple[IntArray, IntArray]
"""(source neurons with synapses on a core, how many each has there)"""


def unchecked(network: FixedNetwork, mapping: Mapping | None = None) -> str | None:
    """What ``check_mapping`` leaves out for this network, and why; None where it checks everything.

    mapping: whether it shares weights decides; without it, as if it did not.
    """
    shared = mapping is not None and mapping.shared
    bounded = mapping is not None and mapping.profile.get("core.output_axons") is not None
    unrolled = [p for p in network.projections if bounded or not (shared and _by_coordinates(p))]
    synapses = sum(p.geometry.additions(p.weight.shape) for p in unrolled if bounded or p.geometry.kind != "dense")
    if synapses <= MAX_SYNAPSES:
        return None
    return (
        f"only coverage, neurons and places are recounted: {synapses:,} synapses are too many to unroll "
        f"(more than {MAX_SYNAPSES:,})"
    )


def check_mapping(network: FixedNetwork, mapping: Mapping, *, progress: Progress = silent) -> list[str]:
    """What is wrong with a mapping, in words; empty where nothing is."""
    problems = _coverage(network, mapping)
    recount = _Recount(network, mapping) if unchecked(network, mapping) is None else None
    for core in mapping.cores:
        progress("checking", core.index, len(mapping.cores))
        counted = recount.of(core) if recount else {"neurons": core.stop - core.start}
        problems += _compared(core, counted, mapping.profile)
    progress("checking", len(mapping.cores), len(mapping.cores))
    return problems + _places(mapping)


def _compared(core: Core, counted: dict[str, int], profile: HardwareProfile) -> list[str]:
    problems = []
    for resource, used in counted.items():
        limit = profile.get(f"core.{resource}")
        if limit is not None and used > limit:
            problems.append(f"core {core.index} ({core.population}): {used:,} {resource}, allowed: {limit:,.0f}")
        if used != core.used[resource]:
            problems.append(f"core {core.index}: the mapping says {core.used[resource]:,} {resource}, it is {used:,}")
    return problems


def _places(mapping: Mapping) -> list[str]:
    """Chips, and where placed: tiles that hold too many cores, or that are not on the core's chip."""
    profile, problems = mapping.profile, []
    chips, counts = np.unique([core.chip for core in mapping.cores], return_counts=True)
    for chip, count in zip(chips.tolist(), counts.tolist(), strict=True):
        if mapping.places != "none" and count > profile.whole("system.cores_per_chip"):
            problems.append(f"chip {chip} holds {count} cores")
    if mapping.chips > profile.whole("system.chips"):
        problems.append("more chips than the system has")
    if mapping.places == "none":
        return problems
    columns, rows, per_tile = chip_mesh(profile)
    across = int(profile.get("system.columns") or max(1, profile.whole("system.chips")))
    held: dict[tuple[int, int], int] = {}
    for core in mapping.cores:
        held[core.tile] = held.get(core.tile, 0) + 1
        if core.chip != core.tile[1] // rows * across + core.tile[0] // columns:
            problems.append(f"core {core.index}: tile {core.tile} is not on chip {core.chip}")
    problems += [f"tile {tile} holds {count} cores" for tile, count in held.items() if count > per_tile]
    return problems


def _neurons(network: FixedNetwork, core: Core) -> IntArray:
    """The neurons on a core, as arrays number them, whatever order the core counts them in."""
    shape = network.population(core.population).shape
    place = np.arange(core.start, min(core.stop, math.prod(shape)))
    if core.order == "channels first" or len(shape) == 1:
        return place
    channels, height, width = shape
    strip = width if core.order == "channels last" else int(core.order.split()[-1])
    first = place // (channels * height * strip) * strip
    here = np.minimum(strip, width - first)
    rest = place - first * channels * height
    position, channel = rest // channels, rest % channels
    return channel * height * width + position // here * width + first + position % here


def _coverage(network: FixedNetwork, mapping: Mapping) -> list[str]:
    problems = []
    if len({core.index for core in mapping.cores}) != len(mapping.cores):
        problems.append("a core is used twice")
    for population in network.computed:
        times = np.zeros(population.neurons, np.int64)
        for core in mapping.of(population.name):
            times[_neurons(network, core)] += 1
        if not np.all(times == 1):
            problems.append(f"{population.name}: a neuron stands on {times.max()} or {times.min()} cores, not on 1")
    return problems


def _by_coordinates(projection: FixedProjection) -> bool:
    """Whether the kernel of these synapses can be stored once."""
    kind = projection.geometry.kind
    return kind in ("conv2d", "axial") or (kind == "one-to-one" and projection.weight.ndim == 0)


class _Recount:
    """Every core's resources."""

    def __init__(self, network: FixedNetwork, mapping: Mapping) -> None:
        self.network, self.mapping = network, mapping
        self.bounded = mapping.profile.get("core.output_axons") is not None
        self._onto: list[tuple[FixedProjection, dict[int, Axon]]] = []
        self._reached = {p.name: np.zeros(p.neurons, np.int64) for p in network.populations}
        self._sending = {p.name: np.zeros(p.neurons, bool) for p in network.populations}
        for projection in network.projections:
            self._sending[projection.source][projection.geometry.sources] = True
            self._onto.append((projection, self._axons(projection)))

    def _axons(self, projection: FixedProjection) -> dict[int, Axon]:
        """core -> its axons from this projection's source, where they have to be known."""
        onto: dict[int, Axon] = {}
        if self.mapping.shared and _by_coordinates(projection) and not self.bounded:
            return onto
        dense = projection.geometry.kind == "dense"
        ones = np.ones(projection.weight.shape if not dense else (1, 1), np.int8)
        stored = None if dense else scipy.sparse.csr_array(projection.geometry.matrix(ones))
        window = projection.geometry.targets
        for row in self.mapping.rows.get(projection.target, ()):
            core = self.mapping.cores[row]
            neurons = _neurons(self.network, core)
            if stored is None:
                number = int(np.sum((neurons >= window.start) & (neurons < window.stop)))
                sources = np.arange(projection.geometry.sources.start, projection.geometry.sources.stop)
                axon = (sources[: len(sources) if number else 0], np.full(len(sources) if number else 0, number))
            else:
                axon = np.unique(stored[neurons].indices, return_counts=True)
            onto[core.index] = axon
            self._reached[projection.source][axon[0]] += 1
        return onto

    def of(self, core: Core) -> dict[str, int]:
        """resource -> use."""
        neurons = _neurons(self.network, core)
        asked = [
            self._kernel(projection, neurons)
            if self.mapping.shared and _by_coordinates(projection)
            else self._listed(projection, onto[core.index])
            for projection, onto in self._onto
            if projection.target == core.population
        ]
        population = self.network.population(core.population)
        threshold = np.broadcast_to(population.threshold, (population.neurons,))
        counted = {
            "neurons": core.stop - core.start,
            "neuron_groups": 1,
            "input_axons": sum(axons for axons, _, _ in asked),
            "axon_map": int(self._sending[core.population][neurons].sum()),
            "synapse_memory": sum(words for _, words, _ in asked),
            "words_per_axon": max((longest for _, _, longest in asked), default=0),
            "thresholds": len(set(threshold[neurons].tolist())),
        }
        sent = {"output_axons": int(self._reached[core.population][neurons].sum())} if self.bounded else {}
        return counted | sent

    def _listed(self, projection: FixedProjection, axon: Axon) -> tuple[int, int, int]:
        """(axons, words, words of the longest) of synapses that are each stored on their own."""
        sources, synapses = axon
        words = longest = 0
        kept = len(sources)
        if self.mapping.shared and len(sources) and _same_everywhere(projection):
            kept = projection.geometry.source_window[0]
            synapses = synapses[:kept]
        for number, times in zip(*np.unique(synapses, return_counts=True), strict=True):
            taken = self._words(int(number), delayed=bool(np.any(projection.delay)))
            words, longest = words + taken * int(times), max(longest, taken)
        return kept, words, longest

    def _kernel(self, projection: FixedProjection, neurons: IntArray) -> tuple[int, int, int]:
        """(axons, words, words of the longest) of a kernel that is stored once on the core."""
        geometry, profile = projection.geometry, self.mapping.profile
        here = neurons[(neurons >= geometry.targets.start) & (neurons < geometry.targets.stop)]
        if not len(here):
            return 0, 0, 0
        outputs, sources = 1, 1
        if geometry.kind != "one-to-one":
            channel, row, column = np.unravel_index(here, geometry.target)
            along = {"height": row, "width": column, "space": row * geometry.target[2] + column}
            outputs = len(np.unique(np.asarray(along.get(geometry.axis or "", channel))))
            sources = projection.weight.size // len(projection.weight)
        bits = profile.whole("sharing.bits") - self._fewer()
        if np.any(projection.delay):
            bits += profile.whole("synapse.bits_with_delay") - profile.whole("synapse.bits")
        words = math.ceil(outputs * bits / profile.whole("core.word_bits"))
        rows = projection.sign
        signs = {1} if rows is None else {int(n) for n in np.unique(np.asarray(rows))} - {0} or {1}
        return len(signs) * profile.whole("sharing.input_axons"), len(signs) * sources * words, words

    def _fewer(self) -> int:
        """Bits that a weight has less than the profile says."""
        full = self.mapping.profile.get("numbers.weight_bits")
        bits = self.mapping.weight_bits
        return 0 if bits is None or full is None else int(full) - bits

    def _words(self, synapses: int, *, delayed: bool) -> int:
        profile = self.mapping.profile
        bits = profile.get("synapse.bits_with_delay" if delayed else "synapse.bits") or 0
        total = synapses * (bits - self._fewer())
        total += math.ceil(synapses / (profile.get("synapse.block") or math.inf)) * (
            profile.get("synapse.block_bits") or 0
        )
        return math.ceil(total / (profile.get("core.word_bits") or 1))


def _same_everywhere(projection: FixedProjection) -> bool:
    """Whether a dense layer has the same weights at every position of a channel."""
    window = projection.geometry.source_window
    if projection.geometry.kind != "dense" or len(window) != 3 or window[1] * window[2] == 1 or projection.delay.ndim:
        return False
    first = projection.weight[:, :: window[1] * window[2]]
    return bool(np.array_equal(np.repeat(first, window[1] * window[2], axis=1), projection.weight))
