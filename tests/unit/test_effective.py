"""Effective synapses per core, and words of synaptic memory, against unrolled matrices."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from helpers import projection, unrolled
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro_deploy.counters.effective import Cores, all_act, effective
from neuro_deploy.network.fan_out import placement

ORDERS = ["channels first", "channels last", "strips of 1", "strips of 2", "strips of 3"]


@pytest.mark.parametrize("kind", ["dense", "conv2d", "one-to-one", "channel", "height", "width", "space"])
@given(st.integers(0, 2**32 - 1), st.sampled_from(ORDERS), st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_effective_synapses_of_runs_of_neurons_are_those_of_the_unrolled_rows(
    kind: str, seed: int, order: str, parts: int
) -> None:
    made = projection(seed, kind)
    rng = np.random.default_rng(seed)
    shape = made.geometry.target
    neurons = math.prod(shape)
    cuts = np.sort(rng.choice(np.arange(1, neurons), min(parts, neurons) - 1, replace=False)) if neurons > 1 else []
    edges = np.concatenate([[0], cuts, [neurons]]).astype(np.int64)
    spikes = rng.integers(0, 4, (3, math.prod(made.geometry.source)))
    placed = placement(shape, order)
    rows = unrolled(made, effective=True)
    want = [spikes @ rows[placed[start:stop]].sum(axis=0) for start, stop in itertools.pairwise(edges)]
    cores = Cores(shape, order, edges)
    np.testing.assert_array_equal(effective(made, cores)(spikes), np.stack(want, axis=1))
    assert not all_act(made) or np.array_equal(rows, unrolled(made, effective=False))
