"""Weights of few bits: which whole numbers they may be, and that files and engines keep them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conftest import Trained

import neuro_deploy as nd
from neuro_deploy.errors import UsageError
from neuro_deploy.frontends.mixer_config import MixerConfig
from neuro_deploy.frontends.random_mixer import random_mixer
from neuro_deploy.network import FixedProjection
from neuro_deploy.numerics.registers import WEIGHT
from neuro_deploy.passes import Quantize, lowered
from neuro_deploy.passes.levels import levels

SMALL = MixerConfig((8, 12), 2, 2, 6, (1, 2), alpha=2, classes=5)


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("symmetric", [False, True])
def test_levels_fill_the_register_and_have_as_many_bits(bits: int, symmetric: bool) -> None:
    of = levels(bits, symmetric=symmetric)
    whole = of.whole(np.linspace(-400, 400, 4001))
    assert whole.max() == 256 - of.step == of.top
    assert whole.min() == (-of.top if symmetric else -256)
    np.testing.assert_array_equal(whole % of.step, 0)
    assert len(np.unique(whole)) == 2**bits - symmetric
    WEIGHT.check(whole, "levels")
    assert FixedProjection("a", "b", whole[None]).weight_bits == bits


@pytest.mark.parametrize(("weight", "symmetric", "allowed"), [(1.0, True, {0, 128}), (-1.0, True, {-128, 0})])
def test_one_bit_has_the_sign_of_most_of_the_weights(weight: float, symmetric: bool, allowed: set[int]) -> None:
    of = levels(1, symmetric=symmetric, weight=np.array([weight, -weight / 2]))
    whole = of.whole(np.linspace(-300, 300, 61))
    assert set(whole.tolist()) == allowed
    assert levels(1, symmetric=False, weight=np.array([-1.0])).whole(np.array([-90.0, 90.0])).tolist() == [0, 128]


def test_ties_fall_to_even_multiples_and_what_lies_beyond_is_counted() -> None:
    of = levels(4, symmetric=True)
    np.testing.assert_array_equal(of.whole(np.array([16.0, 48.0, -16.0, 80.0])), [0, 64, 0, 64])
    assert of.clipped(np.array([224.0, 239.9, 240.1, -300.0])) == 2


@pytest.mark.parametrize("bits", range(1, 9))
def test_every_projection_of_a_mixer_has_its_bits(bits: int) -> None:
    network = lowered(random_mixer(replace(SMALL, norm="channel"), 3))
    fixed, reports = Quantize(weight_bits=bits)(network)
    relays = {p.name for p in fixed.populations if p.kind == "relay"}
    for projection in fixed.projections:
        if projection.source not in relays:
            assert projection.weight_bits <= bits, projection.name
            assert np.any(projection.weight), projection.name
    assert {b for report in reports for b in (report.bits or {}).values()} == {bits}


def test_bits_are_given_by_projection(trained: Trained) -> None:
    wanted = {"input -> fc1.lif": 3, "fc2.lif -> readout": 5}
    fixed, report = nd.convert(trained.checkpoint, weight_bits=wanted)
    assert [p.weight_bits for p in fixed.projections] == [3, 8, 5]
    assert [row.bits for row in report.populations] == [{"input": 3}, {"fc1.lif": 8}, {"fc2.lif": 5}]
    assert fixed.meta["conversion"]["weight_bits"] == wanted


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (0, "weights of 0 bits; 1 to 8 are allowed"),
        (9, "weights of 9 bits; 1 to 8 are allowed"),
        ({"a -> b": 4}, r"(?s)no projection 'a -> b' to give weight bits to.*input -> fc1.lif"),
        ({"input -> fc1.lif": 12}, "weights of 12 bits"),
        ("auto", r"(?s)weight bits are searched on samples.*--calibrate"),
    ],
)
def test_bits_that_cannot_be_are_refused(trained: Trained, wanted: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        nd.convert(trained.checkpoint, weight_bits=wanted)  # type: ignore[arg-type]


def test_a_scale_of_another_kind_is_refused(trained: Trained) -> None:
    with pytest.raises(UsageError, match="no scale 'row'; population or channel is wanted"):
        nd.convert(trained.checkpoint, scale="row")  # type: ignore[arg-type]
