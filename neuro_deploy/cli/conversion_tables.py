"""How a conversion looks to a person: its report, the search for fewer bits, and the steps from its source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from neuro_deploy.cli.printing import error_line, line, message, percent, table

if TYPE_CHECKING:
    from neuro_deploy.api import Conversion


def conversion(path: str, report: Conversion) -> None:
    """The report of a conversion."""
    rows = report.to_dict()["populations"]
    unproven = [row["name"] for row in rows if row["covered_by"] != "proof"]
    states = "all states proven below 2^23" if not unproven else "states below 2^23 by proof where not named below"
    columns = ("population", "scale", "limited by", "bits", "exponent", "clipped", "threshold")
    states_of = ("worst |v|", "seen |v|")
    rates = ("rate float", "fixed", "spikes differ")
    table(
        f"{path}: {states}",
        (*columns, *states_of, *rates),
        [
            (
                row["name"],
                _scales(row),
                row["limited_by"],
                _span(row["bits"]),
                _span(row["exponents"]),
                percent(row["clipped"], 2),
                between(row["threshold"]),
                row["worst_v"],
                row["seen_v"],
                percent(row.get("firing_rate_float")),
                percent(row.get("firing_rate_fixed")),
                percent(row.get("differing_spikes"), 2),
            )
            for row in rows
        ],
    )
    for row in rows:
        if row["detached"]:
            line(
                f"{row['name']}: {row['detached']:,} neurons have so small a gain that their synapses are left out "
                "(docs/numerics.md)"
            )
    for name in unproven:
        line(f"{name}: inputs beyond those of the calibration could take its states out of 24 bits")
    _outcomes(report)
    for warning in report.warnings:
        error_line(f"warning: {warning}")


def _outcomes(report: Conversion) -> None:
    """Accuracies, and where spikes part."""
    shifted = report.differing_predictions_shifted is not None
    if report.fidelity and shifted:
        line("spikes differ: from those of the float network with its norms as shifts")
    if report.first_difference:
        line(f"spikes differ first in {report.first_difference}")
    if report.accuracy_float is not None and report.accuracy_fixed is not None:
        between = f"with norms as shifts {percent(report.accuracy_shifted, 2)}, " if shifted else ""
        after = report.accuracy_finetuned
        tuned = "" if after is None else f", fine-tuned {percent(after, 2)}"
        fixed = percent(report.accuracy_fixed, 2)
        line(f"accuracy: float {percent(report.accuracy_float, 2)}, {between}fixed {fixed}{tuned}")
    if report.finetuning is not None:
        told = report.finetuning
        stopped = ", when the time was up" if told["stopped_by_time"] else ""
        line(
            f"fine-tuned for {told['epochs']} epochs{stopped}; the integers are those after epoch {told['kept_epoch']}"
        )
    if report.differing_predictions is not None:
        by_shifts = f" (with norms as shifts alone: {percent(report.differing_predictions_shifted)})" if shifted else ""
        line(f"predictions other than the float network's: {percent(report.differing_predictions)}{by_shifts}")


def point(reached: dict[str, Any]) -> None:
    """One point of a search for fewer bits, as a message."""
    bits = reached["weight_bits"].values()
    message(
        f"bits {min(bits)} to {max(bits)}: accuracy {percent(reached['accuracy'], 2)} on the calibration samples, loss "
        f"{reached['loss']:.2f} points, {reached['synapse_bytes']:,} bytes of weights, {reached['cores']} cores of "
        f"{reached['profile']}"
    )


def _scales(row: dict[str, Any]) -> Any:
    return row["scale"] if row["scales"] is None else "..".join(f"{end:.4g}" for end in row["scales"])


def _span(numbers: dict[str, int] | None) -> str | int | None:
    """One number, or the lowest and the highest."""
    found = sorted(set((numbers or {}).values()))
    return None if not found else found[0] if len(found) == 1 else f"{found[0]}..{found[-1]}"


def steps(taken: Sequence[Any]) -> None:
    """What each step of the conversion changes, and where it first does."""
    if taken:
        columns = ("step", "differing spikes", "compared", "predictions differ")
        keys = ("step", "differing_spikes", "compared_spikes", "differing_predictions")
        table("from the source to this network", columns, [tuple(step[key] for key in keys) for step in taken])
    for step in taken:
        first = step["first"]
        if first is None:
            line(f"{step['step']}: no spike differs")
            continue
        line(
            f"{step['step']}: {first['population']} differs first, in sample {first['sample']} at timestep "
            f"{first['timestep']}, neuron {first['neuron']}: u = {first['want_u']:.6g} gives {first['want']} (margin "
            f"to the threshold {first['want_margin']:+.3g}), u = {first['got_u']:.6g} gives {first['got']} (margin "
            f"{first['got_margin']:+.3g})"
        )


def between(value: Any) -> Any:
    """Two ends as one text."""
    return f"{value[0]:,}..{value[1]:,}" if isinstance(value, list) else value
