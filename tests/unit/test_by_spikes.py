"""Roundings chosen by spikes: fewer differ, whole numbers stay in their ranges, and the same comes out twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conftest import Trained

import neuro_deploy as nd
from neuro_deploy.frontends.mixer_config import MixerConfig
from neuro_deploy.frontends.random_mixer import random_mixer
from neuro_deploy.network import FixedNetwork, FixedPopulation, Geometry, Network
from neuro_deploy.numerics.registers import BIAS
from neuro_deploy.passes import Quantize, lowered, refine
from neuro_deploy.passes.by_spikes import neurons_of, own_reader
from neuro_deploy.passes.calibrate import Calibration
from neuro_deploy.passes.compensate import seen
from neuro_deploy.passes.descent import descend
from neuro_deploy.passes.scale import UNIT
from neuro_deploy.passes.trial import tried

SMALL = MixerConfig((8, 12), 2, 2, 6, (1, 2), alpha=2, classes=5)
FEW = np.random.default_rng(5).integers(0, 256, (6, 2, 8, 12))
OTHER = np.random.default_rng(6).integers(0, 256, (40, 2, 8, 12))


def differing(network: Network, fixed: FixedNetwork, x: np.ndarray) -> float:
    want, got = (nd.run(net, x, record=("spikes",)).spikes for net in (network, fixed))
    return sum(np.count_nonzero(want[n] != got[n]) for n in want) / sum(want[n].size for n in want)


def without(monkeypatch: pytest.MonkeyPatch, network: Network, **wanted: object) -> FixedNetwork:
    """The network whose roundings no spikes chose."""
    with monkeypatch.context() as patched:
        patched.setattr(refine, "ROUNDS", 0)
        return Quantize(**wanted)(network)[0]  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", ["population", "channel"])
@pytest.mark.parametrize(("norm", "skip"), [("token", "relay"), ("token", "recompute"), ("channel", "recompute")])
def test_fewer_spikes_differ_on_the_samples_and_hardly_more_on_others(
    monkeypatch: pytest.MonkeyPatch, norm: str, skip: str, scale: str
) -> None:
    network = lowered(random_mixer(replace(SMALL, norm=norm), 3), skip)  # type: ignore[arg-type]
    fixed, _ = Quantize(weight_bits=4, scale=scale, samples=FEW)(network)  # type: ignore[arg-type]
    before = without(monkeypatch, network, weight_bits=4, scale=scale, samples=FEW)
    assert differing(network, fixed, FEW) < 0.8 * differing(network, before, FEW)
    assert differing(network, fixed, OTHER) < 1.05 * differing(network, before, OTHER)


@pytest.mark.parametrize("bits", [8, 5, 2])
@pytest.mark.parametrize("skip", ["relay", "recompute"])
def test_weights_are_levels_biases_fit_and_thresholds_stay_where_float_ties_fall(skip: str, bits: int) -> None:
    network = lowered(random_mixer(SMALL, 4), skip)  # type: ignore[arg-type]
    made = Quantize(weight_bits=bits, samples=FEW).quantized(network)
    for each in made.synapses:
        q = each.fixed.weight / each.levels.step
        np.testing.assert_array_equal(q, np.rint(q))
        assert each.levels.low <= q.min()
        assert q.max() <= each.levels.high
    for population, report in zip(made.network.computed, made.reports, strict=True):
        if population.kind == "lif":
            assert np.abs(population.bias).max() <= BIAS.high
        source = network.population(population.name)
        if population.kind == "lif" and np.ndim(source.v_threshold) == 0 and not report.relays:
            firing = UNIT * report.scale * source.tau * float(source.v_threshold)
            assert firing == pytest.approx(UNIT * int(population.threshold) + 1, rel=1e-12)
    assert nd.verify(made.network, FEW).ok


def test_the_same_comes_out_twice() -> None:
    network = lowered(random_mixer(SMALL, 4), "relay")
    first, second = (Quantize(scale="channel", samples=FEW)(network)[0] for _ in range(2))
    for one, other in zip(first.projections, second.projections, strict=True):
        np.testing.assert_array_equal(one.weight, other.weight)
    for one, other in zip(first.populations, second.populations, strict=True):
        np.testing.assert_array_equal(one.bias, other.bias)


def test_where_held_out_samples_lose_spikes_nothing_changes(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    network, x = nd.lower(trained.checkpoint), nd.load_data("digits", "train").x
    before = without(monkeypatch, network, samples=x)
    fixed, _ = Quantize(samples=x)(network)
    held = Calibration(network, x).chosen[:: refine.HELD]
    assert differing(network, fixed, held) <= 1.02 * differing(network, before, held)


@pytest.mark.parametrize("axis", ["channel", "height", "width", "space"])
def test_rows_and_places_are_those_of_the_sums(axis: str) -> None:
    rng = np.random.default_rng(2)
    source, target = {
        "channel": ((3, 4, 5), (6, 4, 5)),
        "height": ((3, 4, 5), (3, 2, 5)),
        "width": ((3, 4, 5), (3, 4, 2)),
        "space": ((3, 4, 5), (3, 2, 2)),
    }[axis]
    geometry = Geometry("axial", source, target, axis=axis)  # type: ignore[arg-type]
    rows = {"channel": 6, "height": 2, "width": 2, "space": 4}[axis]
    inputs = {"channel": 3, "height": 4, "width": 5, "space": 20}[axis]
    weight, sent = rng.integers(-9, 9, (rows, inputs)), rng.integers(0, 2, (2, 3, 60))
    want = geometry.apply(weight, sent)
    where, x = neurons_of(geometry), seen(geometry, weight.shape, sent)
    got = (x @ weight.T).reshape(2, 3, where.shape[1], rows)
    for row in range(rows):
        np.testing.assert_array_equal(got[..., row], want[..., where[row]])


def test_margins_are_on_the_right_side_exactly_where_no_spike_differs() -> None:
    rng = np.random.default_rng(1)
    population = FixedPopulation(
        "lif", "lif", (7,), rng.integers(-50, 50, 7), np.asarray(300), v_decay=np.asarray(2048)
    )
    a_in = rng.integers(-300, 500, (5, 6, 7))
    spikes = tried(population, a_in, None, 6).sent
    reader = own_reader(population, a_in, spikes)
    np.testing.assert_array_equal(reader.margin > 0, spikes > 0)
    spikes[2, 3, 4] ^= 1
    assert np.any((own_reader(population, a_in, spikes).margin > 0) != (spikes > 0))


def test_a_row_goes_to_the_weight_that_no_spike_contradicts() -> None:
    x = np.ones((1, 1, 4, 2), np.float32)
    x[0, 0, :, 0] = [1, 2, 3, 4]
    spikes = np.array([0, 0, 1, 1], np.uint8).reshape(1, 1, 1, 4)
    level = np.array([1, -1])
    margin = (level[0] * x[0, 0, :, 0] + level[1] - 2.5).astype(float).reshape(1, 1, 1, 4)
    ends = np.array([-9.0, -9.0]), np.array([9.0, 9.0])
    wanted, one = np.array([1.0, 0.0]), np.ones(2)
    square = (x.reshape(-1, 2).T @ x.reshape(-1, 2)).astype(float) / 4
    gain, keep = np.ones((1, 4)), np.zeros(1)
    moved = descend(x, margin, spikes, gain, keep, one, square, wanted, *ends, level, 0.25)
    assert moved > 0
    assert np.array_equal(level[0] * x[0, 0, :, 0] + level[1] > 2.5, [False, False, True, True])
