"""All that a run says, as plain data: the content of ``metrics.json``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from neuro_deploy.counters.counts import COUNTED, Counts, count_spikes, count_totals, loads, spikes_of
from neuro_deploy.counters.energy import energy
from neuro_deploy.counters.fans import Spikes, over_time
from neuro_deploy.counters.links import Links, links
from neuro_deploy.counters.runtime import runtime
from neuro_deploy.engines import RunResult
from neuro_deploy.mapping import Mapping
from neuro_deploy.network import FixedNetwork
from neuro_deploy.numerics.registers import IntArray

INTEL_NAMES = {
    "synops": "syn_ops",
    "neuron_updates": "dendrite_updates",
    "spikes_out": "axon_out",
    "axon_events": "spikes_in",
}
"""Our names -> those of Intel's Loihi 2 activity profiler (lava.utils.loihi2_profiler)."""


@dataclass(frozen=True, eq=False)
class Metrics:
    """Counts of a run on a mapping, with what else metrics.json holds; each is worked out when it is asked for.

    with_links: count messages on the mesh too. per_timestep: give the counts of every core and timestep.
    """

    network: FixedNetwork
    result: RunResult
    mapping: Mapping
    accuracy: float | None
    with_links: bool = False
    per_timestep: bool = False

    @cached_property
    def spikes(self) -> Spikes:
        """population -> (T, *shape), summed over the samples."""
        return spikes_of(self.network, self.result)

    @cached_property
    def summed(self) -> Spikes:
        """population -> (1, *shape), summed over the samples and timesteps."""
        return over_time(self.spikes)

    @cached_property
    def counts(self) -> Counts:
        """Per core and timestep."""
        return count_spikes(self.network, self.mapping, self.spikes, self.result.samples)

    @cached_property
    def totals(self) -> Counts:
        """Per core."""
        return count_totals(self.network, self.mapping, self.spikes, self.result.samples)

    @cached_property
    def loads(self) -> dict[str, IntArray]:
        """name -> (cores, T): what a timestep's length depends on."""
        return loads(self.network, self.mapping, self.spikes, self.result.samples)

    @cached_property
    def links(self) -> Links:
        """Messages and bits on the links of the mesh."""
        counts = {population.name: self.result.counts[population.name] for population in self.network.populations}
        return links(self.network, self.mapping, counts)

    def to_dict(self) -> dict[str, Any]:
        """Plain data; counts are sums over the samples, with means per sample beside them."""
        totals, populations = self._totals(), self._populations()
        carried = self.links if self.with_links else None
        time = runtime(self.mapping.profile, self.loads, carried, self.result.samples)
        seconds = time["seconds_per_sample"]
        said = energy(self.network, self.totals, self.result.samples, self.mapping, links=carried, seconds=seconds)
        content = {
            "samples": self.result.samples,
            "timesteps": self.result.timesteps,
            "accuracy": self.accuracy,
            "engine": self.result.engine,
            "profile": self.mapping.profile.name,
            "fits": self.mapping.fits,
            "totals": totals,
            "per_sample": {name: value / self.result.samples for name, value in totals.items()},
            "populations": populations,
            "cores": self._cores(),
            "energy": said,
            "runtime": time,
            "firing_rate": {row["name"]: row["firing_rate"] for row in populations if row["kind"] == "lif"},
        }
        return content if carried is None else {**content, "links": carried.to_dict()}

    def _totals(self) -> dict[str, int]:
        names = {"spikes": "spikes_out", **{name: name for name in COUNTED if name != "spikes_out"}}
        totals = {name: self.totals.total(what) for name, what in names.items()}
        for name, kind in (("neuron_spikes", "lif"), ("relay_messages", "relay"), ("input_spikes", "input")):
            senders = [population.name for population in self.network.populations if population.kind == kind]
            totals[name] = sum(int(self.summed[sender].sum()) for sender in senders)
        return totals

    def _populations(self) -> list[dict[str, Any]]:
        steps = self.result.samples * self.result.timesteps
        rows = []
        for population in self.network.populations:
            spikes = int(self.summed[population.name].sum())
            rows.append(
                {
                    "name": population.name,
                    "kind": population.kind,
                    "shape": list(population.shape),
                    "neurons": population.neurons,
                    "spikes": spikes,
                    "firing_rate": spikes / (population.neurons * steps),
                    "cores": len(self.mapping.rows.get(population.name, ())),
                }
            )
        return rows

    def _cores(self) -> list[dict[str, Any]]:
        word_bits = self.mapping.profile.whole("core.word_bits")
        summed = {what: getattr(self.totals, what)[:, 0].tolist() for what in COUNTED}
        rows: list[dict[str, Any]] = []
        for index, core in enumerate(self.mapping.cores):
            counted = {what: summed[what][index] for what in COUNTED}
            rows.append(
                {
                    "core": core.index,
                    "chip": core.chip,
                    "tile": list(core.tile),
                    "population": core.population,
                    "neurons": core.neurons,
                    "synapse_memory_bytes": core.used["synapse_memory"] * word_bits // 8,
                    **counted,
                    **{theirs: counted[ours] for ours, theirs in INTEL_NAMES.items()},
                }
            )
        if self.per_timestep:
            for what in COUNTED:
                for row, values in zip(rows, getattr(self.counts, what).tolist(), strict=True):
                    row.setdefault("per_timestep", {})[what] = values
        return rows


def measure(
    network: FixedNetwork,
    result: RunResult,
    mapping: Mapping,
    accuracy: float | None = None,
    *,
    with_links: bool = False,
    per_timestep: bool = False,
) -> Metrics:
    """Count what a run did on each core of a mapping."""
    return Metrics(network, result, mapping, accuracy, with_links, per_timestep)
