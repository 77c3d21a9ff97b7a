"""The pass that gives every path to a population the same length."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import chain, graph

from neuro_deploy.errors import UnsupportedError
from neuro_deploy.network import FixedNetwork, FixedProjection
from neuro_deploy.passes.balance_delays import balance_delays


def with_skips(*skips: tuple[str, str], delay: int = 0) -> FixedNetwork:
    """input -> p1 -> p2 -> p3, three neurons each, and dense projections that skip levels."""
    network = chain(1, (3, 3, 3, 3))
    more = tuple(FixedProjection(a, b, 2 * np.ones((3, 3), int), delay=np.asarray(delay)) for a, b in skips)
    return replace(network, projections=(*network.projections, *more))


def test_a_chain_needs_no_extra_delays() -> None:
    assert balance_delays(chain(1, (3, 4, 5, 2))) == (0, 0, 0)


def test_a_projection_waits_for_the_levels_that_it_skips() -> None:
    network = with_skips(("input", "p2"), ("input", "p3"), ("p1", "p3"))
    assert balance_delays(network) == (0, 0, 0, 1, 2, 1)


def test_delays_of_the_network_itself_do_not_count() -> None:
    assert balance_delays(with_skips(("input", "p3"), delay=7)) == (0, 0, 0, 2)


@pytest.mark.parametrize("seed", range(3))
def test_all_paths_from_the_input_become_equally_long(seed: int) -> None:
    network = graph(seed).separated
    extra = balance_delays(network)
    assert min(extra) == 0
    assert max(extra) > 3
    lengths: dict[str, set[int]] = {network.entry: {0}}
    for population in network.computed:
        lengths[population.name] = {
            length + 1 + wait
            for projection, wait in zip(network.projections, extra, strict=True)
            if projection.target == population.name
            for length in lengths[projection.source]
        }
    assert lengths == {name: {depth} for name, depth in network.depths.items()}


def test_a_network_that_is_not_separated_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"run in parts.*\nhint: balance the delays of network\.separated"):
        balance_delays(graph(0))
