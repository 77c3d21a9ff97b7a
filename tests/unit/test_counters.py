"""Counts per core against slow, independent counting."""

from __future__ import annotations

import gc
import json
import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from helpers import chain, chains, changed, graph, mlp, samples_for
from hypothesis import given, settings
from hypothesis import strategies as st

import neuro_deploy as nd
from neuro_deploy.counters import count
from neuro_deploy.counters.fans import Fans, fans, over_time
from neuro_deploy.counters.powers import only_shifts
from neuro_deploy.counters.sums import group_sums
from neuro_deploy.errors import DataError, UsageError
from neuro_deploy.hardware import HardwareProfile, load_profile
from neuro_deploy.mapping import Choice, map_network
from neuro_deploy.network import FixedNetwork, FixedProjection
from neuro_deploy.network.fan_out import fan_out_onto, placement
from neuro_deploy.network.groups import Groups


@given(chains, st.integers(0, 2**31), st.integers(1, 4))
@settings(max_examples=80)
def test_synops_over_cores_are_spikes_times_fan_out(network: FixedNetwork, seed: int, neurons: int) -> None:
    mapping = map_network(network, changed(load_profile("loihi2"), {"core.neurons": neurons}))
    result = nd.run(network, samples_for(network, seed), record=("spikes",))
    totals = nd.measure(network, result, mapping).to_dict()["totals"]
    synops = effective = 0
    for projection in network.projections:
        spikes = (result.spikes[projection.source] != 0).reshape(-1, projection.weight.shape[1]).sum(axis=0)
        synops += int((spikes * projection.weight.shape[0]).sum())
        effective += int((spikes * (projection.weight != 0).sum(axis=0)).sum())
    assert totals["synops"] == synops
    assert totals["synops_effective"] == effective
    assert totals["spikes"] == sum(int(result.spikes[p.name].sum()) for p in network.computed)
    assert totals["neuron_updates"] == network.neurons * network.timesteps * result.samples


@given(st.integers(0, 2**31), st.integers(5, 60), st.booleans())
@settings(max_examples=10, deadline=None)
def test_counts_of_every_kind_of_synapse_equal_those_of_unrolled_matrices(seed: int, neurons: int, relay: bool) -> None:
    network = graph(seed, relay=relay)
    mapping = map_network(network, changed(load_profile("loihi2"), {"core.neurons": neurons}))
    result = nd.run(network, samples_for(network, seed), engine="reference")
    counts = count(network, result, mapping)
    totals = nd.measure(network, result, mapping).to_dict()["totals"]
    spikes = {name: array.sum(axis=0) for name, array in result.counts.items()}
    assert totals["synops"] == sum(int(spikes[p.source] @ p.fan_out) for p in network.projections)
    assert totals["synops_effective"] == sum(
        int(spikes[p.source] @ fan_out_onto(p, 0, network.population(p.target).neurons, effective=True))
        for p in network.projections
    )
    for row in range(0, len(mapping.cores), 3):
        core = mapping.cores[row]
        on_core = placement(network.population(core.population).shape, core.order)[core.start : core.stop]
        synops, effective, reached = 0, 0, {}
        for projection in network.inputs_of(core.population):
            arriving = result.counts[projection.source]
            stored = projection.geometry.matrix(np.ones(projection.weight.shape, np.int64))[on_core].sum(axis=0)
            acting = projection.geometry.matrix(projection.weight.astype(np.int64), sign=projection.sign)[on_core] != 0
            synops = synops + arriving @ stored
            effective = effective + arriving @ acting.sum(axis=0)
            reached[projection.source] = reached.get(projection.source, False) | (stored > 0)
        events = sum(result.counts[source] @ mask for source, mask in reached.items())
        np.testing.assert_array_equal(counts.synops[row], synops)
        np.testing.assert_array_equal(counts.synops_effective[row], effective)
        np.testing.assert_array_equal(counts.axon_events[row], events)
        np.testing.assert_array_equal(counts.spikes_out[row], result.counts[core.population][:, on_core].sum(axis=1))


def test_a_spike_that_two_projections_bring_to_a_core_is_one_event() -> None:
    both = replace(chain(3, (6, 5, 3), mode="spikes"))
    twice = replace(both, projections=(*both.projections, both.projections[0]))
    result = nd.run(twice, samples_for(twice, 3), engine="reference")
    counts = count(twice, result, nd.map(twice))
    assert counts.axon_events[0].sum() == result.counts["input"].sum()
    assert counts.synops[0].sum() == 2 * 5 * result.counts["input"].sum()


