"""Cores of networks whose compiler reports are public."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

import neuro_deploy as nd
from neuro_deploy.mapping import Mapping, check_mapping

REPORTED = [13, 25, 13, 3, 3, 2, 12, 1, 1, 1]
"""PilotNet LIF, layer by layer: 74 cores. Source: lava-dl tutorials, netx/pilotnet_snn/benchmark.ipynb."""
LARGEST = [3168, 3072, 2160, 2688, 2048, 2048, 9, 50, 10, 1]
"""Neurons on the largest core of each layer; same source, where 8 stands for the 8 or 9 of the layer of 100."""


@pytest.fixture(scope="module")
def pilot() -> object:
    files = importlib.metadata.files("lava-dl") or []
    path = next(f for f in files if str(f).endswith("pilotnet_lif/network.net")).locate()
    return nd.load(Path(str(path)))


def _cores(network: object, mapping: Mapping) -> list[int]:
    return [len(mapping.of(population.name)) for population in network.computed]  # type: ignore[attr-defined]


@pytest.mark.lava
def test_pilotnet_cut_as_the_compiler_does_takes_the_74_cores_that_it_reported(pilot: object) -> None:
    mapping = nd.map(pilot, "loihi2", cut="compiler")  # type: ignore[arg-type]
    assert mapping.fits
    assert _cores(pilot, mapping) == REPORTED
    assert sum(REPORTED) == len(mapping.cores) == 74
    largest = [max(core.neurons for core in mapping.of(name)) for name in mapping.rows]
    assert largest == LARGEST
    words = {name: mapping.of(name)[0].used["synapse_memory"] for name in mapping.rows}
    assert (words["layer.8"], words["layer.9"], words["layer.10"], words["layer.1"]) == (1300, 150, 10, 81)
    assert check_mapping(pilot, mapping) == []  # type: ignore[arg-type]


@pytest.mark.lava
def test_pilotnet_takes_51_cores_where_only_the_limits_decide(pilot: object) -> None:
    mapping = nd.map(pilot, "loihi2")  # type: ignore[arg-type]
    assert mapping.fits
    assert _cores(pilot, mapping) == [10, 19, 7, 2, 2, 1, 7, 1, 1, 1]
    assert mapping.binding() >= 0.8
    assert check_mapping(pilot, mapping) == []  # type: ignore[arg-type]
    least = sum(-(-population.neurons // 4096) for population in pilot.computed)  # type: ignore[attr-defined]
    assert len(mapping.cores) - least == 6  # the layer of 100 takes 7, by its synaptic memory


@pytest.mark.lava
def test_pilotnet_without_sharing_does_not_fit_a_chip(pilot: object) -> None:
    mapping = nd.map(pilot, "loihi2", sharing=False)  # type: ignore[arg-type]
    assert [limit.resource for limit in mapping.limits if not limit.holds] == ["chips"]
    assert mapping.binding() >= 0.8
    assert check_mapping(pilot, mapping) == ["more chips than the system has"]  # type: ignore[arg-type]
