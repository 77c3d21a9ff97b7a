"""Any weights whatever: a network that every engine runs alike, and a file that says the same, or one clear refusal."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neuro_deploy as nd
from neuro_deploy.engines.compare import FIELDS
from neuro_deploy.errors import NeuroDeployError
from neuro_deploy.network import Geometry, GradedEncoding, Network, Population, Projection, state_bounds
from neuro_deploy.numerics.registers import STATE_LIMIT, WEIGHT
from neuro_deploy.passes import Quantize

SIZES = st.sampled_from([0.0, 1e-300, 1e-12, 1e-3, 0.3, 1.0, 40.0, 1e6, 1e40, 1e300, np.inf, np.nan])
KINDS = st.sampled_from(["mixed", "positive", "negative", "one", "zeros", "outlier"])


def weights(kind: str, size: float, seed: int, *shape: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=shape)
    if kind in ("positive", "negative"):
        weight = np.abs(weight) * (1 if kind == "positive" else -1)
    if kind == "one":
        weight = np.where(rng.random(shape) < 0.1, weight, 0.0)
    if kind == "zeros":
        weight = np.zeros(shape)
    if kind == "outlier":
        weight.flat[0] = 1e4
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(weight == 0, 0.0, weight * size)


def network(kinds: list[str], sizes: list[float], bias: float, seed: int, *, chain: bool) -> Network:
    """Three inputs, five neurons, four, two classes; where it is no chain, the first neurons feed the readout too."""
    widths = (3, 5, 4, 2)
    names = ("input", "a", "b", "readout")
    populations = [Population("input", "input", (3,), np.zeros(3))]
    projections = []
    for i in range(3):
        own = weights("mixed", bias, seed + 7 * i, widths[i + 1])
        populations.append(Population(names[i + 1], "readout" if i == 2 else "lif", (widths[i + 1],), own))
        weight = weights(kinds[i], sizes[i], seed + i, widths[i + 1], widths[i])
        projections.append(Projection(names[i], names[i + 1], weight))
    if not chain:
        projections.append(Projection("a", "readout", weights(kinds[0], sizes[1], seed, 2, 5)))
        projections.append(
            Projection("a", "b", np.asarray(sizes[2]), Geometry("one-to-one", (5,), (4,), source_channels=(0, 4)))
        )
    return Network(tuple(populations), tuple(projections), 4, GradedEncoding((3,), 1 / 15, 0.0, 15))


arguments: Any = {
    "kinds": st.lists(KINDS, min_size=3, max_size=3),
    "sizes": st.lists(SIZES, min_size=3, max_size=3),
    "bias": st.sampled_from([0.0, 1e-9, 0.1, 3.0, 1e5]),
    "bits": st.integers(1, 8),
    "scale": st.sampled_from(["population", "channel"]),
    "calibrated": st.booleans(),
    "chain": st.booleans(),
    "seed": st.integers(0, 2**20),
}


@given(**arguments)
@settings(max_examples=200)
def test_any_weights_give_a_network_that_runs_alike_or_one_refusal(
    kinds: list[str], sizes: list[float], bias: float, bits: int, scale: Any, calibrated: bool, chain: bool, seed: int
) -> None:
    x = np.random.default_rng(seed).integers(0, 16, (6, 3))
    try:
        made = network(kinds, sizes, bias, seed, chain=chain)
        fixed, reports = Quantize(weight_bits=bits, scale=scale, samples=x if calibrated else None)(made)
    except NeuroDeployError:
        return
    for projection in fixed.projections:
        WEIGHT.check(projection.weight, projection.name)
    if all(report.covered_by == "proof" for report in reports):
        assert all(bound.u < STATE_LIMIT for bound in state_bounds(fixed).values())
    want, got = (nd.run(fixed, x, engine=engine, record=FIELDS) for engine in ("reference", "native"))
    for field in FIELDS:
        for name, array in getattr(want, field).items():
            np.testing.assert_array_equal(getattr(got, field)[name], array, err_msg=f"{name}.{field}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.net"
        try:
            nd.save(fixed, path)
        except NeuroDeployError:
            return
        again = nd.load(path)
        for one, other in zip(fixed.projections, again.projections, strict=True):
            np.testing.assert_array_equal(one.weight, other.weight)
        np.testing.assert_array_equal(nd.run(again, x).outputs, want.outputs)


@pytest.mark.lava
@given(**arguments)
@settings(max_examples=6)
def test_any_weights_run_alike_in_lava_and_slayer(
    kinds: list[str], sizes: list[float], bias: float, bits: int, scale: Any, calibrated: bool, chain: bool, seed: int
) -> None:
    x = np.random.default_rng(seed).integers(0, 16, (4, 3))
    usual = [size if 1e-3 <= size <= 40 else 0.3 for size in sizes]
    try:
        made = network(kinds, usual, min(bias, 3.0), seed, chain=chain)
        fixed, _ = Quantize(weight_bits=bits, scale=scale, samples=x if calibrated else None)(made)
    except NeuroDeployError:
        return
    engines = ("reference", "lava", "slayer") if chain and scale == "population" else ("reference", "lava")
    verification = nd.verify(fixed, x, against=engines)
    assert verification.ok, verification.first_divergence
