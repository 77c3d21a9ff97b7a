"""How the audit of multiplication-free inference looks to a person: what it rests on first, the verdict last."""

from __future__ import annotations

from typing import Any

from neuro_deploy.cli.printing import energy, few, line, table


def mfi(name: str, summary: dict[str, Any], *, every: bool = False) -> None:
    """The audit. every: a row for each projection, however many they are."""
    _rows(summary, every=every)
    _multiplications(summary)
    _paper(summary)
    _verdict(name, summary)


def _rows(summary: dict[str, Any], *, every: bool) -> None:
    rows = summary.get("mfi", ())
    table(
        "one dense timestep, by projection",
        ("projection", "kind", "meets", "counted as", "additions", "without padding", "multiplications", "per"),
        [
            (
                f"{p['source']} -> {p['target']}",
                p["kind"],
                p["meets"],
                p["role"],
                p["additions"],
                p["valid_additions"],
                p["multiplications"],
                ("image" if p["per_image"] else "timestep") if p["multiplications"] else None,
            )
            for p in few(rows, every=every)
        ],
    )
    if len(rows) > len(few(rows, every=every)):
        line(f"... {len(rows):,} projections in all (--all shows them)")
    line(
        "counted as: spiking, one addition per synapse; residual, a relay's value shifted and added; gain, a relay's "
        "value times real weights; -: nothing is multiplied"
    )
    table(
        "by resolution",
        ("height x width", "additions", "residual additions", "multiplications per timestep"),
        [
            (
                "x".join(str(n) for n in stage["resolution"]),
                *(stage[key] for key in ("additions", "residual_additions", "multiplications")),
            )
            for stage in summary["additions_by_stage"]
        ],
    )


def _multiplications(summary: dict[str, Any]) -> None:
    reasons: dict[tuple[str, str], int] = {}
    for found in summary.get("multiplications", ()):
        key = found["per"], found["reason"]
        reasons[key] = reasons.get(key, 0) + found["multiplications"]
    for (per, reason), count in reasons.items():
        line(f"{count:,} multiplications per {per}: {reason}")


def _verdict(name: str, summary: dict[str, Any]) -> None:
    verdict = "multiplication-free" if summary["multiplication_free"] else "not multiplication-free"
    line(
        f"{name}: {verdict}; {summary['additions_per_step']:,} additions and "
        f"{summary['multiplications_per_step']:,} multiplications in a dense timestep, "
        f"{summary['input_multiplications']:,} multiplications per image"
    )
    line(
        f"beside these: {summary['head_additions']:,} additions of the head, "
        f"{summary['residual_additions_per_step']:,} residual additions"
    )


def _paper(summary: dict[str, Any]) -> None:
    """The paper's estimate, what took place, and the paper's own table."""
    estimate, done = summary.get("paper"), summary.get("exact")
    if estimate:
        line(
            f"the paper's estimate: s T A = {estimate['firing_rate']:.4g} x {estimate['timesteps']} x "
            f"{estimate['additions_per_step']:,} = {estimate['additions']:,.0f} additions per image; with "
            f"{estimate['multiplications']:,} multiplications, the input's once per image, "
            f"{energy(estimate['joules'])} (45 nm, a model)"
        )
    if done:
        line(
            f"counted in the run, per image: {done['additions']:,.1f} additions, {done['head_additions']:,.1f} of the "
            f"head, {done['residual_additions']:,.1f} residual, {done['multiplications']:,.1f} multiplications after "
            f"the first layer and {done['input_multiplications']:,.1f} in it, at every timestep: "
            f"{energy(done['joules'])} (the same model, as run gives it); firing rate {done['firing_rate']:.4g}"
        )
    for row in summary.get("table4", ()):
        line(
            f"the paper's Table 4, {row['model']}: {row['additions']:,.0f} additions x 0.9 pJ + "
            f"{row['multiplications']:,.0f} multiplications x 4.6 pJ = {row['mJ']:.3f} mJ, printed {row['printed_mJ']}"
        )
    line("what of the paper's table does not reproduce, and why: docs/mfi.md")
