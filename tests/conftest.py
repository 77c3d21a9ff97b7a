"""Fixtures that many tests share. Hypothesis is derandomised: the same examples every time."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest

import neuro_deploy as nd
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
