"""Random networks, written as NetX graphs and read again, are the same to the last bit."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import assert_same_run, chain, chains, graph, samples_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import neuro_deploy as nd
from neuro_deploy.engines.compare import FIELDS
from neuro_deploy.errors import RangeError
from neuro_deploy.network import FixedNetwork, state_bounds
from neuro_deploy.netx import read
from neuro_deploy.netx.graph_writer import write_graph
from neuro_deploy.netx.meta import meta_text

graphs = st.builds(
    graph,
    seed=st.integers(0, 2**32 - 1),
    timesteps=st.sampled_from([1, 2, 5]),
    relay=st.booleans(),
    first=st.sampled_from([-15, 0]),
)
delayed = st.builds(
    chain,
    seed=st.integers(0, 2**32 - 1),
    sizes=st.just((4, 4, 3)),
    max_delay=st.integers(0, 62),
    mode=st.just("spikes"),
)
LIMIT = 131_071 << 6
disk = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def assert_same_network(want: FixedNetwork, got: FixedNetwork) -> None:
    """Every field of two networks, dtypes included; meta as it stands in a file."""
    assert len(got.populations) == len(want.populations)
    assert len(got.projections) == len(want.projections)
    for ours, theirs in zip(
        (*want.populations, *want.projections, want.encoding),
        (*got.populations, *got.projections, got.encoding),
        strict=True,
    ):
        _assert_same(ours, theirs)
    assert got.timesteps == want.timesteps
    assert dict(got.meta) == json.loads(meta_text(want))


def _assert_same(want: Any, got: Any) -> None:
    assert type(got) is type(want)
    for field in fields(want):
        ours, theirs = getattr(want, field.name), getattr(got, field.name)
        if isinstance(ours, np.ndarray):
            assert (theirs.dtype, theirs.shape) == (ours.dtype, ours.shape), field.name
            np.testing.assert_array_equal(theirs, ours, err_msg=field.name)
        else:
            assert theirs == ours, field.name


def round_trip(network: FixedNetwork, path: Path) -> FixedNetwork:
    write_graph(network, path)
    return read(path)


@given(graphs, st.integers(0, 2**31))
@disk
def test_a_random_graph_comes_back_as_it_was_and_runs_the_same(
    tmp_path: Path, network: FixedNetwork, seed: int
) -> None:
    back = round_trip(network, tmp_path / "n.net")
    assert_same_network(network, back)
    x = samples_for(network, seed)
    want = nd.run(network, x, engine="reference", record=FIELDS)
    assert_same_run(want, nd.run(back, x, engine="reference", record=FIELDS))


@given(chains | delayed, st.integers(0, 2**31))
@disk
def test_a_chain_written_as_a_graph_comes_back_as_it_was_or_its_readout_could_spike(
    tmp_path: Path, network: FixedNetwork, seed: int
) -> None:
    if network.output.kind == "readout" and state_bounds(network)[network.output.name].v > LIMIT:
        with pytest.raises(RangeError, match="hardware spikes above"):
            write_graph(network, tmp_path / "n.net")
        return
    back = round_trip(network, tmp_path / "n.net")
    assert_same_network(network, back)
    x = samples_for(network, seed)
    want = nd.run(network, x, engine="reference", record=FIELDS)
    assert_same_run(want, nd.run(back, x, engine="reference", record=FIELDS))


@given(graphs)
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_network_always_gives_the_same_bytes(tmp_path: Path, network: FixedNetwork) -> None:
    write_graph(network, tmp_path / "a.net")
    write_graph(read(tmp_path / "a.net"), tmp_path / "b.net")
    write_graph(replace(network), tmp_path / "c.net")
    first = (tmp_path / "a.net").read_bytes()
    assert (tmp_path / "b.net").read_bytes() == first
    assert (tmp_path / "c.net").read_bytes() == first
