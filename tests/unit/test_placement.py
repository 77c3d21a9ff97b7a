"""Places of cores on the mesh, what travels between them, and what else a network could cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import chain, changed, graph, mlp, samples_for
from hypothesis import given, settings
from hypothesis import strategies as st

import neuro_deploy as nd
from neuro_deploy.counters.links import DIRECTIONS, links, message_bits
from neuro_deploy.errors import UsageError
from neuro_deploy.hardware import HardwareProfile, load_profile, profile_names
from neuro_deploy.mapping import (
    Choice,
    Mapping,
    across_chips,
    check_mapping,
    hop_weighted,
    map_network,
    place,
    traffic,
)
from neuro_deploy.mapping.alternatives import recomputed, smallest_system
from neuro_deploy.mapping.mesh import sites
from neuro_deploy.network import FixedNetwork
from neuro_deploy.network.fan_out import placement


def _small(neurons: int, per_chip: int = 8) -> HardwareProfile:
    """Loihi 2 with small cores, on chips of 2 x 2 tiles of 2 cores in rows of 4 chips."""
    limits = {"core.neurons": neurons, "system.cores_per_chip": per_chip, "system.chips": 1000, "system.columns": 4}
    return changed(load_profile("loihi2"), limits | {"mesh.columns": 2, "mesh.rows": 2, "mesh.cores_per_tile": 2})


def _slow_messages(
    network: FixedNetwork, mapping: Mapping, counts: dict[str, np.ndarray]
) -> dict[tuple[int, int], np.ndarray]:
    """(source core, target core) -> (T,) messages, from the unrolled matrices, neuron after neuron."""
    found: dict[tuple[int, int], np.ndarray] = {}
    held = {
        row: placement(network.population(core.population).shape, core.order)[core.start : core.stop]
        for row, core in enumerate(mapping.cores)
    }
    joined = [(p, p.geometry.matrix(np.ones(p.weight.shape, np.int64)).toarray() != 0) for p in network.projections]
    for target, core in enumerate(mapping.cores):
        reached: dict[str, np.ndarray] = {}
        for projection, stored in joined:
            if projection.target == core.population:
                here = stored[held[target]].any(axis=0)
                reached[projection.source] = reached.get(projection.source, False) | here
        for name, mask in reached.items():
            for source in mapping.rows.get(name, []):
                sent = counts[name][:, held[source]][:, mask[held[source]]]
                if sent.shape[1]:
                    found[source, target] = sent.sum(axis=1)
    return {pair: messages for pair, messages in found.items() if messages.any()}


@given(st.integers(0, 2**31), st.integers(20, 90), st.sampled_from(["fewest", "compiler"]), st.booleans())
@settings(max_examples=10, deadline=None)
def test_messages_between_cores_are_those_of_the_unrolled_synapses(
    seed: int, neurons: int, cut: str, shared: bool
) -> None:
    network = graph(seed)
    mapping = map_network(network, _small(neurons), Choice(shared, None, cut))  # type: ignore[arg-type]
    result = nd.run(network, samples_for(network, seed), engine="reference")
    counts = {p.name: result.counts[p.name] for p in network.populations}
    between = traffic(network, mapping, counts)
    want = _slow_messages(network, mapping, counts)
    got: dict[tuple[int, int], np.ndarray] = {}
    for source, target, messages in zip(
        between.source.tolist(), between.target.tolist(), between.messages, strict=True
    ):
        got[source, target] = got.get((source, target), 0) + messages
    got = {pair: messages for pair, messages in got.items() if messages.any()}
    assert set(got) == set(want)
    for pair, messages in want.items():
        np.testing.assert_array_equal(got[pair], messages)


def _walk(start: tuple[int, int], end: tuple[int, int]) -> list[tuple[int, int, str]]:
    """The links of a message: along the row first."""
    (x, y), steps = start, []
    while x != end[0]:
        steps.append((x, y, "east" if end[0] > x else "west"))
        x += 1 if end[0] > x else -1
    while y != end[1]:
        steps.append((x, y, "south" if end[1] > y else "north"))
        y += 1 if end[1] > y else -1
    return steps


@given(st.integers(0, 2**31), st.integers(20, 90), st.sampled_from(["curve", "first-fit", "random"]))
@settings(max_examples=10, deadline=None)
def test_loads_of_links_are_those_of_messages_that_walk(seed: int, neurons: int, how: str) -> None:
    network = graph(seed)
    mapping = place(network, map_network(network, _small(neurons)), how)  # type: ignore[arg-type]
    result = nd.run(network, samples_for(network, seed), engine="reference")
    counts = {p.name: result.counts[p.name] for p in network.populations}
    found = links(network, mapping, counts)
    messages: dict[tuple[int, int, str], np.ndarray] = {}
    bits: dict[tuple[int, int, str], np.ndarray] = {}
    within, hops, crossing = np.zeros(network.timesteps, np.int64), 0, 0
    for (source, target), sent in _slow_messages(network, mapping, counts).items():
        one, other = mapping.cores[source], mapping.cores[target]
        steps = _walk(one.tile, other.tile)
        within = within if steps else within + sent
        hops += len(steps) * int(sent.sum())
        crossing += int(sent.sum()) * (one.chip != other.chip)
        for step in steps:
            messages[step] = messages.get(step, 0) + sent
            bits[step] = bits.get(step, 0) + sent * message_bits(network, mapping.profile, one.population)
    got = {
        (int(x), int(y), DIRECTIONS[d]): i
        for i, (x, y, d) in enumerate(zip(found.x, found.y, found.direction, strict=True))
    }
    assert set(got) == set(messages)
    for step, sent in messages.items():
        np.testing.assert_array_equal(found.messages[got[step]], sent)
        np.testing.assert_array_equal(found.bits[got[step]], bits[step])
    np.testing.assert_array_equal(found.within, within)
    assert hop_weighted(found.between, mapping) == hops == int(found.messages.sum())
    assert across_chips(found.between, mapping) == crossing


@given(st.integers(1, 60), st.integers(1, 7), st.integers(1, 6), st.integers(1, 5), st.booleans())
def test_every_site_is_one_place_of_one_chip(cores: int, columns: int, rows: int, across: int, curve: bool) -> None:
    profile = changed(load_profile("loihi2"), {"system.cores_per_chip": columns * rows * 2, "system.columns": across})
    profile = changed(
        profile, {"mesh.columns": columns, "mesh.rows": rows, "mesh.cores_per_tile": 2, "system.chips": 9}
    )
    found = sites(profile, cores, curve=curve)
    assert len(found.x) >= cores
    tiles = list(zip(found.x.tolist(), found.y.tolist(), strict=True))
    assert all(tiles.count(tile) == 2 for tile in tiles)
    np.testing.assert_array_equal(found.chip, found.y // rows * across + found.x // columns)
    neighbours = np.abs(np.diff(found.x)) + np.abs(np.diff(found.y))
    if curve and (columns, rows) in ((2, 2), (4, 4)) and cores <= columns * rows * 2:
        assert neighbours[: columns * rows * 2 - 1].max() == 1


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_seed_gives_the_same_places_and_they_beat_the_others(seed: int) -> None:
    network = graph(3)
    mapping = map_network(network, _small(20))
    between = traffic(network, mapping)
    one, two = (place(network, mapping, seed=seed) for _ in range(2))
    assert [core.tile for core in one.cores] == [core.tile for core in two.cores]
    cost = {how: hop_weighted(between, place(network, mapping, how, seed=seed)) for how in ("first-fit", "random")}  # type: ignore[arg-type]
    assert hop_weighted(between, one) < cost["first-fit"]
    assert hop_weighted(between, one) <= cost["random"] / 2
    assert check_mapping(network, one) == []


def test_measured_spikes_decide_what_stands_near() -> None:
    network = graph(4)
    result = nd.run(network, samples_for(network, 4, count=8))
    profile = _small(25)
    measured, uniform = nd.map(network, profile, result=result), nd.map(network, profile)
    counts = {p.name: result.counts[p.name] for p in network.populations}
    assert hop_weighted(traffic(network, measured, counts), measured) <= hop_weighted(
        traffic(network, uniform, counts), uniform
    )
    assert check_mapping(network, measured) == []


def test_the_check_sees_wrong_places() -> None:
    network = mlp(784, 128, 64, 10)
    mapping = nd.map(network)
    elsewhere = replace(mapping, cores=(replace(mapping.cores[0], chip=1), *mapping.cores[1:]))
    assert f"core 0: tile {mapping.cores[0].tile} is not on chip 1" in check_mapping(network, elsewhere)
    crowded = replace(mapping, cores=tuple(replace(core, tile=(0, 0)) for core in mapping.cores))
    assert "tile (0, 0) holds 5 cores" in check_mapping(network, crowded)


def test_unknown_ways_to_map_are_refused() -> None:
    network = mlp(8, 4)
    with pytest.raises(UsageError, match="places are 'best'; curve, first-fit, random are wanted"):
        nd.map(network, place="best")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="cut is 'half'; fewest or compiler is wanted"):
        nd.map(network, cut="half")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="weights of 9 bits; 1 to 8 are wanted"):
        nd.map(network, weight_bits=9)


def test_residuals_computed_anew_leave_relays_out() -> None:
    network = graph(0)
    anew = recomputed(network)
    relays = {p.name for p in network.populations if p.kind == "relay"}
    if anew is None:
        assert any(
            p.source in relays and (p.geometry.kind != "one-to-one" or p.weight.ndim) for p in network.projections
        )
    mixer = nd.load("netx_models/digits-mixer.net")
    made = recomputed(mixer)
    assert made is not None
    assert not any(p.kind == "relay" for p in made.populations)
    token = [p for p in made.projections if p.target == "token_mix_lif.0"]
    assert sorted(p.geometry.kind for p in token) == ["axial", "axial", "axial", "conv2d"]


def test_a_report_names_alternatives_and_the_smallest_system() -> None:
    report = nd.mapping_report(graph(0), nd.map(graph(0)))
    assert {"weights shared", "weights of each position stored", "weights of 4 bits"} <= {
        row["name"] for row in report["alternatives"]
    }
    assert report["smallest_system"] is None
    assert report["check"] == []
    large = mlp(784, 12_000, 10)
    report = nd.mapping_report(large, nd.map(large), alternatives=False)
    assert report["alternatives"] is None
    found = report["smallest_system"]
    assert (found["profile"], found["chips"], found["system_chips"]) == ("kapoho-point", report["chips"], 8)
    refused = nd.map(graph(0), "loihi1")
    smallest = smallest_system(graph(0), refused, [load_profile(name) for name in profile_names()])
    assert smallest is not None
    assert smallest["profile"] == "loihi2"
    impossible = mlp(20_000, 10)
    assert nd.mapping_report(impossible, nd.map(impossible), alternatives=False)["smallest_system"] is None


def test_fewer_bits_never_take_more_cores() -> None:
    network = mlp(784, 1000, 10)
    cores = [len(nd.map(network, weight_bits=bits).cores) for bits in (8, 6, 4)]
    assert cores == sorted(cores, reverse=True)
    assert cores[0] > cores[2]
    assert check_mapping(network, nd.map(network, weight_bits=4)) == []


def test_a_network_of_one_core_has_no_traffic() -> None:
    network = chain(0, (4, 3))
    mapping = nd.map(network)
    assert hop_weighted(traffic(network, mapping), mapping) == 0
    result = nd.run(network, samples_for(network, 0))
    content = nd.measure(network, result, mapping, links=True).to_dict()
    assert content["links"] == []
