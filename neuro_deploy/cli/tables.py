"""How each command's result looks to a person. No computing beyond shares and sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from neuro_deploy.cli.conversion_tables import between, steps
from neuro_deploy.cli.printing import energy, error_line, few, line, percent, table

if TYPE_CHECKING:
    from neuro_deploy.api import Finding, HardwareProfile, Verification


def network(path: str, summary: dict[str, Any], *, every: bool = True) -> None:
    """Populations and projections; what the summary of a model leaves out is left out. every: however many they are."""
    encoding = summary.get("encoding") or {}
    stored = "stored weights and biases" if "encoding" in summary else "trained parameters"
    parts = [f"{path}: {summary['neurons']:,} neurons", f"{summary['parameters']:,} {stored}"]
    parts += [f"{summary['timesteps']} timesteps"] if "timesteps" in summary else []
    parts += [f"input by {encoding['mode']}"] if "mode" in encoding else []
    line(", ".join(parts))
    keys = ("threshold", "u_decay", "v_decay", "bias_min", "bias_max")
    table(
        "populations",
        ("population", "kind", "shape", "threshold", "current decay", "voltage decay", "bias from", "to"),
        [
            (p["name"], p["kind"], "x".join(str(n) for n in p["shape"]), *(between(p.get(key)) for key in keys))
            for p in few(summary["populations"], every=every)
        ],
    )
    keys = ("weight_bits", "weight_min", "weight_max", "weight_exp", "max_delay")
    register = ("bits", "weight from", "to", "exponent", "longest delay")
    table(
        "projections",
        ("projection", "kind", "weights", "synapses", "not 0", *register),
        [
            (
                f"{p['source']} -> {p['target']}",
                f"{p['kind']} {p['axis']}" if p.get("axis") else p["kind"],
                p.get("weights"),
                p.get("synapses"),
                percent(p["nonzero"] / p["weights"]) if {"nonzero", "weights"} <= set(p) else None,
                *(p.get(key) for key in keys),
            )
            for p in few(summary["projections"], every=every)
        ],
    )
    hidden = [
        what for what in ("populations", "projections") if len(summary[what]) > len(few(summary[what], every=every))
    ]
    for what in hidden:
        line(f"... {len(summary[what]):,} {what} in all (--all shows them)")


def metrics(content: dict[str, Any], output: str | None) -> None:
    """Counts of a run."""
    accuracy = "" if content["accuracy"] is None else f", accuracy {percent(content['accuracy'], 2)}"
    line(f"{content['samples']:,} samples, {content['timesteps']} timesteps, engine {content['engine']}{accuracy}")
    cores(content)
    per_sample = content["per_sample"]
    line(
        f"per sample: {per_sample['neuron_spikes']:,.1f} spikes of neurons, {per_sample['relay_messages']:,.1f} graded "
        f"messages of relays, {per_sample['axon_events']:,.1f} axon events, "
        f"{per_sample['synops']:,.0f} synops ({per_sample['synops_effective']:,.0f} effective)"
    )
    for name, model in content["energy"].items():
        joules = model["joules_per_sample"]
        said = model.get("reason") if joules is None else f"{energy(joules)} per sample ({model['kind']})"
        basis = "; input at every timestep, head and residuals included (docs/mfi.md)" if "basis" in model else ""
        line(f"energy, {name}: {said}{basis}")
    if not content["fits"]:
        error_line(f"the network does not fit {content['profile']}: neuro-deploy map says why")
    if output:
        line(f"written: {output}/metrics.json, predictions.npz, config.json")


def kernels(rows: Sequence[dict[str, Any]]) -> None:
    """What the native engine took for each projection and population, and why it is exact."""
    table("kernels", ("part", "kernel", "why"), [(row["part"], row["kernel"], row["reason"]) for row in rows])


def cores(content: dict[str, Any]) -> None:
    """The counters of every core."""
    columns = ("core", "population", "neurons", "bytes", "spikes out", "axon events", "synops", "effective")
    keys = ("neurons", "synapse_memory_bytes", "spikes_out", "axon_events", "synops", "synops_effective")
    rows = [(str(core["core"]), core["population"], *(core[key] for key in keys)) for core in content["cores"]]
    title = f"cores of {content['profile']}, summed over {content['samples']:,} samples"
    table(title, columns, few(rows))
    if len(rows) > len(few(rows)):
        line(f"... and {len(rows) - len(few(rows)):,} more cores (--json has them all)")
    line(
        "spikes out: graded messages of relays too; axon event: a spike's delivery to a core; synops: weights fetched, "
        "effective: those not 0; -: does not apply"
    )


def verification(outcome: Verification) -> None:
    """Agreement per engine, and the first divergence."""
    engines = outcome.engines
    names = dict.fromkeys(name for agreement in engines.values() for name in agreement.populations)
    valued = dict.fromkeys(name for agreement in engines.values() for name in agreement.values)
    spiking = [name for name in names if name not in valued]
    rows = [(name, *(agreement.populations.get(name) for agreement in engines.values())) for name in spiking]
    table(
        f"differing spikes against {outcome.reference}, {outcome.samples:,} samples",
        ("population", *engines),
        [
            *rows,
            ("in all", *(agreement.differing_spikes for agreement in engines.values())),
            ("compared", *(agreement.compared_spikes for agreement in engines.values())),
        ],
    )
    if valued:
        table(
            "differing values of relays and of the readout",
            ("population", *engines),
            [(name, *(_of_all(agreement.values.get(name)) for agreement in engines.values())) for name in valued],
        )
    for label, agreement in engines.items():
        if agreement.differing_predictions:
            error_line(f"{label}: {agreement.differing_predictions:,} of {outcome.samples:,} predictions differ")
        if agreement.not_compared:
            line(f"{label}: relays that one network has and the other has not: {', '.join(agreement.not_compared)}")
        if agreement.scales:
            name, ours, theirs = agreement.scales
            line(
                f"{label}: {name} has scale {theirs:,.6g}, not {ours:,.6g}: weights are rounded to other multiples, so "
                "that spikes may differ"
            )
    steps(outcome.steps)
    if outcome.first_divergence is None:
        line("spikes, u and v are equal in every population")
    else:
        error_line(str(outcome.first_divergence))


def _of_all(counted: tuple[int, int] | None) -> str | None:
    return None if counted is None else f"{counted[0]:,} of {counted[1]:,}"


def profile(chosen: HardwareProfile) -> None:
    """One profile, each number with its source."""
    rows = [(key, f"{q.value:,.12g}", q.unit, q.source) for key, q in chosen.quantities.items()]
    table(f"{chosen.name}: {chosen.title}", ("quantity", "value", "unit", "source"), rows)


def profile_list(chosen: Sequence[HardwareProfile]) -> None:
    """All profiles, a row each."""
    rows = [(p.name, p.title, p.whole("system.chips") * p.whole("system.cores_per_chip")) for p in chosen]
    table("hardware profiles", ("name", "system", "cores"), rows)


def findings(found: Sequence[Finding]) -> None:
    """What the doctor found."""
    rows = [(f.name, f.found, "ok" if f.well else "missing" if f.needed else "optional", f.mend or "") for f in found]
    table("this environment", ("part", "found", "state", "to mend, type"), rows)


def demo(report: dict[str, Any]) -> None:
    """The end of the demo: the models side by side."""
    for name, way in report.items():
        line(f"digits-{name}:")
        cores(way["metrics"])
    rows = {name: _outcome(way) for name, way in report.items()}
    table(
        "what came of it",
        ("", *(f"digits-{name}" for name in rows)),
        [
            (label, *(row.get(label) for row in rows.values()))
            for label in dict.fromkeys(label for row in rows.values() for label in row)
        ],
    )
    for way in report.values():
        if way["divergence"]:
            error_line(way["divergence"])
    line(f"files: {', '.join(file for way in report.values() for file in way['files'])}")


def _outcome(way: dict[str, Any]) -> dict[str, str]:
    content, outcome = way["metrics"], way["verification"]
    engines = {name: engine["differing_spikes"] for name, engine in outcome["engines"].items()}
    return {
        "trained parameters": f"{way['training']['parameters']:,}",
        "stored weights and biases": f"{way['stored_parameters']:,}",
        f"accuracy on {content['samples']} held-out digits, float": percent(way["accuracy_float"], 2) or "",
        "accuracy, fixed point": percent(way["accuracy_fixed"], 2) or "",
        **{f"differing spikes against {name}": f"{n} of {outcome['compared']:,}" for name, n in engines.items()},
        f"cores of {content['profile']}": f"{way['mapping']['cores']}",
        "spikes of neurons per image": f"{content['per_sample']['neuron_spikes']:,.1f}",
        "graded messages of relays per image": f"{content['per_sample']['relay_messages']:,.1f}",
        "synops per image": f"{content['per_sample']['synops']:,.0f}",
        "NetX file": way["format"],
    }
