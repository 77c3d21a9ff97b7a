"""One suite for every engine: the reference says what is true, the others must give the same numbers."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from conftest import Trained
from helpers import assert_same_run, chain, chains, graph, run_all, samples_for
from hypothesis import given, settings
from hypothesis import strategies as st

import neuro_deploy as nd
from neuro_deploy.engines import ENGINES, get_engine
from neuro_deploy.engines.base import run_whole
from neuro_deploy.engines.compare import FIELDS
from neuro_deploy.errors import EngineError, EngineTimeout, UnsupportedError, UsageError
from neuro_deploy.network import (
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    Geometry,
    GradedEncoding,
    state_bounds,
)
from neuro_deploy.numerics.registers import NEVER, STATE_LIMIT

with_lava = pytest.mark.lava


def assert_slayer_agrees_or_refuses(network: FixedNetwork, x: np.ndarray) -> bool:
    """SLAYER has no wrap and no clip: where a state leaves 24 bits it must say so, elsewhere agree. True: it ran."""
    want = nd.run(network, x, engine="reference", record=FIELDS)
    try:
        got = nd.run(network, x, engine="slayer", record=FIELDS)
    except EngineError:
        assert not all(bounds.exact for bounds in state_bounds(network).values())
        return False
    assert_same_run(want, got)
    return True


@given(chains, st.integers(0, 2**31))
@settings(max_examples=150)
def test_native_gives_the_states_of_the_reference(network: FixedNetwork, seed: int) -> None:
    runs = run_all(network, samples_for(network, seed), ["reference", "native"])
    assert_same_run(runs["reference"], runs["native"])


@given(st.integers(0, 2**31), st.integers(1, 62), st.sampled_from(["graded", "spikes"]))
@settings(max_examples=30)
def test_native_gives_the_states_of_the_reference_with_delays(seed: int, delay: int, mode: str) -> None:
    network = chain(seed, (5, 6, 4, 3), timesteps=12, mode=mode, max_delay=delay)
    runs = run_all(network, samples_for(network, seed), ["reference", "native"])
    assert_same_run(runs["reference"], runs["native"])


@with_lava
def test_slayer_gives_the_states_of_the_reference() -> None:
    ran: list[bool] = []

    @given(chains, st.integers(0, 2**31))
    @settings(max_examples=80)
    def agrees(network: FixedNetwork, seed: int) -> None:
        ran.append(assert_slayer_agrees_or_refuses(network, samples_for(network, seed)))

    agrees()
    assert sum(ran) > 50, "SLAYER refused most of the networks"


@with_lava
@given(chains, st.integers(0, 2**31))
@settings(max_examples=15)
def test_lava_gives_the_states_of_the_reference(network: FixedNetwork, seed: int) -> None:
    x = samples_for(network, seed)
    runs = run_all(network, x, ["reference", "lava"])
    assert_same_run(runs["reference"], runs["lava"])


@given(
    st.integers(0, 2**31),
    st.sampled_from([1, 4, 7]),
    st.booleans(),
    st.sampled_from([-15, 0]),
    st.booleans(),
)
@settings(max_examples=40)
def test_native_gives_the_states_of_the_reference_on_graphs(
    seed: int, timesteps: int, relay: bool, first: int, changing: bool
) -> None:
    network = graph(seed, timesteps=timesteps, relay=relay, first=first)
    x = samples_for(network, seed)
    if changing:
        x = np.random.default_rng(seed).integers(first, 16, (2, timesteps, *network.encoding.shape))
    runs = run_all(network, x, ["reference", "native"])
    assert_same_run(runs["reference"], runs["native"])


def without_delays(network: FixedNetwork) -> FixedNetwork:
    """Lava takes the samples of such a network back to back."""
    return replace(network, projections=tuple(replace(p, delay=np.asarray(0)) for p in network.projections))


@with_lava
@pytest.mark.slow
@pytest.mark.parametrize(("seed", "relay", "first"), [(0, True, -15), (1, True, 0), (2, False, -15)])
def test_lava_gives_the_states_of_the_reference_on_graphs(seed: int, relay: bool, first: int) -> None:
    network = without_delays(graph(seed, relay=relay, first=first))
    runs = run_all(network, samples_for(network, seed, count=4), ["reference", "lava"])
    assert_same_run(runs["reference"], runs["lava"])
    counts = runs["reference"].counts
    assert all(counts[name].sum() > 0 for name in (("h", "cell", "token", "mixed", "out") if relay else ("h",)))


@with_lava
@pytest.mark.slow
def test_lava_gives_the_states_of_the_reference_on_a_graph_with_a_delay() -> None:
    network = graph(3)
    runs = run_all(network, samples_for(network, 3, count=2), ["reference", "lava"])
    assert_same_run(runs["reference"], runs["lava"])
    assert runs["reference"].counts["columns"].sum() > 0


def at_the_payloads_bounds() -> tuple[FixedNetwork, np.ndarray]:
    """A relay that sends up to +-(2^23 - 1), read through exponents, rows with a sign, and weights of -256.

    Negative sums that are no multiples of the shift round down; the sign makes +256 of -256.
    """
    top = 2**23 - 1
    bias = np.array([top - 1, -top + 2, top - 4, -top + 4, 3, -3, 0, -1])
    sign = np.array([1, -1, 0, -1, 1, -1, 1, -1])
    one = Geometry("one-to-one", (8,), (8,))
    cube = Geometry("axial", (2, 2, 2), (2, 2, 2), axis="channel")
    populations = (
        FixedPopulation("input", "input", (2, 2, 2)),
        FixedPopulation("top", "relay", (8,), bias),
        FixedPopulation("lif", "lif", (2, 2, 2), np.zeros(8, int), np.asarray(50), np.asarray(1), np.asarray(77)),
        FixedPopulation("signed", "lif", (2, 2, 2), np.arange(-4, 4), np.asarray(300), v_decay=np.asarray(2048)),
        FixedPopulation("wide", "lif", (8,), np.zeros(8, int), np.asarray(131_071), v_decay=np.asarray(1)),
        FixedPopulation("readout", "readout", (8,)),
    )
    projections = (
        FixedProjection("input", "top", np.eye(8, dtype=int), weight_exp=-2),  # -1 >> 2 = -1, 7 >> 2 = 1
        FixedProjection("top", "lif", 2 * np.eye(8, dtype=int), weight_exp=-8),
        FixedProjection("lif", "signed", np.array([[-256, 8], [2, -256]]), geometry=cube, sign=sign),
        FixedProjection("input", "signed", np.array([[-256, 8], [2, -256]]), -1, geometry=cube, sign=sign),
        FixedProjection("top", "wide", -256 * np.ones(8, int), -8, geometry=one),
        FixedProjection("top", "readout", np.asarray(2), -8, geometry=one, sign=sign),
    )
    encoding = GradedEncoding((2, 2, 2), levels=7, first=-8)
    network = FixedNetwork(populations, projections, 3, encoding)
    return network, np.random.default_rng(5).integers(-8, 8, (4, 2, 2, 2))


@pytest.mark.parametrize("engine", ["native", pytest.param("lava", marks=with_lava)])
def test_payloads_at_the_24_bit_bounds_agree(engine: str) -> None:
    network, x = at_the_payloads_bounds()
    runs = run_all(network, x, ["reference", engine])
    sent = runs["reference"].v["top"]
    assert sent.max() == 2**23 - 1
    assert sent.min() == -(2**23) + 1
    assert np.abs(runs["reference"].u["wide"]).max() > STATE_LIMIT  # one wrap does not bring it back
    assert runs["reference"].counts["signed"].sum() > 0
    assert_same_run(runs["reference"], runs[engine])


def ladder(levels: int) -> tuple[FixedNetwork, np.ndarray]:
    """Neurons one behind the other, each fed by the input too, which must wait 0, 1, 2, ... timesteps for them."""
    rng = np.random.default_rng(levels)
    populations = [FixedPopulation("input", "input", (4,))]
    projections = []
    for level in range(levels):
        kind = "relay" if level % 3 == 1 else "lif"
        threshold = np.asarray(NEVER if kind == "relay" else 40)
        populations.append(FixedPopulation(f"p{level}", kind, (4,), rng.integers(-9, 10, 4), threshold))
        for source in ("input", f"p{level - 1}") if level else ("input",):
            weight = 2 * rng.integers(-4, 8, (4, 4))
            projections.append(FixedProjection(source, f"p{level}", weight, weight_exp=-1))
    network = FixedNetwork(tuple(populations), tuple(projections), 5, GradedEncoding((4,), levels=15, first=-15))
    return network, rng.integers(-15, 16, (3, 5, 4))


@pytest.mark.parametrize("engine", ["native", pytest.param("lava", marks=with_lava)])
def test_projections_that_skip_many_levels_agree(engine: str) -> None:
    network, x = ladder(6)
    runs = run_all(network, x, ["reference", engine])
    assert all(counts.sum() > 0 for counts in runs["reference"].counts.values())
    assert_same_run(runs["reference"], runs[engine])


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_counts_are_the_same_whether_spikes_are_recorded_or_not(engine: str) -> None:
    network = graph(4)
    x = samples_for(network, 4)
    counted = nd.run(network, x, engine=engine)
    recorded = nd.run(network, x, engine=engine, record=("spikes",))
    assert not counted.spikes
    np.testing.assert_array_equal(counted.outputs, recorded.outputs)
    for name, spikes in recorded.spikes.items():
        flat = np.count_nonzero(spikes, axis=0).reshape(network.timesteps, -1)
        np.testing.assert_array_equal(counted.counts[name], flat, err_msg=name)


def test_native_lets_spikes_go_that_nobody_reads_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    from neuro_deploy.engines.native.plan import Step
    from neuro_deploy.engines.native.run import Run

    network = graph(4)
    held: list[set[str]] = []
    original = Run._neurons

    def neurons(run: Run, step: Step, start: int, stop: int) -> None:
        held.append(set(run.values))
        original(run, step, start, stop)

    monkeypatch.setattr(Run, "_neurons", neurons)
    nd.run(network, samples_for(network, 4))
    assert held[-1] == {p.source for p in network.separated.inputs_of(network.output.name)}
    assert max(len(names) for names in held) < len(network.separated.populations) - 3


def test_native_leaves_results_of_earlier_runs_alone() -> None:
    network = graph(4)
    x = samples_for(network, 4, count=5)
    runs = [nd.run(network, x[i : i + 1]) for i in range(len(x))]
    for i, run in enumerate(runs):
        assert_same_run(nd.run(network, x[i : i + 1], engine="reference"), run)


@pytest.mark.parametrize("at_once", [1, 1500])
def test_native_takes_few_samples_and_timesteps_at_a_time(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    home = "neuro_deploy.engines.native"
    for seed in (4, 5, 6):
        network = graph(seed)
        x = samples_for(network, seed, count=7)
        want = nd.run(network, x, engine="reference", record=FIELDS)
        with monkeypatch.context() as few:
            few.setattr(f"{home}.engine.AT_ONCE", at_once)
            few.setattr(f"{home}.engine.FEWEST_STEPS", 1)
            few.setattr(f"{home}.plan.LANES", 1)
            few.setattr(f"{home}.products.UNFOLDED", 100)
            few.setattr(f"{home}.products.MOST_ROWS", 8)
            few.setattr(f"{home}.kernels.BLOCK", 5)
            few.setattr(f"{home}.fusion.TOGETHER", 20)
            few.setattr(f"{home}.fusion.SUMS", 30)
            few.setattr(f"{home}.threads.WORTH", 1)
            assert_same_run(want, nd.run(replace(network), x, record=FIELDS))


@pytest.mark.parametrize("width", [128, 130, 300, 700])
def test_native_gathers_while_few_neurons_spike(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """With weights of 0 for gathering, results are wrong where it gathers and right where it does not."""
    from neuro_deploy.engines.native.gathering import in_lines
    from neuro_deploy.engines.native.tiles import FOUND

    network = chain(1, (70, width, 5), timesteps=6, mode="spikes")
    rng = np.random.default_rng(0)
    for density, gathers in ((0.02, FOUND is not None), (0.9, False)):
        x = (rng.random((9, 6, *network.populations[0].shape)) < density).astype(np.float64)
        want = nd.run(network, x, engine="reference", record=FIELDS)
        assert_same_run(want, nd.run(replace(network), x, record=FIELDS))
        assert_same_run(nd.run(network, x[:1], engine="reference"), nd.run(replace(network), x[:1]))
        with monkeypatch.context() as patch:
            patch.setattr(
                "neuro_deploy.engines.native.fusion.in_lines", lambda weight, group: in_lines(0 * weight, group)
            )
            wrong = nd.run(replace(network), x, record=FIELDS)
        assert np.array_equal(wrong.u["p1"], want.u["p1"]) != gathers


@given(
    rows=st.integers(1, 9),
    segments=st.integers(1, 3),
    each=st.integers(1, 400),
    targets=st.integers(1, 1100),
    density=st.sampled_from([0.0, 0.05, 0.19, 0.5, 1.0]),
    edge=st.sampled_from([None, -128, 127, -32, -31, 31, 32]),
    most=st.sampled_from([31, 32, 128]),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=150, deadline=None)
def test_rows_gathered_or_multiplied_are_sums_of_weights(
    rows: int, segments: int, each: int, targets: int, density: float, edge: int | None, most: int, seed: int
) -> None:
    from neuro_deploy.engines.native import rows8
    from neuro_deploy.engines.native.fusion import gathered_up_to
    from neuro_deploy.engines.native.gathering import BLOCK, grouped, in_lines
    from neuro_deploy.engines.native.tiles import FOUND, QUAD, ROWS, packed

    if FOUND is None:
        pytest.skip("no instructions for bytes")
    rng = np.random.default_rng(seed)
    weight = (
        rng.integers(-most, most, (segments * each, targets))
        if edge is None
        else np.full((segments * each, targets), edge)
    )
    weight = weight.astype(np.int8)
    spikes = (rng.random((rows, segments, each)) < density).astype(np.uint8)
    held = np.zeros((rows, segments, each + 5), np.uint8)  # what lies between segments
    held[:, :, each:] = 1
    held[:, :, :each] = spikes
    source = np.concatenate([held.reshape(-1), np.ones(64, np.uint8)])
    whole = -(-rows // ROWS) * ROWS
    starts = source.ctypes.data + np.minimum(np.arange(whole), rows - 1) * held[0].size
    places, quads, group = np.arange(segments) * (each + 5), -(-each // QUAD), grouped(weight)
    lines = in_lines(weight, group)
    want = spikes.reshape(rows, -1).astype(np.int64) @ weight.astype(np.int64)
    first = BLOCK * (targets // BLOCK // 2)
    limit = gathered_up_to(weight)
    for begin in {0, first - first % (BLOCK * 3)}:
        out = np.empty((whole, targets - begin), np.int32)
        gathers = rows8.few(rows, starts, places, lines, limit)
        assert not gathers or spikes.reshape(rows, -1).sum(axis=1).max() <= limit
        ends = begin, targets, out.ctypes.data
        rows8.sums(rows, starts, places, quads, packed(weight, segments), lines, limit, group, *ends)
        np.testing.assert_array_equal(out[:rows], want[:, begin:])
        if np.abs(want).max(initial=0) < 2**15:
            rows8.gather(rows, starts, places, lines, group, *ends)
            np.testing.assert_array_equal(out[:rows], want[:, begin:])


@pytest.mark.parametrize("kernel", ["dot8", "int8", "gather", "float32", "float64"])
def test_every_kernel_gives_what_the_reference_gives(kernel: str) -> None:
    taken = set()
    for seed in range(6):
        network = graph(seed)
        x = samples_for(network, seed)
        engine = get_engine("native", kernel=kernel)
        taken |= {row["kernel"] for row in engine.explain(network)}
        got = run_whole(engine, network, network.encode(x), FIELDS)
        assert_same_run(nd.run(network, x, engine="reference", record=FIELDS), got)
    assert kernel in taken


def test_native_needs_no_process_wide_precision() -> None:
    import torch

    network = graph(6)
    x = samples_for(network, 6)
    want = nd.run(network, x, engine="reference", record=FIELDS)
    torch.set_float32_matmul_precision("medium")
    try:
        assert_same_run(want, nd.run(network, x, record=FIELDS))
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


def to_relay(weight: int, weight_exp: int, bias: int, timesteps: int = 2) -> FixedNetwork:
    """input -> relay -> lif, one neuron each."""
    populations = (
        FixedPopulation("input", "input", (1,)),
        FixedPopulation("relay", "relay", (1,), np.array([bias])),
        FixedPopulation("lif", "lif", (1,), threshold=np.asarray(5)),
    )
    projections = (
        FixedProjection("input", "relay", np.array([[2]])),
        FixedProjection("relay", "lif", np.array([[weight]]), weight_exp=weight_exp),
    )
    return FixedNetwork(populations, projections, timesteps, GradedEncoding((1,), levels=1))


@with_lava
def test_lava_refuses_what_32_bits_do_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = to_relay(254, 1, 2**23 - 1)
    with pytest.raises(UnsupportedError, match=r"relay -> lif: sums of weights can reach 4,261,.*computes them in 32"):
        nd.run(sums, [[1]], engine="lava")
    states = to_relay(254, 0, 2**23 - 10)
    with pytest.raises(UnsupportedError, match=r"lif: u or v can reach .* before wrap and clip; Lava computes them"):
        nd.run(states, [[1]], engine="lava")
    monkeypatch.setattr("neuro_deploy.engines.lava_job.MAX_SYNAPSES", 100)
    network = graph(0)
    with pytest.raises(
        UnsupportedError, match=r"synapses; 100 are unrolled for Lava at most\nhint: verify against ref"
    ):
        nd.run(network, samples_for(network, 0), engine="lava")


@pytest.mark.parametrize("states", [(254, 1, 2**23 - 1), (254, 0, 2**23 - 10), (-256, -8, -(2**23) + 5)])
def test_native_runs_what_only_64_bits_hold(states: tuple[int, int, int]) -> None:
    network = to_relay(*states, timesteps=6)
    runs = run_all(network, np.array([[0], [1]]), ["reference", "native"])
    assert_same_run(runs["reference"], runs["native"])


@with_lava
def test_slayer_refuses_what_it_has_no_block_for() -> None:
    relay = to_relay(2, 0, 1)
    with pytest.raises(UnsupportedError, match=r"relay: SLAYER has no block for a relay\nhint: verify against"):
        nd.run(relay, [[1]], engine="slayer")
    signed = chain(1, (3, 4), mode="spikes")
    several = replace(signed, projections=signed.projections * 2)
    with pytest.raises(UnsupportedError, match=r"p1: SLAYER's dense block takes one projection, here are 2\nhint"):
        nd.run(several, samples_for(signed, 1), engine="slayer")
    projection = replace(signed.projections[0], sign=np.array([1, -1, 0, 1]))
    with pytest.raises(UnsupportedError, match=r"p1: SLAYER's dense block takes whole populations without signs"):
        nd.run(replace(signed, projections=(projection,)), samples_for(signed, 1), engine="slayer")


def odd_corners(seed: int) -> tuple[FixedNetwork, np.ndarray]:
    """What only stock files hold: odd weights of both signs, shifts of the sum, parameters that differ by neuron."""
    rng = np.random.default_rng(seed)
    apart = {
        "threshold": rng.integers(1, 300, 5),
        "u_decay": rng.integers(0, 4097, 5),
        "v_decay": rng.integers(0, 4097, 5),
        "bias": rng.integers(-50, 51, 5),
    }
    populations = (
        FixedPopulation("input", "input", (4,)),
        FixedPopulation("a", "lif", (5,), **apart),
        FixedPopulation("b", "lif", (5,), **{**apart, "threshold": np.asarray(20)}),
        FixedPopulation("readout", "readout", (2,), threshold=np.asarray(NEVER), v_decay=np.asarray(4096)),
    )
    projections = (
        FixedProjection("input", "a", rng.integers(-255, 256, (5, 4)), weight_exp=-3),
        FixedProjection("a", "b", -rng.integers(0, 257, (5, 5)), weight_exp=1 + seed % 2),
        FixedProjection("b", "readout", rng.integers(0, 256, (2, 5))),
    )
    network = FixedNetwork(populations, projections, 7, GradedEncoding((4,), levels=15))
    return network, samples_for(network, seed, count=4)


@pytest.mark.parametrize("engine", ["native", pytest.param("lava", marks=with_lava)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_odd_weights_exponents_and_parameters_by_neuron_agree(engine: str, seed: int) -> None:
    network, x = odd_corners(seed)
    runs = run_all(network, x, ["reference", engine])
    assert all(runs["reference"].counts[name].sum() > 0 for name in ("input", "a"))
    assert_same_run(runs["reference"], runs[engine])


@with_lava
def test_lava_gives_the_states_of_the_reference_with_delays() -> None:
    network = chain(7, (5, 6, 4, 3), timesteps=12, mode="spikes", max_delay=5)
    runs = run_all(network, samples_for(network, 3, count=2), ["reference", "lava"])
    assert sum(counts.sum() for counts in runs["reference"].counts.values()) > 50
    assert_same_run(runs["reference"], runs["lava"])


def at_the_bounds(threshold: int = 131_071) -> tuple[FixedNetwork, np.ndarray]:
    """Neurons whose a_in is one step below, at, and beyond +-2^17, so that u is at +-2^23; with and without leak."""
    top = [254, 254, 254]
    last = [0, 2, 4, -2]
    weight = np.array([[*top, w] for w in last] + [[-t for t in top] + [-w] for w in last])
    x = np.array([[255, 255, 6, 4], [255, 255, 6, 0], [0, 0, 0, 255]])
    populations = (
        FixedPopulation("input", "input", (4,)),
        FixedPopulation(
            "lif",
            "lif",
            (8,),
            np.array([0, 7, 8, 4095, 0, -7, -8, -4095]),
            np.asarray(threshold),
            np.asarray(1),
            np.asarray(1),
        ),
        FixedPopulation(
            "readout", "readout", (8,), np.full(8, 4095), np.asarray(NEVER), np.asarray(0), np.asarray(4096)
        ),
    )
    projections = (
        FixedProjection("input", "lif", weight),
        FixedProjection("lif", "readout", 254 * np.ones((8, 8), int)),
    )
    return FixedNetwork(populations, projections, 6, GradedEncoding((4,))), x


@pytest.mark.parametrize("engine", ["native", pytest.param("lava", marks=with_lava)])
@pytest.mark.parametrize("threshold", [0, 1000, 131_071])
def test_states_at_the_24_bit_bounds_agree(engine: str, threshold: int) -> None:
    network, x = at_the_bounds(threshold)
    runs = run_all(network, x, ["reference", engine])
    u = runs["reference"].u["lif"]
    assert u.max() > STATE_LIMIT - 2**10
    assert u.min() < -STATE_LIMIT + 2**10
    assert np.abs(runs["reference"].v["lif"]).max() == STATE_LIMIT - 1
    assert_same_run(runs["reference"], runs[engine])


def single_neuron(bias: int, threshold: int) -> FixedNetwork:
    populations = (
        FixedPopulation("input", "input", (3,)),
        FixedPopulation(
            "lif", "lif", (1,), np.array([bias]), np.asarray(threshold), np.asarray(4096), np.asarray(4096)
        ),
    )
    projection = FixedProjection("input", "lif", np.array([[254, 254, 254]]))
    return FixedNetwork(populations, (projection,), 2, GradedEncoding((3,)))


@pytest.mark.parametrize(
    "engine", ["reference", "native", *(pytest.param(e, marks=with_lava) for e in ("lava", "slayer"))]
)
@pytest.mark.parametrize(("bias", "fires"), [(6, False), (7, False), (8, True)])
def test_a_neuron_fires_above_the_largest_threshold_and_not_at_it(engine: str, bias: int, fires: bool) -> None:
    """u is 131,064 << 6; with bias 7, v equals 131,071 << 6 exactly, which must not spike."""
    result = nd.run(single_neuron(bias, 131_071), [[255, 255, 6]], engine=engine, record=FIELDS)
    assert result.spikes["lif"].reshape(-1).tolist() == [int(fires)] * 2
    if bias == 7:
        assert result.v["lif"].reshape(-1).tolist() == [131_071 << 6] * 2


@with_lava
def test_slayer_refuses_where_a_state_leaves_24_bits() -> None:
    network, x = at_the_bounds()
    with pytest.raises(EngineError, match=r"lif: u or v left 24 bits, where the chip wraps u and clips v"):
        nd.run(network, x, engine="slayer")


@with_lava
def test_slayer_refuses_delays_and_odd_weights() -> None:
    delayed = chain(1, (3, 4), mode="spikes", max_delay=3)
    network = chain(1, (3, 4), mode="spikes")
    odd = replace(network, projections=(FixedProjection("input", "p1", np.full((4, 3), 3)),))
    for refused in (delayed, odd):
        with pytest.raises(UnsupportedError, match="even weights, no delays and no weight exponent"):
            nd.run(refused, samples_for(refused, 1), engine="slayer")


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_an_engine_is_not_verified_against_itself(engine: str) -> None:
    network = chain(1, (3, 4))
    with pytest.raises(UsageError, match=f"{engine} compared with itself says nothing"):
        nd.verify(network, samples_for(network, 1), against=[engine], engine=engine)
    with pytest.raises(UsageError, match="no engine 'nengo'"):
        nd.verify(network, samples_for(network, 1), against=["lava", "nengo"])
    with pytest.raises(UsageError, match="nothing to verify against"):
        nd.verify(network, samples_for(network, 1), against=[])


@with_lava
def test_the_time_limit_covers_the_run_that_is_compared_with_and_all_samples_with_delays() -> None:
    network = chain(1, (3, 4))
    with pytest.raises(EngineTimeout, match=r"did not finish in 0\.01 seconds"):
        nd.verify(network, samples_for(network, 1), against=["reference"], engine="lava", time_limit=0.01)
    delayed = chain(1, (3, 4), mode="spikes", max_delay=3)
    start = time.monotonic()
    with pytest.raises(EngineTimeout):
        nd.run(delayed, samples_for(delayed, 1, count=30), engine="lava", time_limit=3.0)
    assert time.monotonic() - start < 15


@with_lava
@pytest.mark.parametrize("mode", ["graded", "bias"])
def test_all_engines_agree_on_the_digits_network(trained: Trained, mode: str) -> None:
    network, _ = nd.convert(trained.checkpoint, input=mode)
    x = nd.load_data("digits").head(64).x
    runs = run_all(network, x, list(ENGINES))
    assert all(runs["reference"].counts[p.name].sum() > 1000 for p in network.computed if p.kind == "lif")
    for engine in ("native", "lava", "slayer"):
        assert_same_run(runs["reference"], runs[engine])


@with_lava
@pytest.mark.parametrize(("bits", "scale"), [(8, "population"), (3, "population"), (2, "channel"), (1, "population")])
def test_the_stock_network_runs_our_file_spike_for_spike(
    trained: Trained, tmp_path: Path, bits: int, scale: Literal["population", "channel"]
) -> None:
    """lava-dl's own loader and Lava's processes, samples back to back with reset_interval."""
    import subprocess
    import sys

    code = """