def test_shifts_of_a_relays_payload_are_no_multiplications() -> None:
    network = graph(5)
    result = nd.run(network, samples_for(network, 5), engine="reference")
    counts = count(network, result, nd.map(network))
    spikes = {name: array.sum(axis=0) for name, array in result.counts.items()}
    multiplied = [p for p in network.projections if p.source == "input" or (p.source, p.target) == ("token", "out")]
    assert counts.total("multiplied") == sum(
        int(spikes[p.source] @ fan_out_onto(p, 0, network.population(p.target).neurons, effective=True))
        for p in multiplied
    )
    assert only_shifts(next(p for p in network.projections if (p.source, p.target) == ("h", "cell")))
    assert 0 < counts.total("multiplied") < counts.total("synops_effective")


def test_per_timestep_counts_equal_a_loop_over_synapses_delayed_or_not() -> None:
    network = chain(4, (4, 5, 3), timesteps=8, mode="spikes", max_delay=3)
    mapping = nd.map(network)
    result = nd.run(network, samples_for(network, 4, count=2), record=("spikes",))
    counts = count(network, result, mapping)
    want = np.zeros((len(mapping.cores), 8), np.int64)
    for row, core in enumerate(mapping.cores):
        for projection in network.inputs_of(core.population):
            for source in range(projection.weight.shape[1]):
                for _ in range(core.start, core.stop):
                    want[row] += result.spikes[projection.source][:, :, source].sum(axis=0, dtype=np.int64)
    np.testing.assert_array_equal(counts.synops, want)
    fan_out = {"input": 5, "p1": 3}
    assert counts.total("synops") == sum(result.counts[name].sum() * fan_out[name] for name in fan_out)


def test_multiplications_of_the_host_and_one_bit_payloads() -> None:
    driven = chain(1, (6, 5, 3), mode="bias")
    result = nd.run(driven, samples_for(driven, 1, count=4))
    model = nd.measure(driven, result, nd.map(driven)).to_dict()["energy"]["paper_45nm"]
    assert model["multiply_accumulates"] == model["multiply_accumulates_of_the_host"] == 6 * 6 * 4
    graded = chain(1, (6, 5, 3))
    one_bit = replace(graded, encoding=replace(graded.encoding, levels=1))
    result = nd.run(one_bit, samples_for(one_bit, 1))
    assert nd.measure(one_bit, result, nd.map(one_bit)).to_dict()["energy"]["paper_45nm"]["multiply_accumulates"] == 0


def test_labels_must_be_classes_that_the_network_has() -> None:
    network = chain(2, (6, 5, 3))
    with pytest.raises(DataError, match="labels go from 0 to 99; the network has 3 classes"):
        nd.run(network, samples_for(network, 2)).accuracy([0, 1, 99])


@pytest.mark.parametrize("labels", [[0], [[0], [1], [2]], 1])
def test_labels_must_be_one_per_sample(labels: object) -> None:
    network = chain(2, (6, 5, 3))
    with pytest.raises(DataError, match=r"labels have shape .*; \(3,\) is wanted, one per sample"):
        nd.run(network, samples_for(network, 2)).accuracy(labels)


@pytest.mark.parametrize("labels", [["0", "1", "2"], [0.0, 1.5, 2.0], [0.0, np.nan, 2.0]])
def test_labels_must_be_whole_numbers(labels: object) -> None:
    network = chain(2, (6, 5, 3))
    result = nd.run(network, samples_for(network, 2))
    with pytest.raises(DataError, match="not all whole numbers"):
        result.accuracy(labels)
    assert result.accuracy([0.0, 1.0, 2.0]) == result.accuracy([0, 1, 2])


def test_a_run_is_measured_on_its_own_network_and_mapping() -> None:
    network, other = chain(2, (6, 5, 3)), chain(2, (6, 4, 3))
    result = nd.run(network, samples_for(network, 2))
    with pytest.raises(UsageError, match="the mapping is of another network: 'p1' is not the same"):
        _ = nd.measure(network, result, nd.map(other)).totals
    with pytest.raises(UsageError, match="the mapping is of another network"):
        _ = nd.measure(network, result, nd.map(graph(6))).totals
    with pytest.raises(UsageError, match="the result is of another network"):
        nd.measure(graph(6), result, nd.map(graph(6)))
    with pytest.raises(UsageError, match="'loihi2' is no mapping"):
        nd.measure(network, result, "loihi2")  # type: ignore[arg-type]


def test_a_spike_is_delivered_once_to_every_core_of_its_targets() -> None:
    network = mlp(784, 128, 64, 10)
    rng = np.random.default_rng(0)
    result = nd.run(network, rng.integers(0, 2, (2, 784)))
    content = nd.measure(network, result, nd.map(network)).to_dict()
    sent = {row["name"]: row["spikes"] for row in content["populations"]}
    assert content["totals"]["axon_events"] == 3 * sent["input"] + sent["fc1"] + sent["fc2"]
    assert content["totals"]["input_spikes"] == sent["input"] > 0


