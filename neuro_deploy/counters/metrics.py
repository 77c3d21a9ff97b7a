"""All that a run says, as plain data: the content of ``metrics.json``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neuro_deploy.counters.counts import COUNTED, Counts, count
from neuro_deploy.counters.energy import energy
from neuro_deploy.engines import RunResult
from neuro_deploy.mapping import Mapping
from neuro_deploy.network import FixedNetwork

INTEL_NAMES = {
    "synops": "syn_ops",
    "neuron_updates": "dendrite_updates",
    "spikes_out": "axon_out",
    "axon_events": "spikes_in",
}
"""Our names -> those of Intel's Loihi 2 activity profiler (lava.utils.loihi2_profiler)."""


@dataclass(frozen=True, eq=False)
class Metrics:
    """Counts of a run on a mapping, with what else metrics.json holds."""

    network: FixedNetwork
    result: RunResult
    mapping: Mapping
    counts: Counts
    accuracy: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain data; counts are sums over the samples, with means per sample beside them."""
        totals = self._totals()
        return {
            "samples": self.result.samples,
            "timesteps": self.result.timesteps,
            "accuracy": self.accuracy,
            "engine": self.result.engine,
            "profile": self.mapping.profile.name,
            "fits": self.mapping.fits,
            "totals": totals,
            "per_sample": {name: value / self.result.samples for name, value in totals.items()},
            "populations": self._populations(),
            "cores": self._cores(),
            "energy": energy(self.network, self.counts, self.result.samples, self.mapping.profile),
            "runtime": self._runtime(),
            "firing_rate": {row["name"]: row["firing_rate"] for row in self._populations() if row["kind"] == "lif"},
        }

    def _totals(self) -> dict[str, int]:
        names = {"spikes": "spikes_out", **{name: name for name in COUNTED if name != "spikes_out"}}
        totals = {name: self.counts.total(what) for name, what in names.items()}
        for name, kind in (("neuron_spikes", "lif"), ("relay_messages", "relay")):
            senders = [p.name for p in self.network.populations if p.kind == kind]
            totals[name] = sum(int(self.result.counts[sender].sum()) for sender in senders)
        entry = self.network.populations[0]
        totals["input_spikes"] = int(self.result.counts[entry.name].sum()) if entry.kind == "input" else 0
        return totals

    def _populations(self) -> list[dict[str, Any]]:
        steps = self.result.samples * self.result.timesteps
        rows = []
        for population in self.network.populations:
            spikes = int(self.result.counts[population.name].sum())
            rows.append(
                {
                    "name": population.name,
                    "kind": population.kind,
                    "shape": list(population.shape),
                    "neurons": population.neurons,
                    "spikes": spikes,
                    "firing_rate": spikes / (population.neurons * steps),
                    "cores": len(self.mapping.of(population.name)),
                }
            )
        return rows

    def _cores(self) -> list[dict[str, Any]]:
        word_bits = self.mapping.profile.whole("core.word_bits")
        summed = {what: getattr(self.counts, what).sum(axis=1).tolist() for what in COUNTED}
        rows = []
        for index, core in enumerate(self.mapping.cores):
            counted = {what: summed[what][index] for what in COUNTED}
            rows.append(
                {
                    "core": core.index,
                    "chip": core.chip,
                    "population": core.population,
                    "neurons": core.neurons,
                    "synapse_memory_bytes": core.used["synapse_memory"] * word_bits // 8,
                    **counted,
                    **{theirs: counted[ours] for ours, theirs in INTEL_NAMES.items()},
                }
            )
        return rows

    def _runtime(self) -> dict[str, Any]:
        """The busiest core of each timestep, which sets its length; means over the samples."""
        busiest = {}
        for what in COUNTED:
            per_step = getattr(self.counts, what).max(axis=0) / self.result.samples
            core = int(np.argmax(getattr(self.counts, what).sum(axis=1)))
            busiest[what] = {"core": core, "per_timestep": [float(n) for n in per_step]}
        return {
            "seconds_per_timestep": None,
            "reason": "no public time coefficients; a timestep is as long as its busiest core needs",
            "busiest_core": busiest,
        }


def measure(network: FixedNetwork, result: RunResult, mapping: Mapping, accuracy: float | None = None) -> Metrics:
    """Count what a run did on each core of a mapping."""
    return Metrics(network, result, mapping, count(network, result, mapping), accuracy)
