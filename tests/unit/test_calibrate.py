"""Scales chosen by samples: populations tried alone are what engines compute, and the error of spikes shrinks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conftest import Trained
from helpers import graph

import neuro_deploy as nd
from neuro_deploy.engines.compare import FIELDS
from neuro_deploy.errors import RangeError
from neuro_deploy.frontends.mixer_config import MixerConfig
from neuro_deploy.frontends.random_mixer import random_mixer
from neuro_deploy.network import FixedNetwork, GradedEncoding, Network, Population, Projection, state_bounds
from neuro_deploy.passes import Quantize, lowered
from neuro_deploy.passes.trial import synaptic_sums, tried

SMALL = MixerConfig((8, 12), 2, 2, 6, (1, 2), alpha=2, classes=5)
LEVELS = np.random.default_rng(5).integers(0, 256, (12, 2, 8, 12))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("relay", [False, True])
def test_a_population_tried_alone_does_what_the_reference_does(seed: int, relay: bool) -> None:
    network = graph(2 * seed, relay=relay).separated
    x = np.random.default_rng(seed).integers(-15, 16, (5, 3, 8, 6))
    want = nd.run(network, x, engine="reference", record=FIELDS)
    sent = {"input": network.encode(x).reshape(5, 1, -1)}
    for population in network.computed:
        sums = synaptic_sums(population.neurons, network.inputs_of(population.name), sent, 2**40)
        found = tried(population, sums, None, network.timesteps)
        sent[population.name] = found.sent
        if population.kind == "relay":
            np.testing.assert_array_equal(
                np.broadcast_to(found.sent, want.v[population.name].reshape(5, 4, -1).shape),
                want.v[population.name].reshape(5, 4, -1),
            )
        elif population.kind == "lif":
            np.testing.assert_array_equal(found.sent, want.spikes[population.name].reshape(5, 4, -1))
            assert found.u == np.abs(want.u[population.name]).max()
            assert found.v >= np.abs(want.v[population.name]).max()


def differing(network: Network, fixed: FixedNetwork, x: np.ndarray) -> float:
    want, got = (nd.run(net, x, record=("spikes",)).spikes for net in (network, fixed))
    return sum(np.count_nonzero(want[n] != got[n]) for n in want) / sum(want[n].size for n in want)


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_samples_choose_scales_with_fewer_differing_spikes_on_other_samples(trained: Trained, bits: int) -> None:
    network, fit, x = nd.lower(trained.checkpoint), nd.load_data("digits", "train").x, nd.load_data("digits").x
    plain, chosen = (Quantize(weight_bits=bits, samples=samples)(network)[0] for samples in (None, fit))
    assert differing(network, chosen, x) < 0.8 * differing(network, plain, x)


def test_scales_of_channels_leave_fewer_differing_spikes_at_8_bits(trained: Trained) -> None:
    network, x = nd.lower(trained.checkpoint), nd.load_data("digits").x
    whole, own = (Quantize(scale=scale)(network)[0] for scale in ("population", "channel"))
    assert differing(network, own, x) < differing(network, whole, x)
    assert own.population("fc1.lif").threshold.shape == (128,)
    assert own.population("readout").threshold.ndim == 0


@pytest.mark.parametrize("scale", ["population", "channel"])
@pytest.mark.parametrize("skip", ["relay", "recompute"])
@pytest.mark.parametrize("norm", ["token", "channel"])
@pytest.mark.parametrize("bits", [8, 3])
def test_a_calibrated_mixer_is_within_its_registers_and_runs_alike(norm: str, skip: str, scale: str, bits: int) -> None:
    network = lowered(random_mixer(replace(SMALL, norm=norm), 3), skip)  # type: ignore[arg-type]
    fixed, reports = Quantize(weight_bits=bits, scale=scale, samples=LEVELS)(network)  # type: ignore[arg-type]
    assert {report.covered_by for report in reports} == {"proof"}
    bounds = state_bounds(fixed)
    for report in reports:
        assert report.seen_v is not None
        assert report.seen_u is not None
        assert report.worst_v == bounds[report.name].v
        assert (report.seen_u, report.seen_v) <= (report.worst_u, report.worst_v), report.name
        assert report.clipped is None or 0 <= report.clipped < 0.6
    assert nd.verify(fixed, LEVELS[:4]).ok


def test_one_scale_for_all_channels_is_the_same_twice_and_without_samples_as_before(trained: Trained) -> None:
    first, second = (nd.convert(trained.checkpoint, calibrate=nd.load_data("digits", "train"))[0] for _ in range(2))
    for one, other in zip(first.projections, second.projections, strict=True):
        np.testing.assert_array_equal(one.weight, other.weight)


def wide(inputs: int) -> Network:
    """Many inputs of 256 levels, hardly any of them ever bright, into one layer."""
    rng = np.random.default_rng(2)
    populations = (
        Population("input", "input", (inputs,), np.zeros(inputs)),
        Population("lif", "lif", (6,), np.zeros(6)),
        Population("readout", "readout", (2,), np.zeros(2)),
    )
    projections = (
        Projection("input", "lif", rng.normal(size=(6, inputs))),
        Projection("lif", "readout", rng.normal(size=(2, 6))),
    )
    return Network(populations, projections, 4, GradedEncoding((inputs,), 1 / 255, 0.0, 255))


def test_where_the_worst_case_would_cost_the_weights_their_bits_samples_cover_the_states() -> None:
    network = wide(4000)
    with pytest.raises(RangeError, match=r"(?s)lif: the limit of 24-bit states leaves .*--calibrate"):
        Quantize()(network)
    x = np.zeros((30, 4000), np.int64)
    x[:, :60] = np.random.default_rng(3).integers(0, 256, (30, 60))
    fixed, reports = Quantize(samples=x)(network)
    assert [report.covered_by for report in reports] == ["calibration", "proof"]
    assert reports[0].worst_u > 2**23
    assert reports[0].seen_v is not None
    assert 2 * reports[0].seen_v < 2**23
    assert reports[0].weight_bits is not None
    assert reports[0].weight_bits > 5
    bright = np.full((2, 4000), 255)  # far beyond the samples: wraps, and in every engine alike
    assert nd.verify(fixed, np.concatenate([x[:3], bright])).ok