def test_metrics_have_the_fields_that_users_rely_on() -> None:
    network = chain(2, (6, 5, 3))
    x = samples_for(network, 2, count=4)
    result = nd.run(network, x)
    content = nd.measure(network, result, nd.map(network), labels=result.predictions).to_dict()
    json.dumps(content, allow_nan=False)
    assert content["accuracy"] == 1.0
    assert (content["samples"], content["timesteps"], content["engine"], content["profile"]) == (
        4,
        4,
        "native",
        "loihi2",
    )
    assert {"spikes", "axon_events", "synops", "synops_effective", "neuron_updates"} <= set(content["totals"])
    core = content["cores"][0]
    assert {
        "core",
        "chip",
        "population",
        "neurons",
        "synapse_memory_bytes",
        "spikes_out",
        "axon_events",
        "synops",
    } <= set(core)
    assert (core["syn_ops"], core["spikes_in"]) == (core["synops"], core["axon_events"])
    for name in ("spikes_out", "axon_events", "synops", "synops_effective", "neuron_updates"):
        assert sum(row[name] for row in content["cores"]) == content["totals"].get(name, content["totals"]["spikes"])
    assert content["per_sample"]["synops"] * 4 == content["totals"]["synops"]
    assert set(content["firing_rate"]) == {"p1"}
    assert content["runtime"]["seconds_per_timestep"] is None


def test_spikes_of_neurons_and_messages_of_relays_are_told_apart() -> None:
    network = graph(0)
    result = nd.run(network, samples_for(network, 0, count=4))
    content = nd.measure(network, result, nd.map(network)).to_dict()
    totals, rows = content["totals"], content["populations"]
    assert totals["relay_messages"] == sum(row["spikes"] for row in rows if row["kind"] == "relay") > 0
    assert totals["neuron_spikes"] == sum(row["spikes"] for row in rows if row["kind"] == "lif") > 0
    assert totals["spikes"] == totals["neuron_spikes"] + totals["relay_messages"]
    assert content["per_sample"]["relay_messages"] * 4 == totals["relay_messages"]


def test_the_papers_energy_counts_multiplications_only_where_payloads_come_in() -> None:
    network = chain(2, (6, 5, 3))
    result = nd.run(network, samples_for(network, 2, count=4), record=("spikes",))
    content = nd.measure(network, result, nd.map(network)).to_dict()
    model = content["energy"]["paper_45nm"]
    sent = (result.spikes["input"] != 0).reshape(-1, 6).sum(axis=0)
    assert model["multiply_accumulates"] == int((sent * (network.projections[0].weight != 0).sum(axis=0)).sum())
    joules = (model["additions"] * 0.9e-12 + model["multiply_accumulates"] * 4.6e-12) / 4
    assert model["joules_per_sample"] == pytest.approx(joules, rel=1e-12)
    assert content["energy"]["loihi2"]["joules_per_sample"] is None


def test_loihi1_energy_uses_the_published_coefficients() -> None:
    network = chain(2, (6, 5, 3), mode="spikes")
    result = nd.run(network, samples_for(network, 2, count=4))
    content = nd.measure(network, result, nd.map(network, "loihi1")).to_dict()
    totals, model = content["totals"], content["energy"]["loihi1"]
    joules = totals["synops"] * 23.6e-12 + totals["neuron_updates"] * 81e-12
    assert model["joules_per_sample"] * 4 == pytest.approx(joules, rel=1e-12)
    lowest = totals["synops"] * 23.6e-12 + totals["neuron_updates"] * 52e-12
    assert model["lowest_joules_per_sample"] * 4 == pytest.approx(lowest, rel=1e-12)
    assert sum(model["per_core"]) == pytest.approx(model["joules_per_sample"], rel=1e-12)
    assert sum(model["per_population"].values()) == pytest.approx(model["joules_per_sample"], rel=1e-12)
    assert model["static"] == {"joules_per_sample": None, "reason": "no public figure of static power"}
    assert model["coefficients"]["synop"]["source"].startswith("Davies et al. 2018")