import sys, numpy as np
import neuro_deploy.lava_compat
from lava.lib.dl.netx.hdf5 import Network
from lava.proc import io
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
path, inputs, out = sys.argv[1:]
x = np.load(inputs)
net = Network(path, input_message_bits=8, reset_interval=4, reset_offset=1)
source = io.source.RingBuffer(data=np.repeat(x.reshape(len(x), -1), 4, axis=0).T)
sinks = [io.sink.RingBuffer(shape=layer.out.shape, buffer=len(x) * 4 + 3) for layer in net.layers]
source.s_out.connect(net.inp)
for layer, sink in zip(net.layers, sinks):
    layer.out.connect(sink.a_in)
net.run(condition=RunSteps(len(x) * 4 + 3), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
spikes = [sink.data.get() for sink in sinks]
net.stop()
np.savez(out, *[s[:, i + 1 : i + 1 + len(x) * 4].T.reshape(len(x), 4, -1) for i, s in enumerate(spikes)])
"""
    made, x = nd.convert(trained.checkpoint, weight_bits=bits, scale=scale)[0], nd.load_data("digits").head(6).x
    path, inputs, out = (tmp_path / name for name in ("digits.net", "stock.npy", "stock.npz"))
    assert nd.save(made, path) == "chain"
    network = nd.load(path)
    assert [projection.weight_bits for projection in network.projections] == [bits] * 3
    np.save(inputs, network.encode(x))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, path, inputs, out],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ours = nd.run(network, x, record=("spikes",))
    with np.load(out) as stock:
        assert len(stock.files) == 3
        for population, name in zip(network.computed, stock.files, strict=True):
            np.testing.assert_array_equal(stock[name], ours.spikes[population.name], err_msg=population.name)
    assert ours.counts["fc1.lif"].sum() > 100


@with_lava
def test_lava_says_so_when_its_time_is_over_and_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import subprocess
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    network = chain(1, (4, 4, 4), timesteps=1000)
    with pytest.raises(EngineError, match=r"did not finish in 0\.5 seconds and was stopped") as refusal:
        get_engine("lava", time_limit=0.5).run(network, network.encode(samples_for(network, 1, count=64)))
    assert type(refusal.value).__name__ == "EngineTimeout"
    assert "more time (--time-limit)" in str(refusal.value)
    listed = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    assert str(tmp_path) not in listed
    assert list(tmp_path.iterdir()) == []


@with_lava
def test_lava_runs_wherever_temporary_files_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket's path may have 103 bytes on macOS, 107 on Linux."""
    import sys
    import tempfile

    from neuro_deploy.engines import lava

    network = chain(1, (4, 4, 4), timesteps=5)
    x = samples_for(network, 1, count=2)
    want = nd.run(network, x)
    with tempfile.TemporaryDirectory(dir="/tmp") as short:

        def files_go_where(length: int) -> None:
            folder = Path(short) / ("x" * (length - len(short) - 1))
            folder.mkdir()
            monkeypatch.setattr(tempfile, "tempdir", str(folder))

        most = (107 if sys.platform == "linux" else 103) - len(lava.LAVAS_SOCKET)
        files_go_where(most + 1)
        assert_same_run(want, nd.run(network, x, engine="lava"))  # the sockets go elsewhere
        monkeypatch.setattr(lava, "SHORT_FOLDER", str(tmp_path / "none"))
        with pytest.raises(EngineError, match=rf"(?s)x: the path .* sockets.* {lava.SOCKET_PATH - 44} bytes at most"):
            nd.run(network, x, engine="lava")
        monkeypatch.setattr(lava, "SOCKET_PATH", 1000)
        with pytest.raises(EngineError, match="Lava failed: EOFError"):  # what failed first, not what failed after it
            nd.run(network, x, engine="lava")
        files_go_where(most)
        assert_same_run(want, nd.run(network, x, engine="lava"))
        assert [path for folder in Path(short).iterdir() for path in folder.iterdir()] == []


def test_batches_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    network = chain(3, (5, 6, 4))
    x = samples_for(network, 3, count=10)
    whole = nd.run(network, x, record=FIELDS)
    monkeypatch.setattr("neuro_deploy.engines.native.Engine.batch", lambda *_: 3)
    assert_same_run(whole, nd.run(network, x, record=FIELDS))


@pytest.mark.parametrize("sizes", [(40, 60, 50, 5), (200, 300, 150, 5)])
def test_native_makes_an_earlier_run_again_with_other_samples(sizes: tuple[int, ...]) -> None:
    from neuro_deploy.engines.native.plan import plan

    network = chain(1, sizes, timesteps=5)
    for seed in (1, 2, 3, 4):
        for count in (1, 3):
            x = samples_for(network, seed, count=count)
            x = x if seed < 4 else np.zeros_like(x)  # then hardly any neuron spikes
            want, got = (nd.run(network, x, engine=engine) for engine in ("reference", "native"))
            assert_same_run(want, got)
    assert [len(tapes.free) for tapes in plan(network.separated, "cpu", None).tapes.values()] == [1, 1]


@pytest.mark.parametrize("count", [1, 3])
def test_native_lends_a_run_to_its_result_and_makes_it_again_when_that_is_gone(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from neuro_deploy.engines.native import tape
    from neuro_deploy.engines.native.plan import plan

    monkeypatch.setattr(tape, "COPIED", 0)
    network = chain(1, (40, 60, 50, 5), timesteps=5)
    samples = [samples_for(network, seed, count=count) for seed in range(4)]
    held = [nd.run(network, x) for x in samples]  # more than there are tapes
    (tapes,) = plan(network.separated, "cpu", None).tapes.values()
    assert (tapes.made, len(tapes.free)) == (tape.MOST, 0)
    for x, got in zip(samples, held, strict=True):
        assert_same_run(nd.run(network, x, engine="reference"), got)
    some = held[0].counts.array(network.computed[0].name)
    want = some.copy()
    del held, got
    assert len(tapes.free) == tape.MOST - 1  # an array of counts holds its run too
    for x in samples:
        nd.run(network, x)
    np.testing.assert_array_equal(some, want)


@pytest.mark.parametrize("noted", [1, 2, 3])
def test_native_makes_a_run_again_with_other_threads_than_before(noted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from neuro_deploy.engines.native import fusion, run, threads

    for home in (fusion, run, threads):
        monkeypatch.setattr(home, "threads", lambda: noted)
    monkeypatch.setattr(threads, "WORTH", 1)
    network = chain(1, (40, 60, 50, 5), timesteps=5)
    x = samples_for(network, 1, count=40)
    want = nd.run(network, x, engine="reference")
    for now in (noted, 1, 2, 8):
        monkeypatch.setattr(threads, "threads", lambda now=now: now)
        for _ in range(20):
            assert_same_run(want, nd.run(network, x))


@pytest.mark.parametrize("count", [1, 15, 16, 50, 300])
def test_native_cuts_samples_and_timesteps_without_a_difference(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    network = chain(1, (30, 40, 5), timesteps=7)
    x = samples_for(network, 1, count=count)
    want = nd.run(network, x, engine="reference", record=FIELDS)
    for neurons in (40 * 7 * 16, 40 * 7 * 15, 40 * 7, 40, 1):
        monkeypatch.setattr("neuro_deploy.engines.native.engine.AT_ONCE", neurons)
        for record in ((), FIELDS):
            got = [nd.run(network, x, record=record) for _ in range(3)]
            for each in got:
                assert_same_run(want, each) if record else np.testing.assert_array_equal(each.outputs, want.outputs)
                for name in want.counts:
                    np.testing.assert_array_equal(each.counts[name], want.counts[name])


def test_native_needs_no_place_to_keep_compiled_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    from numba.core.caching import CacheImpl

    from neuro_deploy.numerics.compiling import compiled

    monkeypatch.setattr(CacheImpl, "_locator_classes", [])
    assert compiled()(lambda x: x + 1)(2) == 3
