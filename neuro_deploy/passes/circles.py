"""What populations send that feed one another within a timestep, once all of them are chosen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neuro_deploy.network import Projection
from neuro_deploy.numerics.registers import IntArray
from neuro_deploy.passes.fixing import Fixed
from neuro_deploy.passes.trial import synaptic_sums, tried


def first_reader(done: Sequence[Fixed], name: str, projections: Sequence[Projection]) -> int:
    """The place, among those that are done, of the first population that the named one feeds; their number if none."""
    fed = {p.target for p in projections if p.source == name}
    return next((place for place, each in enumerate(done) if each.population.name in fed), len(done))


def settled(members: Sequence[Fixed], sent: dict[str, IntArray], timesteps: int) -> dict[str, IntArray]:
    """What these populations send, in execution order, each with what the others send in the end.

    sent: of all sources, of these what to begin with. Windows of channels make it feed-forward, so it comes to an end.
    """
    while True:
        before = dict(sent)
        for each in members:
            a_in = synaptic_sums(each.population.neurons, each.projections, sent, each.bounds.a_in)
            made = tried(each.population, a_in, None, timesteps).sent
            sent = {**sent, each.population.name: made.astype(np.uint8) if each.population.kind == "lif" else made}
        if all(np.array_equal(before[each.population.name], sent[each.population.name]) for each in members):
            return {each.population.name: sent[each.population.name] for each in members}
