"""How faithful a conversion is, on samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neuro_deploy.network import FixedNetwork
from neuro_deploy.passes.report import QuantizedPopulation


@dataclass(frozen=True)
class Fidelity:
    """One population's spikes, float against fixed. All are shares, 0..1."""

    name: str
    firing_rate_float: float
    firing_rate_fixed: float
    differing_spikes: float


@dataclass(frozen=True)
class Conversion:
    """The report of a conversion: what quantization did, and on samples, what came of it."""

    populations: tuple[QuantizedPopulation, ...]
    fidelity: tuple[Fidelity, ...] = ()
    accuracy_float: float | None = None
    accuracy_fixed: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data; each population's fidelity stands beside its scale."""
        measured = {row.name: asdict(row) for row in self.fidelity}
        return {
            "populations": [{**row.to_dict(), **measured.get(row.name, {})} for row in self.populations],
            "accuracy_float": self.accuracy_float,
            "accuracy_fixed": self.accuracy_fixed,
        }


def fidelity(
    network: FixedNetwork, wanted: Mapping[str, npt.NDArray[Any]], got: Mapping[str, npt.NDArray[Any]]
) -> tuple[Fidelity, ...]:
    """Compare recorded spikes of the LIF populations. wanted, got: name -> (samples, T, *shape), 0 or 1."""
    return tuple(
        Fidelity(
            population.name,
            float(np.mean(wanted[population.name])),
            float(np.mean(got[population.name])),
            float(np.mean(wanted[population.name] != got[population.name])),
        )
        for population in network.computed
        if population.kind == "lif"
    )
