"""Corners in which the native engine once differed from the reference, one small network each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from helpers import assert_same_run

import neuro_deploy as nd
from neuro_deploy.engines import get_engine
from neuro_deploy.engines.compare import FIELDS
from neuro_deploy.errors import UnsupportedError
from neuro_deploy.network import (
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    Geometry,
    GradedEncoding,
    InputEncoding,
    SpikeEncoding,
)
from neuro_deploy.numerics.registers import NEVER

IMAGE, HALF, ONE = (4, 3, 2), (2, 3, 2), (1, 3, 2)
TIMESTEPS = 5


def population(name: str, kind: Any, shape: tuple[int, ...], threshold: int = 5) -> FixedPopulation:
    return FixedPopulation(name, kind, shape, threshold=np.asarray(threshold if kind == "lif" else NEVER))


def one_to_one(
    ends: str, source: tuple[int, ...], target: tuple[int, ...], weight: int, exponent: int = 0, **windows: Any
) -> FixedProjection:
    geometry = Geometry("one-to-one", source, target, **windows)
    return FixedProjection(*ends.split(), np.asarray(weight), exponent, geometry=geometry)


def mixed(ends: str, target: tuple[int, ...], rng: np.random.Generator) -> FixedProjection:
    geometry = Geometry("axial", IMAGE, target, axis="channel")
    return FixedProjection(*ends.split(), 2 * rng.integers(-20, 21, (target[0], 4)), geometry=geometry)


def made(encoding: InputEncoding, populations: Any, projections: Any) -> FixedNetwork:
    entry = population("input", "input", encoding.shape)
    return FixedNetwork((entry, *populations), tuple(projections), TIMESTEPS, encoding)


def one_channel_of_several(_: np.random.Generator) -> FixedNetwork:
    window = one_to_one("input n", IMAGE, ONE, 2, source_channels=(2, 3))
    return made(SpikeEncoding(IMAGE), [population("n", "lif", ONE, 0)], [window])


def one_channel_beside_a_relays_product(rng: np.random.Generator) -> FixedNetwork:
    return made(
        SpikeEncoding(IMAGE),
        [population("a", "lif", IMAGE, 0), population("r", "relay", ONE), population("out", "readout", (3,))],
        [
            one_to_one("input a", IMAGE, IMAGE, 2),
            mixed("input r", ONE, rng),
            one_to_one("a r", IMAGE, ONE, 20, source_channels=(2, 3)),
            FixedProjection("r", "out", 2 * np.arange(18).reshape(3, 6)),
        ],
    )


def dense_synapses_that_name_another_shape(rng: np.random.Generator) -> FixedNetwork:
    dense = FixedProjection(
        "input", "n", 2 * rng.integers(-20, 21, (24, 24)), geometry=Geometry("dense", IMAGE, (3, 4, 2))
    )
    return made(SpikeEncoding(IMAGE), [population("n", "lif", IMAGE)], [dense])


def a_relay_that_neurons_read_twice(rng: np.random.Generator) -> FixedNetwork:
    return made(
        SpikeEncoding(IMAGE),
        [population("r", "relay", IMAGE), population("n", "lif", IMAGE), population("out", "readout", (3,))],
        [
            mixed("input r", IMAGE, rng),
            one_to_one("r n", IMAGE, IMAGE, 2, -2),
            one_to_one("r n", IMAGE, IMAGE, 2, -3),
            FixedProjection("n", "out", 2 * rng.integers(-20, 21, (3, 24))),
        ],
    )


def signed_input_beside_spikes(_: np.random.Generator) -> FixedNetwork:
    return made(
        GradedEncoding(HALF, levels=5, first=-5),
        [population("a", "lif", HALF), population("n", "lif", IMAGE)],
        [
            one_to_one("input a", HALF, HALF, 8),
            one_to_one("input n", HALF, IMAGE, 2, target_channels=(0, 2)),
            one_to_one("a n", HALF, IMAGE, 20, target_channels=(2, 4)),
        ],
    )


CORNERS: list[Callable[[np.random.Generator], FixedNetwork]] = [
    one_channel_of_several,
    one_channel_beside_a_relays_product,
    dense_synapses_that_name_another_shape,
    a_relay_that_neurons_read_twice,
    signed_input_beside_spikes,
]


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("memory", [1, 2**31])
def test_native_is_exact_in_this_corner(corner: Callable[[np.random.Generator], FixedNetwork], memory: int) -> None:
    rng = np.random.default_rng(0)
    network = corner(rng)
    encoding: Any = network.encoding
    low, high = getattr(encoding, "first", 0), getattr(encoding, "levels", 1)
    reference, native = get_engine("reference"), get_engine("native", memory=memory)
    for _ in range(3):  # the second run of some samples is the first one's calls again
        x = network.encode(rng.integers(low, high + 1, (3, TIMESTEPS, *encoding.shape)))
        assert_same_run(reference.run(network, x), native.run(network, x))
    assert_same_run(reference.run(network, x, FIELDS), native.run(network, x, FIELDS))


def test_an_output_that_feeds_its_own_channels_is_refused() -> None:
    cell = Geometry("axial", IMAGE, IMAGE, axis="channel", source_channels=(0, 2), target_channels=(2, 4))
    again = FixedProjection("out", "out", np.asarray([[2, 4], [6, 8]]), geometry=cell)
    network = made(
        SpikeEncoding(IMAGE), [population("out", "lif", IMAGE)], [one_to_one("input out", IMAGE, IMAGE, 20), again]
    )
    with pytest.raises(UnsupportedError, match="an output population that feeds its own later channels"):
        nd.run(network, np.zeros((1, TIMESTEPS, *IMAGE), np.int8))
