"""Fixtures that many tests share. Hypothesis is derandomised: the same examples every time."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import hypothesis
import numpy as np
import pytest

import neuro_deploy as nd
from neuro_deploy.graph import (
    LIF,
    Add,
    Axial,
    BatchNorm,
    Concat,
    Conv2d,
    Dense,
    Graph,
    Mean,
    Node,
    Operator,
    Readout,
    Scale,
)
from neuro_deploy.lava_compat import LAVA_DL, LAVA_NC

hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.load_profile("repeatable")

LAVA_THERE = LAVA_NC.installed is not None and LAVA_DL.installed is not None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without Lava, tests that need it are skipped on a laptop and fail in CI."""
    if LAVA_THERE or os.environ.get("CI") == "true":
        return
    for item in items:
        if item.get_closest_marker("lava"):
            item.add_marker(pytest.mark.skip(reason="lava is not installed: neuro-deploy setup-lava"))


@dataclass(frozen=True)
class Trained:
    """A checkpoint trained once for all tests, and the folder it is in."""

    folder: Path
    checkpoint: Path
    accuracy: float


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    report = nd.train("mlp", "digits", folder / "mlp.pt", seed=0)
    return Trained(folder, folder / "mlp.pt", report["accuracy"])


@pytest.fixture(scope="session")
def digits_net(trained: Trained) -> Path:
    """The digits network as a NetX file with graded input."""
    path = trained.folder / "digits.net"
    nd.save(nd.convert(trained.checkpoint)[0], path)
    return path


@pytest.fixture(scope="session")
def lava_files() -> Path:
    """The folder of lava-dl's own NetX files and ground truths."""
    import importlib.metadata

    files = importlib.metadata.files("lava-dl") or []
    return Path(next(f for f in files if str(f).endswith("netx/mnist.net")).locate()).parent


S = TypeVar("S")
R = TypeVar("R")


def applied(change: Callable[[S], R], source: S) -> R:
    """What a pass makes of a source, which must afterwards be as it was."""
    before = asdict(source)  # type: ignore[call-overload]  # any dataclass
    result = change(source)
    np.testing.assert_equal(asdict(source), before)  # type: ignore[call-overload]
    return result


def graph_of(*nodes: tuple[str, Operator, str], timesteps: int = 4) -> Graph:
    """A graph of (name, operator, names of its inputs, separated by blanks)."""
    return Graph(tuple(Node(name, operator, tuple(inputs.split())) for name, operator, inputs in nodes), timesteps)


def graph_values(graph: Graph, x: np.ndarray) -> dict[str, np.ndarray]:
    """What every node of a graph gives, by its operator's definition, float64.

    x: (samples, *shape), shown at every timestep. Values: (samples, T, *shape); a readout's (samples, classes).
    """
    values = {graph.nodes[0].name: np.repeat(np.asarray(x, np.float64)[:, None], graph.timesteps, axis=1)}
    for node in graph.nodes[1:]:
        values[node.name] = _value(node.operator, [values[name] for name in node.inputs])
    return values


def _value(operator: Operator, inputs: list[np.ndarray]) -> np.ndarray:  # noqa: PLR0911
    import torch

    x = inputs[0]
    match operator:
        case Dense(weight, bias):
            return x.reshape(*x.shape[:2], -1) @ weight.T + bias
        case Conv2d(weight, bias, stride, padding):
            arrays = (torch.tensor(array) for array in (x.reshape(-1, *x.shape[2:]), weight, bias))
            result = torch.nn.functional.conv2d(*arrays, stride=stride, padding=padding).numpy()
            return result.reshape(*x.shape[:2], *result.shape[1:])
        case Axial(axis, weight, bias):
            return _along(x, axis, lambda rows: rows @ weight.T + bias)
        case BatchNorm(gamma, beta, mean, var, eps, axis):
            return _along(x, axis, lambda rows: gamma * (rows - mean) / np.sqrt(var + eps) + beta)
        case Scale(axis, gain, offset, _):
            return _along(x, axis, lambda rows: gain * rows + offset)
        case Add():
            return np.sum(inputs, axis=0)
        case Concat():
            return np.concatenate(inputs, axis=2)
        case Mean():
            return x.mean(axis=(3, 4))
        case Readout():
            return x.mean(axis=1)
        case LIF(tau, threshold, axis, sign, offset):
            if axis is None:
                return _fired(x, tau, threshold)
            one, none = np.ones(1), np.zeros(1)
            return _along(
                x,
                axis,
                lambda rows: _fired(
                    (one if sign is None else sign) * rows + (none if offset is None else offset), tau, threshold
                ),
            )
    raise AssertionError(operator)


def _along(x: np.ndarray, axis: str, apply: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Apply something to (samples, T, ..., size), the axis last, of (samples, T, *shape)."""
    if x.ndim == 3:
        return apply(x)
    if axis == "space":
        return apply(x.reshape(*x.shape[:3], -1)).reshape(x.shape)
    place = {"channel": 2, "height": 3, "width": 4}[axis]
    return np.moveaxis(apply(np.moveaxis(x, place, -1)), -1, place)


def _fired(z: np.ndarray, tau: float, threshold: Any) -> np.ndarray:
    spikes, u = np.zeros(z.shape), np.zeros_like(z[:, 0])
    for t in range(z.shape[1]):
        u = u + (z[:, t] - u) / tau
        assert np.abs(u - threshold).min() > 1e-9, "too near the threshold to compare spikes exactly"
        spikes[:, t] = u >= threshold
        u = np.where(u >= threshold, 0.0, u)
    return spikes
