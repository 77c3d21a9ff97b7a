"""Neurons of both types of numbers: decays, wrap and clip at the ends of their range, with and apart from products."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import FIELDS, assert_same_run
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from neuro_deploy.engines import get_engine
from neuro_deploy.engines.base import run_whole
from neuro_deploy.engines.native import dot8, kernels, lanes, threads, vectors
from neuro_deploy.engines.native.plan import plan
from neuro_deploy.network import AXES, FixedNetwork, FixedPopulation, FixedProjection
from neuro_deploy.network.encoding import SpikeEncoding
from neuro_deploy.network.geometry import Geometry
from neuro_deploy.numerics.cuba import cuba_step
from neuro_deploy.numerics.registers import DECAY_UNITY, NEVER, STATE_LIMIT

NONE = np.empty((0, 0, 0), np.float32)
IMAGE = (5, 3, 4)
SYNAPSES = {
    "dense": (60, 60),
    "conv2d": (5, 5, 3, 3),
    "channel": (5, 5),
    "height": (3, 3),
    "width": (4, 4),
    "space": (12, 12),
}


@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize("several", [True, False])
@pytest.mark.parametrize("kind", SYNAPSES)
def test_neurons_that_wrap_are_computed_with_their_product(
    kind: str, several: bool, alike: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = wrapping(kind, alike=alike)
    step = plan(network, "cpu", None).steps[0]
    assert not step.neurons.narrow
    if dot8.works():
        assert step.fused
        assert step.fused.loop.__name__ == ("along8" if kind in ("height", "width", "space") else "lif8")
    if several:
        monkeypatch.setattr(threads, "WORTH", 1)
    rng = np.random.default_rng(1)
    for count in (1, 9):
        samples = [network.encode((rng.random((count, 6, *IMAGE)) < 0.4).astype(np.int64)) for _ in range(2)]
        wanted = [run_whole(get_engine("reference"), network, x, FIELDS) for x in samples]
        assert max(int(abs(want.u["fed"]).max()) for want in wanted) > STATE_LIMIT // 2
        for memory in (2**31, 1):
            native = get_engine("native", memory=memory)
            for want, x in zip([wanted[0], *wanted], [samples[0], *samples], strict=True):
                assert_same_run(want, run_whole(native, network, x), ())
            assert_same_run(wanted[0], run_whole(native, network, samples[0], FIELDS))


def wrapping(kind: str, *, alike: bool) -> FixedNetwork:
    """input -> fed -> readout: the weights' exponent makes u and v of fed leave their registers."""
    rng, size = np.random.default_rng(0), 60
    axis = kind if kind in AXES else None
    more = {"padding": (1, 1)} if kind == "conv2d" else {}
    geometry = Geometry("axial" if axis else kind, IMAGE, IMAGE, axis=axis, **more)  # type: ignore[arg-type]
    each = () if alike else (size,)
    decays = {name: np.asarray(rng.integers(0, 2000, each)) for name in ("u_decay", "v_decay")}
    threshold = np.asarray(rng.integers(100_000, 2**17, each))
    weight = 2 * rng.integers(-128, 128, SYNAPSES[kind])
    return FixedNetwork(
        (
            FixedPopulation("input", "input", IMAGE),
            FixedPopulation("fed", "lif", IMAGE, rng.integers(-9, 10, size), threshold, **decays),
            FixedPopulation("readout", "readout", (3,), np.zeros(3, np.int64), np.asarray(NEVER)),
        ),
        (
            FixedProjection("input", "fed", weight, 7, np.asarray(0), geometry),
            FixedProjection(
                "fed", "readout", 2 * rng.integers(-9, 10, (3, size)), 0, np.asarray(0), Geometry("dense", IMAGE, (3,))
            ),
        ),
        6,
        SpikeEncoding(IMAGE),
    )


