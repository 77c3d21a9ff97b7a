"""What is no network, no samples, no size, and an interrupt that a library swallowed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from helpers import chain, samples_for

import neuro_deploy as nd
from neuro_deploy import cli
from neuro_deploy.cli import printing
from neuro_deploy.errors import DataError, UsageError


@pytest.mark.parametrize("x", [[[0, 1], [0]], torch.ones(2, 6, requires_grad=True), "digits", None])
def test_what_is_no_array_of_numbers_is_refused_by_name(x: Any) -> None:
    with pytest.raises(DataError, match=r"x (is no array|holds)"):
        nd.run(chain(2, (6, 5, 3)), x)


def test_a_path_is_no_network() -> None:
    with pytest.raises(UsageError, match=r"'digits.net' is no network\nhint: nd.load"):
        nd.run("digits.net", np.zeros((1, 64)))  # type: ignore[arg-type]


@pytest.mark.parametrize("memory", ["1K", 0, -5, np.nan, np.inf])
def test_memory_is_a_positive_number(memory: Any) -> None:
    network = chain(2, (6, 5, 3))
    with pytest.raises(UsageError, match="a positive number is wanted"):
        nd.run(network, samples_for(network, 1), memory=memory)
    assert nd.run(network, samples_for(network, 1), memory=np.int64(5)).samples


def test_an_interrupt_that_a_callback_swallowed_still_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    with printing.progress() as progress:
        progress("running", 0, 2)
    monkeypatch.setattr(cli, "told", [True])
    with pytest.raises(KeyboardInterrupt), printing.progress() as progress:
        progress("running", 1, 2)
    with pytest.raises(KeyboardInterrupt), printing.progress():
        pass


def test_the_names_of_the_package_can_be_listed() -> None:
    assert {"run", "load", "convert"} <= set(dir(nd))
