"""Relays that are computed with the neurons that they feed."""

from __future__ import annotations

import gc
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from helpers import assert_same_run
from hypothesis import given
from hypothesis import strategies as st

from neuro_deploy.engines import get_engine
from neuro_deploy.engines.native.plan import plan
from neuro_deploy.network import FixedNetwork, FixedPopulation, FixedProjection, state_bounds
from neuro_deploy.network.encoding import GradedEncoding, SpikeEncoding
from neuro_deploy.network.geometry import Geometry
from neuro_deploy.numerics.registers import NEVER

IMAGE, STATE = (7, 3, 4), (5, 3, 4)
SIZE = 60
READ = ("fed", "more", "mixed", "part", "echo")


def residual(rng: np.random.Generator, *, extra: bool, other: bool, shared: bool, timesteps: int) -> FixedNetwork:
    """input -> sum, a relay -> fed, neurons -> readout.

    extra: sum adds what another relay sends. other: fed adds it too. shared: more neurons read sum. Beside them: neurons
    fed by a window of sum's channels, by the input one to one, and by a relay and neurons, or relays, side by side.
    """
    populations = [
        FixedPopulation("input", "input", IMAGE),
        FixedPopulation("skip", "relay", STATE, rng.integers(-9, 10, SIZE), np.asarray(NEVER)),
        FixedPopulation("sum", "relay", STATE, rng.integers(-9, 10, SIZE), np.asarray(NEVER)),
    ]
    small = [
        ("low", "relay", (2, 3, 4)),
        ("high", str(rng.choice(["lif", "relay"])), (3, 3, 4)),
        ("part", "lif", (3, 3, 4)),
        ("echo", "lif", IMAGE),
    ]
    for name, kind, shape in small:
        level = np.asarray(NEVER if kind == "relay" else 15)
        populations.append(FixedPopulation(name, kind, shape, rng.integers(-9, 10, int(np.prod(shape))), level))
    levels = rng.integers(5, 60, SIZE) if rng.random() < 0.5 else np.asarray(25)
    for name in ("fed", "more", "mixed"):
        decay = np.asarray(int(rng.choice([4096, 2048, 1])))
        populations.append(FixedPopulation(name, "lif", STATE, rng.integers(-9, 10, SIZE), levels, decay, decay))
    populations.append(FixedPopulation("readout", "readout", (4,)))
    shapes = {population.name: population.shape for population in populations}

    def even(*shape: int) -> np.ndarray:
        return 2 * rng.integers(-20, 21, shape)

    def to(
        source: str, target: str, kind: str, weight: np.ndarray, exponent: int = 0, **windows: tuple[int, int]
    ) -> FixedProjection:
        axis = "channel" if kind == "axial" else None
        geometry = Geometry(kind, shapes[source], shapes[target], axis=axis, **windows)  # type: ignore[arg-type]
        return FixedProjection(source, target, weight, geometry=geometry, weight_exp=exponent)

    one = [np.asarray(2), even(SIZE)]
    projections = [
        to("input", "skip", "axial", even(5, 7)),
        to("input", "sum", "axial", even(5, 7), int(rng.integers(-1, 2))),
        *([to("skip", "sum", "one-to-one", np.asarray(2), -1)] if extra else []),
        to("sum", "fed", "one-to-one", one[rng.integers(2)], int(rng.integers(-4, 1))),
        *([to("skip", "fed", "one-to-one", one[rng.integers(2)], int(rng.integers(-4, 1)))] if other else []),
        to("sum" if shared else "skip", "more", "one-to-one", np.asarray(2), -1),
        to("input", "low", "axial", even(2, 7)),
        to("input", "high", "axial", even(3, 7)),
        to("sum", "part", "one-to-one", np.asarray(2), -1, source_channels=(1, 4)),
        to("input", "echo", "one-to-one", np.asarray(20)),
        to("low", "mixed", "one-to-one", np.asarray(2), target_channels=(0, 2)),
        to("high", "mixed", "one-to-one", np.asarray(40), target_channels=(2, 5)),
        *(to(name, "readout", "dense", even(4, int(np.prod(shapes[name])))) for name in READ),
    ]
    return FixedNetwork(tuple(populations), tuple(projections), timesteps, SpikeEncoding(IMAGE))


