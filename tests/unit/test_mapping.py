"""The mapper, its independent check, and the hardware profiles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import chain, chains, changed, graph, mlp
from hypothesis import given, settings
from hypothesis import strategies as st

import neuro_deploy as nd
from neuro_deploy.errors import FormatError, UsageError
from neuro_deploy.hardware import load_profile, profile_names, save_profile
from neuro_deploy.mapping import Choice, check, check_mapping, map_network, place, unchecked
from neuro_deploy.network import FixedNetwork, FixedPopulation, FixedProjection, Geometry, SpikeEncoding


def test_mnist_takes_the_five_cores_that_intels_compiler_reported() -> None:
    """784-128-64-10 on Loihi 2: 3 + 1 + 1 cores with 43, 43, 42 neurons (lava-dl tutorials, netx/mnist/run.ipynb)."""
    mapping = nd.map(mlp(784, 128, 64, 10), "loihi2")
    assert mapping.fits
    assert [(core.population, core.neurons) for core in mapping.cores] == [
        ("fc1", 43),
        ("fc1", 43),
        ("fc1", 42),
        ("fc2", 64),
        ("fc3", 10),
    ]
    shares = mapping.utilisation()
    assert shares["input_axons"]["max"] == pytest.approx(0.0490)
    assert shares["neuron_groups"]["max"] == 0.125
    assert [core.used["synapse_memory"] for core in mapping.cores[3:]] == [128 * 16, 64 * 3]


@given(
    chains,
    st.integers(1, 6),
    st.integers(1, 40),
    st.integers(1, 400),
    st.booleans(),
    st.sampled_from(["fewest", "compiler"]),
    st.sampled_from(["curve", "first-fit", "random"]),
)
@settings(max_examples=150, deadline=None)
def test_every_mapping_that_fits_passes_the_independent_check(
    network: FixedNetwork, neurons: int, axons: int, memory: int, blocks: bool, cut: str, how: str
) -> None:
    limits = {
        "core.neurons": neurons,
        "core.input_axons": axons,
        "core.synapse_memory": memory,
        "core.output_axons": 60,
    }
    if blocks:
        limits |= {"synapse.block": 3, "synapse.block_bits": 10, "core.words_per_axon": 2}
    profile = changed(load_profile("loihi2"), limits | {"system.cores_per_chip": 4, "system.chips": 100})
    mapping = place(network, map_network(network, profile, Choice(cut=cut)), how)
    problems = check_mapping(network, mapping)
    if mapping.fits:
        assert problems == []
    else:
        assert any(limit.used > (limit.limit or 0) for limit in mapping.limits)


CHOICES = st.builds(Choice, st.booleans(), st.sampled_from([None, 8, 6, 4]), st.sampled_from(["fewest", "compiler"]))


@given(st.integers(0, 2**31), st.integers(3, 90), st.integers(20, 400), st.integers(8, 200), st.booleans(), CHOICES)
@settings(max_examples=25, deadline=None)
def test_mappings_of_every_kind_of_synapse_pass_the_independent_check(
    seed: int, neurons: int, axons: int, memory: int, loihi1: bool, choice: Choice
) -> None:
    limits = {"core.neurons": neurons, "core.input_axons": axons, "core.synapse_memory": memory}
    if loihi1:
        limits |= {"synapse.block": 3, "synapse.block_bits": 10, "core.output_axons": 300, "core.thresholds": 20}
    profile = changed(load_profile("loihi2"), limits | {"system.cores_per_chip": 4, "system.chips": 1000})
    network = graph(seed)
    mapping = place(network, map_network(network, profile, choice))
    allowed = [problem for problem in check_mapping(network, mapping) if ", allowed: " not in problem]
    assert allowed == []
    assert mapping.fits == (not check_mapping(network, mapping))


UNSHARED = Choice(shared=False)


def _axial(axis: str, shape: tuple[int, int, int], length: int) -> FixedNetwork:
    """One-bit input, then neurons fed along one axis by dense weights."""
    size = tuple(length if name == axis else n for name, n in zip(("channel", "height", "width"), shape, strict=True))
    weight = np.full((length, shape[("channel", "height", "width").index(axis)]), 2)
    geometry = Geometry("axial", shape, size, axis=axis)
    populations = FixedPopulation("input", "input", shape), FixedPopulation("p", "lif", size, threshold=np.asarray(9))
    return FixedNetwork(
        populations, (FixedProjection("input", "p", weight, geometry=geometry),), 2, SpikeEncoding(shape)
    )


def test_channels_that_see_a_position_stand_together_on_a_core() -> None:
    """8 x 8 positions, 16 channels: an axon has 16 synapses in 4 words; cut by planes it would take a word for one."""
    network = _axial("channel", (16, 8, 8), 16)
    profile = changed(load_profile("loihi2"), {"core.synapse_memory": 2 * 16 * 4})
    mapping = map_network(network, profile, UNSHARED)
    assert mapping.fits
    assert {(core.order, core.neurons) for core in mapping.cores} == {("channels last", 32)}
    assert mapping.cores[1].used["input_axons"] == 32
    assert mapping.cores[1].used["words_per_axon"] == 4
    assert mapping.to_dict()["core_list"][1]["order"] == "channels last"
    assert check_mapping(network, mapping) == []


def test_rows_of_a_plane_stand_together_where_synapses_run_along_the_width() -> None:
    network = _axial("width", (6, 4, 8), 8)
    mapping = map_network(network, changed(load_profile("loihi2"), {"core.synapse_memory": 4 * 8 * 2}), UNSHARED)
    assert mapping.fits
    assert {(core.order, core.neurons) for core in mapping.cores} == {("channels first", 32)}
    assert {core.used["synapse_memory"] for core in mapping.cores} == {64}


def test_weights_are_stored_once_per_position_or_once_per_core() -> None:
    network, loihi2 = _axial("channel", (3, 5, 7), 4), load_profile("loihi2")
    (core,) = map_network(network, loihi2, UNSHARED).cores
    assert core.used["input_axons"] == core.used["synapse_memory"] == 3 * 5 * 7
    assert "stored once per position" in map_network(network, loihi2, UNSHARED).to_dict()["assumptions"][0]
    shared = map_network(network, loihi2)
    assert shared.cores[0].used["synapse_memory"] == 3
    assert shared.cores[0].used["input_axons"] == 2
    assert "stored once per core" in shared.to_dict()["assumptions"][0]


def test_relays_need_room_for_their_payload() -> None:
    mapping = nd.map(graph(0), "loihi1")
    (limit,) = [limit for limit in mapping.limits if limit.resource == "payload_bits"]
    assert (limit.holds, limit.where) == (False, "spikes of token")
    assert nd.map(graph(0), "loihi2").fits


def test_a_network_too_large_to_unroll_is_checked_in_part_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    network = graph(0)
    mapping = map_network(network, load_profile("loihi2"), UNSHARED)
    assert unchecked(network) is None
    monkeypatch.setattr(check, "MAX_SYNAPSES", 1000)
    assert unchecked(network, map_network(network, load_profile("loihi2"))) is None
    assert "synapses are too many to unroll (more than 1,000)" in str(unchecked(network))
    assert check_mapping(network, mapping) == []
    missing = replace(mapping, cores=mapping.cores[1:])
    assert "h: a neuron stands on 0 or 0 cores, not on 1" in check_mapping(network, missing)


def test_hala_point_is_as_large_as_intel_says() -> None:
    profile = load_profile("hala-point")
    assert profile.whole("system.chips") * profile.whole("system.cores_per_chip") == 140_544
    loihi2 = load_profile("loihi2")
    for name in ("hala-point", "kapoho-point"):
        own = load_profile(name).quantities
        assert {k: own[k] for k in own if k.startswith("core.")} == {
            k: q for k, q in loihi2.quantities.items() if k.startswith("core.")
        }


def test_a_population_of_a_million_neurons_is_mapped_without_unrolling() -> None:
    network = _axial("channel", (64, 128, 128), 64)
    mapping = map_network(network, load_profile("hala-point"), UNSHARED)
    assert mapping.fits
    assert sum(core.neurons for core in mapping.cores) == 2**20
    assert mapping.utilisation()["synapse_memory"]["mean"] > 0.8
    assert len(mapping.cores) < 1.2 * (64 * 64 * 128 * 128 * 16 / 64 / 12_000)


def test_a_population_is_cut_into_the_fewest_parts() -> None:
    network = mlp(784, 128, 64, 10)
    for memory, parts in ((12_000, 3), (25_087, 2), (25_088, 1), (784, 32)):
        mapping = map_network(network, changed(load_profile("loihi2"), {"core.synapse_memory": memory}))
        assert len(mapping.of("fc1")) == parts


def test_the_check_sees_a_neuron_on_two_cores_and_a_wrong_count() -> None:
    network = mlp(784, 128, 64, 10)
    mapping = nd.map(network)
    first, second = mapping.cores[:2]
    twice = replace(mapping, cores=(replace(first, stop=first.stop + 1), *mapping.cores[1:]))
    assert "fc1: a neuron stands on 2 or 1 cores, not on 1" in check_mapping(network, twice)
    assert any("the mapping says 43 neurons, it is 44" in problem for problem in check_mapping(network, twice))
    missing = replace(mapping, cores=(first, *mapping.cores[2:]))
    assert "fc1: a neuron stands on 1 or 0 cores, not on 1" in check_mapping(network, missing)
    overfull = replace(mapping, cores=(replace(first, stop=128), *mapping.cores[3:]))
    assert any("synapse_memory, allowed: 12,000" in problem for problem in check_mapping(network, overfull))
    assert second.index == 1


def test_what_does_not_fit_names_its_limit() -> None:
    wide = nd.map(mlp(20_000, 10))
    assert not wide.fits
    (limit,) = [limit for limit in wide.limits if not limit.holds and limit.resource == "input_axons"]
    assert str(limit) == "input_axons: 20,000 axons for one core of fc1, allowed: 16,000"
    large = nd.map(mlp(784, 12_000, 10))
    assert [limit.resource for limit in large.limits if not limit.holds] == ["chips"]
    assert large.chips == 2


def test_loihi1_takes_no_graded_spikes_and_few_thresholds() -> None:
    graded = nd.map(chain(0, (4, 3)), "loihi1")
    assert [limit.resource for limit in graded.limits if not limit.holds] == ["payload_bits"]
    network = chain(0, (4, 20), mode="spikes", readout=False)
    apart = replace(network.output, threshold=np.arange(1, 21))
    mapping = nd.map(replace(network, populations=(network.populations[0], apart)), "loihi1")
    assert mapping.fits
    assert [core.neurons for core in mapping.cores] == [7, 7, 6]
    assert nd.map(network, "loihi1").cores[0].neurons == 20


def test_the_hint_against_graded_spikes_depends_on_who_sends_them() -> None:
    def hint(network: FixedNetwork) -> str | None:
        return next(limit.hint for limit in nd.map(network, "loihi1").limits if limit.resource == "payload_bits")

    assert hint(chain(0, (4, 3, 2))) == "neuro-deploy convert --input bias sends no graded spikes"
    assert hint(chain(0, (4, 3), mode="spikes")) is None
    refused = "of this network must send graded spikes, which loihi1 does not carry: use loihi2"
    assert hint(chain(0, (4, 3))) == f"the input {refused}"
    assert hint(graph(0)) == f"the input {refused}"
    one, gains = np.asarray(2), 2 * np.arange(1, 5)
    for weight, said in (
        (one, "neuro-deploy convert --skip recompute sends no graded spikes"),
        (gains, f"relays {refused}"),
    ):
        populations = (
            FixedPopulation("input", "input", (3,)),
            FixedPopulation("sum", "relay", (4,)),
            FixedPopulation("lif", "lif", (4,), threshold=np.asarray(9)),
        )
        first = FixedProjection("input", "sum", np.full((4, 3), 2))
        second = FixedProjection("sum", "lif", weight, geometry=Geometry("one-to-one", (4,), (4,)))
        assert hint(FixedNetwork(populations, (first, second), 4, SpikeEncoding((3,)))) == said
    assert all(limit.hint is None for limit in nd.map(graph(0), "loihi2").limits)


def test_a_limit_that_nobody_has_published_is_named_as_unknown() -> None:
    network = chain(0, (4, 20), mode="spikes", readout=False)
    apart = replace(network.output, threshold=np.arange(1, 21))
    mapping = nd.map(replace(network, populations=(network.populations[0], apart)), "loihi2")
    assert mapping.fits
    (limit,) = [limit for limit in mapping.limits if limit.limit is None]
    assert str(limit) == "thresholds: 20 thresholds for p1, allowed: unknown"


@pytest.mark.parametrize("name", profile_names())
def test_every_number_of_a_profile_has_a_unit_and_a_source(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert len(profile.quantities) >= 10
    assert all(len(quantity.source) > 10 and quantity.unit for quantity in profile.quantities.values())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('unit = "neurons", ', "", "core.neurons: must be { value, unit, source }, all three"),
        ("value = 4096", "value = -1", "core.neurons: has the value -1, a whole number above 0 is wanted"),
        ("value = 4096", "value = true", "core.neurons: has the value True"),
        ("value = 4096", "value = 4096.9", "core.neurons: has the value 4096.9, a whole number"),
        ("value = 4096", "value = inf", "core.neurons: has the value inf"),
        ("[system]", "x = " + "[" * 100_000 + "\n[system]", "is not TOML"),
        ("neurons = {", "neuronz = {", "core.neuronz: is not known; known: neurons"),
        ("[spike]", "[spikes]", "has an unknown entry 'spikes'"),
        ("columns = { value = 8", "columns = { value = 1", "mesh: has room for 16 cores, a chip has 120"),
        ("cores_per_tile = {", "rows2 = {", "mesh.rows2: is not known; known: columns, rows, cores_per_tile"),
        ("[system]", 'base = "loihi3"\n[system]', "base: is 'loihi3'; one of hala-point"),
        ("[system]", "base = 3\n[system]", "base: is 3, words are wanted"),
        ("[sharing]\nbits =", "[sharing]\n#", "sharing.bits: is missing"),
        ("[system]", "[system", "is not TOML"),
    ],
)
def test_a_broken_profile_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    from neuro_deploy.hardware.profile import profile_folder

    text = (profile_folder() / "loihi2.toml").read_text()
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(FormatError) as refusal:
        load_profile(str(path))
    assert said in str(refusal.value)
    path.write_text(text)
    assert load_profile(str(path)).name == "loihi2"


def test_an_unknown_profile_is_named_with_its_neighbour() -> None:
    with pytest.raises(
        UsageError,
        match=r"no hardware profile 'lohi2'; profiles: hala-point, kapoho-point, loihi1, loihi2(?s:.*)did you mean loihi2",
    ):
        load_profile("lohi2")


def test_a_profile_of_ones_own_names_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "two.toml"
    path.write_text(
        'name = "two"\nbase = "loihi2"\n[system]\nchips = { value = 2, unit = "chips", source = "counted" }\n'
    )
    mine, base = load_profile(str(path)), load_profile("loihi2")
    assert mine.name == "two"
    assert {name for name in base.quantities if mine.quantities[name] != base.quantities[name]} == {"system.chips"}
    large = mlp(784, 12_000, 10)
    assert nd.map(large, str(path)).fits
    saved = tmp_path / "again.toml"
    save_profile(mine, saved, base=base)
    assert load_profile(str(saved)).quantities == mine.quantities
    save_profile(mine, saved)
    assert load_profile(str(saved)).quantities == mine.quantities
