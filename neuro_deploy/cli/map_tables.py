"""Tables of ``map``, ``fit-time`` and of the chip's side of ``run``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from neuro_deploy.cli.printing import energy, error_line, line, percent, table

if TYPE_CHECKING:
    from neuro_deploy.counters import TimeFit
    from neuro_deploy.mapping import Mapping

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
MOST_CHIPS = 4
"""Chips of a picture."""


def mapping(made: Mapping, content: dict[str, Any], *, picture: bool) -> None:
    """Whether it fits, cores, chips, utilisation, busiest cores, alternatives, a picture. content: as JSON gives it."""
    _verdict(made, content)
    shares = content["utilisation"]
    rows = [
        (limit.resource, limit.limit, *(percent(shares[limit.resource][key]) for key in ("min", "mean", "max")))
        for limit in made.limits
        if limit.resource in shares
    ]
    table("use of a core's limits", ("resource", "limit", "min", "mean", "max"), rows)
    line(f"the resource that each core uses most: {percent(made.binding())} in the mean")
    table(
        "cores",
        ("population", "cores", "neurons on the largest", "synapse words on the largest", "order"),
        [
            (
                name,
                len(parts),
                max(core.neurons for core in parts),
                max(core.used["synapse_memory"] for core in parts),
                parts[0].order,
            )
            for name in made.rows
            if (parts := made.of(name))
        ],
    )
    busy = content["busiest_cores"]
    rows = [(str(row["core"]), row["population"], row["resource"], percent(row["share"])) for row in busy]
    table("busiest cores", ("core", "population", "resource", "share of its limit"), rows)
    _placement(content["placement_cost"])
    if content["alternatives"] is not None:
        rows = [(row["name"], row["cores"], row["chips"], row["fits"]) for row in content["alternatives"]]
        table("what else it could cost", ("", "cores", "chips", "fits"), rows)
    else:
        line("what else it could cost: --alternatives (takes a while for a network of this size)")
    if picture:
        mesh(made)


def _verdict(made: Mapping, content: dict[str, Any]) -> None:
    verdict = "fits" if made.fits and not content["check"] else "does not fit"
    line(f"{verdict} {made.profile.title}; cut into {len(made.cores):,} cores on {made.chips:,} chip(s)")
    for limit in made.limits:
        if not limit.holds:
            error_line(f"limit: {limit}")
            if limit.hint:
                line(f"hint: {limit.hint}")
        elif limit.limit is None:
            line(f"unknown limit: {limit} ({limit.source})")
    for problem in content["check"]:
        error_line(f"check: {problem}")
    if content["unchecked"]:
        line(f"check: {content['unchecked']}")
    if not made.fits:
        line(_system(content["smallest_system"]))
    for assumption in content["assumptions"]:
        line(f"assumed: {assumption}")


def _system(found: dict[str, Any] | None) -> str:
    if found is None:
        return "smallest system that would do: none of the profiles (neuro-deploy profiles)"
    chips = f"{found['chips']:,} of its {found['system_chips']:,} chip(s)"
    return f"smallest system that would do: {found['profile']}, {found['cores']:,} cores on {chips}"


def _placement(cost: dict[str, Any]) -> None:
    if cost["hop_weighted_spikes"] is not None:
        line(
            f"placed along {cost['how']}: {cost['hop_weighted_spikes']:,} spikes times hops, "
            f"{cost['spikes_across_chips']:,} spikes from chip to chip ({cost['spikes']})"
        )


def mesh(made: Mapping) -> None:
    """The tiles of the first chips, each core a letter of its population."""
    letters = {name: LETTERS[place % len(LETTERS)] for place, name in enumerate(made.rows)}
    chips = sorted({core.chip for core in made.cores})
    for chip in chips[:MOST_CHIPS]:
        held: dict[tuple[int, int], str] = {}
        for core in made.cores:
            if core.chip == chip:
                held[core.tile] = held.get(core.tile, "") + letters[core.population]
        columns = range(min(x for x, _ in held), max(x for x, _ in held) + 1)
        rows = range(min(y for _, y in held), max(y for _, y in held) + 1)
        width = max(len(text) for text in held.values())
        line(f"chip {chip}: tiles, a letter a core")
        for y in rows:
            line("  " + " ".join(held.get((x, y), "").ljust(width, ".") for x in columns))
    if len(chips) > MOST_CHIPS:
        line(f"... and {len(chips) - MOST_CHIPS:,} more chips (--json has the tile of every core)")
    for name, letter in letters.items():
        line(f"  {letter} {name}")


def loads(content: dict[str, Any]) -> None:
    """The busiest cores and links of a run, what a timestep takes, and what its energy is made of."""
    time = content["runtime"]
    rows = [
        (what, str(busy.get("core", busy.get("link"))), max(busy["per_timestep"]), sum(busy["per_timestep"]))
        for what, busy in time["busiest_core"].items()
    ]
    columns = ("load", "busiest core or link", "most in a timestep", "sum of the timesteps' most")
    table("busiest, per sample", columns, rows)
    if time["seconds_per_timestep"] is None:
        line(f"time: {time['reason']}")
    else:
        bound = [row["bound_by"] for row in time["per_timestep"]]
        left = f"; without {', '.join(time['left_out'])}" if time["left_out"] else ""
        often = max(dict.fromkeys(bound), key=bound.count)
        line(
            f"time: {time['seconds_per_timestep'] * 1e6:,.4g} us a timestep, {time['seconds_per_sample'] * 1e6:,.4g} "
            f"us a sample (a model, not measured), bound by {often} in {bound.count(often)} of {len(bound)} timesteps"
            + left
        )
    model = content["energy"][content["profile"]]
    if model["joules_per_sample"] is not None:
        parts = ", ".join(f"{name} {energy(joules)}" for name, joules in model["dynamic"].items())
        line(f"energy, {content['profile']}: {parts} per sample, dynamic ({model['source']})")
    static = model["static"]
    said = static.get("reason") if static["joules_per_sample"] is None else energy(static["joules_per_sample"])
    line(f"static energy per sample: {said}")


def time_fit(fitted: TimeFit, output: str) -> None:
    """What was fitted, how well, and what stays unknown."""
    content = fitted.to_dict()
    rows: list[Sequence[Any]] = [("barrier", f"{fitted.barrier:.4g} s", "every timestep")]
    rows += [
        (term, f"{cost:.4g} s", f"binds {fitted.bound[term]:,} measurements") for term, cost in fitted.costs.items()
    ]
    table(f"time model, fitted to {fitted.measurements:,} measurements", ("term", "cost", ""), rows)
    line(f"errors: {percent(fitted.mean_error, 2)} in the mean, {percent(fitted.worst_error, 2)} at worst")
    if content["unknown"]:
        line(f"still unknown, since no measurement is bound by it: {', '.join(content['unknown'])}")
    line(f"written: {output}")