@given(
    extra=st.booleans(),
    other=st.booleans(),
    shared=st.booleans(),
    timesteps=st.sampled_from([1, 3, 9]),
    samples=st.sampled_from([1, 3]),
    still=st.booleans(),
    first=st.sampled_from([0, -15, -128]),
    seed=st.integers(0, 999),
)
def test_relays_and_the_neurons_they_feed_are_exact_together(
    extra: bool, other: bool, shared: bool, timesteps: int, samples: int, still: bool, first: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    network = residual(rng, extra=extra, other=other, shared=shared, timesteps=timesteps)
    if first:
        network = replace(network, encoding=GradedEncoding(IMAGE, levels=15, first=first))
    shape = (samples, *IMAGE) if still else (samples, timesteps, *IMAGE)
    native = get_engine("native")
    multiplied = first == 0 and any(row["kernel"] == "dot8" for row in native.explain(network))  # type: ignore[attr-defined]
    if multiplied and state_bounds(network)["fed"].exact:  # neurons that may wrap or clip are computed apart
        assert "sum" in plan(network, "cpu", None).pairs
    for _ in range(3):  # the second is the first one's calls again
        spikes = (rng.random(shape) < rng.choice([0.05, 0.5])).astype(np.int64)
        x = network.encode(spikes * rng.integers(first, 16, shape) if first else spikes)
        want = get_engine("reference").run(network, x)
        assert_same_run(want, native.run(network, x))
        for most in (1, 24 * 84 * 12):  # timesteps by fours, of one sample or of all
            assert_same_run(want, get_engine("native", memory=most).run(network, x))
    record = ("spikes", "u", "v")
    assert_same_run(get_engine("reference").run(network, x, record), native.run(network, x, record))


def test_a_run_of_samples_that_stand_still_is_not_that_of_others() -> None:
    rng = np.random.default_rng(0)
    network = residual(rng, extra=True, other=True, shared=True, timesteps=5)
    x = network.encode((rng.random((2, 5, *IMAGE)) < 0.3).astype(np.int64))
    for samples in (np.broadcast_to(x[:, :1], x.shape), x):
        assert_same_run(get_engine("reference").run(network, samples), get_engine("native").run(network, samples))


def test_runs_in_pieces_take_no_more_memory_the_more_there_are() -> None:
    rng = np.random.default_rng(0)
    network = residual(rng, extra=True, other=True, shared=True, timesteps=16)
    late = [replace(p, delay=np.asarray(2)) if p.target == "more" else p for p in network.projections]
    network = replace(network, projections=tuple(late))
    samples = 200
    x = network.encode((rng.random((samples, 16, *IMAGE)) < 0.3).astype(np.int64))
    native = get_engine("native", memory=1)  # timesteps by fours, a sample at a time
    native.run(network, x[:2])
    tracemalloc.start()
    native.run(network, x[:2])
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    for sample in range(0, samples, 2):
        native.run(network, x[sample : sample + 2])
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 20 * SIZE * np.dtype(np.float32).itemsize, f"{grown} bytes; the states of a population take 480"


def test_threads_may_run_one_network_at_once() -> None:
    rng = np.random.default_rng(0)
    network = residual(rng, extra=True, other=True, shared=True, timesteps=5)
    samples = [network.encode((rng.random((2, 5, *IMAGE)) < 0.3).astype(np.int64)) for _ in range(4)]
    wanted = [get_engine("reference").run(network, x) for x in samples]

    def run(index: int) -> None:
        for _ in range(50):
            assert_same_run(wanted[index], get_engine("native").run(network, samples[index]))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(4)))
