"""How faithful a conversion is, on samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neuro_deploy.network import FixedNetwork
from neuro_deploy.passes.report import QuantizedPopulation

MANY = 0.1
"""Predictions that change on more than this share of the samples are worth a warning."""
FEW_SAMPLES = 50
"""With fewer samples a share says little."""


@dataclass(frozen=True)
class Fidelity:
    """One population's spikes, float against fixed. All are shares, 0..1."""

    name: str
    firing_rate_float: float
    firing_rate_fixed: float
    differing_spikes: float


@dataclass(frozen=True)
class Conversion:
    """The report of a conversion: what quantization did, and on samples, what came of it.

    fidelity: fixed against the float network that was quantized. accuracy_float: of the checkpoint's exact network.
    accuracy_shifted: of that with the gains of its norms as powers of two (``--token-norm shift:K``), still float.
    differing_predictions, differing_predictions_shifted: shares of the samples on which the fixed and the shifted
    network predict another class than the exact one. first_difference: the first population whose spikes differ.
    accuracy_finetuned: after fine-tuning; accuracy_fixed is then that before. finetuning: how it went. curve: what a
    search for fewer bits went through. warnings: what a person should know, with what to try.
    """

    populations: tuple[QuantizedPopulation, ...]
    fidelity: tuple[Fidelity, ...] = ()
    accuracy_float: float | None = None
    accuracy_fixed: float | None = None
    accuracy_shifted: float | None = None
    differing_predictions: float | None = None
    differing_predictions_shifted: float | None = None
    first_difference: str | None = None
    accuracy_finetuned: float | None = None
    finetuning: Mapping[str, Any] | None = None
    curve: tuple[Mapping[str, Any], ...] | None = None
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data; each population's fidelity stands beside its scale."""
        measured = {row.name: asdict(row) for row in self.fidelity}
        return {
            "populations": [{**row.to_dict(), **measured.get(row.name, {})} for row in self.populations],
            "accuracy_float": self.accuracy_float,
            "accuracy_fixed": self.accuracy_fixed,
            "accuracy_shifted": self.accuracy_shifted,
            "differing_predictions": self.differing_predictions,
            "differing_predictions_shifted": self.differing_predictions_shifted,
            "first_difference": self.first_difference,
            "accuracy_finetuned": self.accuracy_finetuned,
            "finetuning": None if self.finetuning is None else dict(self.finetuning),
            "curve": None if self.curve is None else [dict(point) for point in self.curve],
            "warnings": list(self.warnings),
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


def differing(wanted: npt.NDArray[Any], got: npt.NDArray[Any]) -> float:
    """The share of samples with another prediction. wanted, got: (samples,), classes."""
    return float(np.mean(wanted != got))


def warnings(fixed: float, shifted: float | None, samples: int, *, relays: bool) -> tuple[str, ...]:
    """A warning where many predictions changed, with what to try.

    fixed, shifted: shares of samples that the fixed network, and the float one with gains as powers of two, predict
    otherwise than the exact one. relays: whether residuals are sent by relays.
    """
    if fixed <= MANY:
        return ()
    tries = []
    if shifted is not None and shifted > MANY:
        tries.append(f"--token-norm with more powers of two, or multiply (the shifts alone change {shifted:.0%})")
    tries += ["--skip recompute"] if relays else []
    tries += [f"--calibrate with more samples: {samples} say little"] if samples < FEW_SAMPLES else []
    tries.append("training, which a random network lacks")
    return (
        f"the fixed network predicts another class than the float one on {fixed:.0%} of the samples; try "
        f"{'; '.join(tries)}",
    )