@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize(("number", "leaky"), [(np.float32, True), (np.float32, False), (np.float64, True)])
@given(seed=st.integers(0, 2**32 - 1), neurons=st.sampled_from([1, 15, 64, 65, 208, 1024]))
def test_decays_are_exact_up_to_the_largest_states(
    number: type, leaky: bool, alike: bool, seed: int, neurons: int
) -> None:
    rng = np.random.default_rng(seed)
    before = np.where(
        rng.random((2, neurons)) < 0.5,
        rng.integers(1 - STATE_LIMIT, STATE_LIMIT, (2, neurons)),
        rng.choice([-1, 1], (2, neurons)) * (STATE_LIMIT - rng.integers(1, 5000, (2, neurons))),
    )
    left = rng.integers(0, DECAY_UNITY + 1, (2, 1 if alike else neurons)) * np.ones((2, neurons), np.int64)
    if leaky:  # u enters v: one of the two is all there is
        before[rng.integers(2)] = 0
    u, v = before.astype(number)[:, None].copy()
    one, nothing = np.ones(neurons, number), np.empty((0, 0, 0), number)
    spikes, counts = np.empty((1, 1, neurons), np.uint8), np.zeros((1, neurons), np.uint8)
    share = left.astype(number) / DECAY_UNITY
    kernels.lif(
        *(np.zeros(2, np.int64), 1, neurons, np.zeros((1, 1, neurons), np.int32), one, NONE, one),
        *(np.zeros((1, 1, neurons), number), one * 2 * STATE_LIMIT, *share, leaky, True, alike, False),
        *(u, v, spikes, counts, nothing, nothing),
    )
    want = np.sign(before) * (np.abs(before) * left >> 12)
    np.testing.assert_array_equal(v[0], want[1] + want[0] * leaky)
    if leaky:
        np.testing.assert_array_equal(u[0], want[0])
    assert not spikes.any()
    assert not counts.any()


@given(seed=st.integers(0, 2**32 - 1), neurons=st.sampled_from([1, 15, 16, 65, 208]), alike=st.booleans())
def test_states_wrap_and_clip_as_registers_do(seed: int, neurons: int, alike: bool) -> None:
    rng = np.random.default_rng(seed)
    steps, some = 4, 1 if alike else neurons
    # ends of registers are met exactly, and by one
    arriving = rng.choice([-1, 1], (1, steps, neurons)) * (STATE_LIMIT // 64 * rng.integers(0, 3, (1, steps, neurons)))
    arriving += rng.integers(-1, 2, arriving.shape)
    bias = rng.integers(-2, 3, neurons) * rng.choice([1, 64, 2**20], neurons)
    decay = rng.choice([0, 1, 2048, 4096], (2, some)) * np.ones((2, neurons), np.int64)
    threshold = rng.choice([0, 1000, 2**17 - 1, 2**17], neurons)
    u, v = (np.empty((0, 0)) for _ in range(2))
    spikes, counts = np.empty((1, steps, neurons), np.uint8), np.zeros((steps, neurons), np.uint8)
    one, kept = np.ones(neurons), np.empty((2, 1, steps, neurons))
    kernels.lif(
        *(np.zeros(2, np.int64), 1, neurons, arriving.astype(np.int32), one, NONE, one),
        *(bias[None, None].astype(np.float64), threshold * 64.0, *(1 - decay / DECAY_UNITY), True, True, alike, True),
        *(u, v, spikes, counts, *kept),
    )
    state = (np.zeros(neurons, np.int64), np.zeros(neurons, np.int64))
    for t in range(steps):
        want = cuba_step(*state, arriving[0, t], u_decay=decay[0], v_decay=decay[1], bias=bias, threshold=threshold)
        state = want.u, want.v
        np.testing.assert_array_equal(kept[:, 0, t], state)
        np.testing.assert_array_equal(spikes[0, t], want.s)
    np.testing.assert_array_equal(counts, spikes[0])


def test_decays_are_exact_on_other_processors_than_x86(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "X86", False)

    @njit(error_model="numpy")  # compiled here, so that it takes the other formula
    def step(x: np.ndarray, n: int, one: int, bias: int, level: int, left: int, v: int, fired: int, count: int) -> None:
        like = (np.int32(0), np.float32(0), False, True)
        vectors.fire(*like, n, 0, x.ctypes.data, one, bias, level, left, left, v, v, fired, count)

    rng, neurons = np.random.default_rng(0), 4096
    before = rng.integers(1 - STATE_LIMIT, STATE_LIMIT, neurons)
    left = rng.integers(0, DECAY_UNITY + 1, neurons)
    x, bytes_ = np.zeros(neurons, np.int32), np.zeros((2, neurons), np.uint8)
    one, bias, level, v = (np.full(neurons, value, np.float32) for value in (1, 0, 2 * STATE_LIMIT, 0))
    share = left.astype(np.float32) / DECAY_UNITY
    v[:] = before
    step(x, neurons, *(array.ctypes.data for array in (one, bias, level, share, v, bytes_[0], bytes_[1])))
    np.testing.assert_array_equal(v, np.sign(before) * (np.abs(before) * left >> 12))