def _words(profile: HardwareProfile, bits: int, number: int) -> int:
    return -(-number * bits // profile.whole("core.word_bits"))


@given(st.integers(0, 2**31), st.integers(20, 90), st.booleans(), st.sampled_from(["fewest", "compiler"]))
@settings(max_examples=8, deadline=None)
def test_words_of_synaptic_memory_are_those_of_every_spikes_lists(
    seed: int, neurons: int, shared: bool, cut: str
) -> None:
    network, profile = graph(seed), changed(load_profile("loihi2"), {"core.neurons": neurons})
    mapping = map_network(network, profile, Choice(shared, None, cut))  # type: ignore[arg-type]
    result = nd.run(network, samples_for(network, seed), engine="reference")
    counts = count(network, result, mapping)
    for row, core in enumerate(mapping.cores):
        shape = network.population(core.population).shape
        on_core = placement(shape, core.order)[core.start : core.stop]
        want = np.zeros(network.timesteps, np.int64)
        for projection in network.inputs_of(core.population):
            stored = projection.geometry.matrix(np.ones(projection.weight.shape, np.int64)).toarray()[on_core] != 0
            once = shared and (projection.geometry.kind in ("conv2d", "axial") or projection.weight.ndim == 0)
            words = [
                _read(projection, stored[:, source], on_core, profile, once=once) for source in range(stored.shape[1])
            ]
            want += result.counts[projection.source] @ np.array(words)
        np.testing.assert_array_equal(counts.memory_reads[row], want)


def _read(
    projection: FixedProjection, hit: np.ndarray, on_core: np.ndarray, profile: HardwareProfile, *, once: bool
) -> int:
    """Words that a spike of one source neuron fetches on a core. hit: of the neurons on it, those that it reaches."""
    if not hit.any():
        return 0
    if not once:
        return _words(
            profile,
            profile.whole("synapse.bits_with_delay" if projection.max_delay else "synapse.bits"),
            int(hit.sum()),
        )
    window = projection.geometry.targets
    inside = on_core[(on_core >= window.start) & (on_core < window.stop)]
    bits = profile.whole("sharing.bits") + (4 if projection.max_delay else 0)
    if projection.geometry.kind == "one-to-one":
        return _words(profile, bits, 1)
    channel, row, column = np.unravel_index(inside, projection.geometry.target)
    space = row * projection.geometry.target[2] + column
    output = {"height": row, "width": column, "space": space}.get(projection.geometry.axis or "", channel)
    places = 1
    if projection.geometry.kind == "conv2d":
        places = len(set((on_core[hit] % (projection.geometry.target[1] * projection.geometry.target[2])).tolist()))
    return places * _words(profile, bits, len(set(output.tolist())))


def test_the_table_the_populations_and_sums_over_time_count_the_same() -> None:
    network = graph(6)
    mapping, result = nd.map(network), nd.run(network, samples_for(network, 6))
    spikes = {population.name: result.counts.array(population.name) for population in network.populations}
    made = Fans(network, mapping)
    each = made._each(spikes)
    for _ in range(2):
        table = made.count(spikes)
        for what, values in each.items():
            np.testing.assert_array_equal(table[what], values, what)
    assert made._table is not None
    for counted in (made.count(spikes, total=True), made.count(over_time(spikes)), made._each(over_time(spikes))):
        for what, values in each.items():
            np.testing.assert_array_equal(counted[what][:, 0], values.sum(axis=1), what)
    metrics = nd.measure(network, result, mapping)
    for what, values in metrics.loads.items():
        np.testing.assert_array_equal(values, getattr(metrics.counts, what), what)
        np.testing.assert_array_equal(values.sum(axis=1), getattr(metrics.totals, what)[:, 0], what)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32, np.int64])
@pytest.mark.parametrize("alike", ["dense", "one-to-one", "channel", "height", "width", "space"])
@pytest.mark.parametrize("last", [False, True])
def test_sums_over_groups_hold_the_largest_counts_in_any_layout(kind: type, alike: Any, last: bool) -> None:
    shape = (300, 3, 2)
    values = np.full((270, *shape), np.iinfo(kind).max if kind != np.int64 else 2**40, kind)
    if last:
        values = np.moveaxis(np.ascontiguousarray(np.moveaxis(values, 1, -1)), -1, 1)
    groups = Groups(12, 1200, (198, 3, 2), alike)
    slow = values.reshape(270, -1)[:, 12:1200].astype(np.int64)
    want = np.zeros((270, groups.count), np.int64)
    np.add.at(want, (slice(None), groups.index()), slow)
    np.testing.assert_array_equal(group_sums(groups, values), want)
    np.testing.assert_array_equal(groups.sums(values), want)
    np.testing.assert_array_equal(over_time({"a": values})["a"][0], values.astype(np.int64).sum(axis=0))


def test_what_was_worked_out_is_forgotten_with_its_network() -> None:
    network = graph(6)
    mapping = nd.map(network)
    assert fans(network, mapping) is fans(network, mapping)
    kept = [weakref.ref(fans(network, mapping)), weakref.ref(network), weakref.ref(network.separated)]
    for _ in range(2):
        nd.measure(network, nd.run(network, samples_for(network, 6)), mapping).to_dict()
    nd.explain(network)
    del network, mapping
    gc.collect()
    assert [each() for each in kept] == [None, None, None]
