"""Random networks of every kind: the native engine runs them as the reference does, in every way that it can run."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from helpers import FIELDS, assert_same_run
from random_networks import random_network

from neuro_deploy.engines import RunResult, get_engine
from neuro_deploy.engines.base import as_sequence, run_whole
from neuro_deploy.engines.native import dot8, fusion, kernels, products, threads
from neuro_deploy.engines.native.engine import BYTES, MEMORY
from neuro_deploy.engines.native.plan import Plan, plan
from neuro_deploy.engines.native.products import KERNELS, Packed
from neuro_deploy.engines.native.samples import entry_type
from neuro_deploy.engines.native.tiles import FOUND, ROWS
from neuro_deploy.errors import UnsupportedError
from neuro_deploy.network import AXES, KINDS, FixedNetwork, FixedPopulation, FixedProjection
from neuro_deploy.numerics.cuba import cuba_step
from neuro_deploy.numerics.registers import BIAS_EXPONENT, IntArray, frozen

SEEDS, MORE_SEEDS = range(120), range(300)
"""Of networks that run in every way, and of those that only the reference runs."""
INTEGERS = (np.int8, np.uint8, np.int16, np.int32, np.int64)


@dataclass(frozen=True)
class Case:
    """A network, some batches of samples, and what the reference gives for each."""

    network: FixedNetwork
    batches: tuple[IntArray, ...]
    wanted: tuple[RunResult, ...]


def case(seed: int) -> Case:
    """Two batches of one shape, one of samples that stand still or move otherwise, and one of fewer samples."""
    network, rng = random_network(seed), np.random.default_rng(seed)
    count, moving = int(rng.choice([1, 2, 3, 5, 17, 257], p=[0.3, 0.2, 0.2, 0.2, 0.07, 0.03])), bool(rng.integers(2))
    shapes = [(count, moving), (count, moving), (count, not moving), (-(-count // 2), moving)]
    batches = [as_given(rng, network, samples(network, rng, size, moving=moves)) for size, moves in shapes]
    wanted = [run_whole(get_engine("reference"), network, batch, FIELDS) for batch in batches]
    return Case(network, tuple(batches), tuple(wanted))


def samples(network: FixedNetwork, rng: np.random.Generator, count: int, *, moving: bool) -> IntArray:
    """Encoded samples with few or many zeros. Data that enter as bias never move."""
    encoding = network.encoding
    if encoding.mode == "bias":
        return network.encode(rng.integers(-60, 61, (count, *encoding.shape)))
    low, high = (encoding.first, encoding.levels) if encoding.mode == "graded" else (0, 1)
    shape = (count, network.timesteps, *encoding.shape) if moving else (count, *encoding.shape)
    values = rng.choice([low, high], shape) if rng.random() < 0.2 else rng.integers(low, high + 1, shape)
    return network.encode(values * (rng.random(shape) < rng.choice([0.02, 0.1, 0.5, 1.0])))


def as_given(rng: np.random.Generator, network: FixedNetwork, batch: IntArray) -> IntArray:
    """The same numbers in any integer type that holds them, and in any order in memory. Biases stay int64."""
    kinds = [kind for kind in INTEGERS if batch.min() >= np.iinfo(kind).min and batch.max() <= np.iinfo(kind).max]
    held = batch if network.encoding.mode == "bias" else batch.astype(kinds[rng.integers(len(kinds))])
    every_other = held.repeat(2, axis=0)[::2]
    backwards = np.flip(np.flip(held, axis=-1).copy(), axis=-1)
    orders = [held, np.asfortranarray(held), every_other, backwards, frozen(held)]
    entry = network.population(network.entry).shape
    if held.ndim == 1 + len(entry):
        orders.append(np.broadcast_to(held[:, None], (len(held), network.timesteps, *entry)))
    return orders[rng.integers(len(orders))]


@contextlib.contextmanager
def naming(what: str) -> Iterator[None]:
    """Failures within tell what was being done."""
    try:
        yield
    except Exception as error:
        error.add_note(what)
        raise


def assert_runs_alike(
    case: Case, order: Sequence[int], records: Sequence[Sequence[str]] = (FIELDS,), **options: Any
) -> None:
    """The batches of that order, one after the other: no run changes what another one gave. Then all that is recorded."""
    native, network = get_engine("native", **options), case.network
    results = []
    for batch in order:
        results.append((batch, run_whole(native, network, case.batches[batch])))
        with naming(f"batch {batch}, run {len(results)} of {order}, {options}"):
            assert_same_run(case.wanted[batch], results[-1][1], ())
    for run, (batch, got) in enumerate(results, start=1):
        with naming(f"batch {batch}, run {run} of {order}, once all are over, {options}"):
            assert_same_run(case.wanted[batch], got, ())
    for fields in records:
        with naming(f"batch {order[0]}, recording {fields}, {options}"):
            got = run_whole(native, network, case.batches[order[0]], fields)
            assert_same_run(case.wanted[order[0]], got, fields)


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The engine shares out among two, but torch takes one: its threads wait by spinning for each other's core."""
    before = torch.get_num_threads()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("seed", SEEDS)
def test_native_runs_any_network_as_the_reference_does(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made, rng = case(seed), np.random.default_rng(seed)
    if not planned(made.network):
        with pytest.raises(UnsupportedError, match="beyond exact arithmetic"):
            run_whole(get_engine("native"), made.network, made.batches[0])
        return
    assert_runs_alike(made, [0, 0, 1, 2, 2, 3, 1, 0], [FIELDS, *((field,) for field in FIELDS)])
    widest = max(population.neurons for population in made.network.separated.populations)
    some = BYTES * widest * int(rng.choice([2, 3, 5, 2 * made.network.timesteps]))
    for memory in (1, some):
        assert_runs_alike(made, [0, 0, 2, 3], memory=memory)
    for kernel in KERNELS:
        assert_runs_alike(made, [2, 0], kernel=kernel, memory=int(rng.choice([1, some, MEMORY])))
    monkeypatch.setattr(threads, "WORTH", 1)  # both threads take part, however little there is to do
    assert_runs_alike(made, [0, 0, 1, 2])
    for module, name, value in SMALL:
        monkeypatch.setattr(module, name, value)
    planned_anew = replace(made, network=replace(made.network))
    assert_runs_alike(planned_anew, [0, 0, 1, 2])
    assert_runs_alike(planned_anew, [3, 3, 0], memory=some)


SMALL = [
    (fusion, "TOGETHER", 20),
    (fusion, "SUMS", 30),
    (kernels, "BLOCK", 64),
    (products, "UNFOLDED", 100),
    (products, "MOST_ROWS", ROWS),
]
"""How much is computed at once: less than these networks have."""


def planned(network: FixedNetwork) -> Plan | None:
    """How the native engine runs it, if its sums stay within exact arithmetic."""
    try:
        return plan(network.separated, "cpu", None)
    except UnsupportedError:
        return None


def test_the_reference_runs_populations_that_feed_their_own_channels_as_if_they_were_whole() -> None:
    for seed in MORE_SEEDS:
        network = random_network(seed)
        if network.separated is not network:
            batch = samples(network, np.random.default_rng(seed), 2, moving=True)
            want, got = settled(network, batch), run_whole(get_engine("reference"), network, batch, FIELDS)
            with naming(f"seed {seed}"):
                for population in network.computed:
                    for field, arrays in want.items():
                        array = arrays[population.name].reshape(2, network.timesteps, *population.shape)
                        np.testing.assert_array_equal(getattr(got, field)[population.name], array, population.name)


def settled(network: FixedNetwork, batch: IntArray) -> dict[str, dict[str, IntArray]]:
    """u and v of whole populations, each timestep computed again and again until what they send stays as it is."""
    sequence = as_sequence(network, batch).astype(np.int64)
    sent, u, v = (
        {p.name: np.zeros((*sequence.shape[:2], p.neurons), np.int64) for p in network.populations} for _ in range(3)
    )
    if network.encoding.mode != "bias":
        sent[network.entry] = sequence
    for t in range(network.timesteps):
        for _ in range(2 + sum(population.shape[0] for population in network.populations)):
            before = {name: values[:, t].copy() for name, values in sent.items()}
            for population in network.computed:
                data = sequence[:, t] << BIAS_EXPONENT if network.driven(population) else 0
                states = [array[population.name][:, t - 1] * (t > 0) for array in (u, v)]
                made = timestep(population, states, arriving(network, population, sent, t), data)
                for array, now in zip((u, v, sent), made, strict=True):
                    array[population.name][:, t] = now
            if all(np.array_equal(before[name], values[:, t]) for name, values in sent.items()):
                break
        else:
            pytest.fail(f"timestep {t} does not settle")
    return {"u": u, "v": v}


def arriving(network: FixedNetwork, population: FixedPopulation, sent: Mapping[str, IntArray], t: int) -> IntArray:
    """a_in at timestep t: (samples, neurons)."""
    total = np.zeros_like(sent[population.name][:, t])
    for projection in network.inputs_of(population.name):
        for delay, matrix in projection.by_delay:
            if t >= delay:
                total += projection.shift((matrix @ sent[projection.source][:, t - delay].T).T)
    return total


def timestep(
    population: FixedPopulation, states: Sequence[IntArray], a_in: IntArray, data: IntArray | int
) -> tuple[IntArray, ...]:
    """u, v and what is sent. data: what enters as bias."""
    if population.kind == "relay":
        return (a_in + population.bias,) * 3
    own = {name: getattr(population, name) for name in ("u_decay", "v_decay", "threshold")}
    return cuba_step(*states, a_in, bias=population.shifted_bias + data, **own)


def test_networks_of_every_kind_are_drawn_and_take_every_path() -> None:
    seen, native = Counter[str](), get_engine("native")
    for seed in SEEDS:
        network = random_network(seed)
        seen.update(set(drawn(network)))
        made = planned(network)
        if made is None:
            seen["refused"] += 1
            continue
        batch = samples(network, np.random.default_rng(seed), 2, moving=True)
        results = [run_whole(native, network, batch) for _ in range(2)]
        seen.update(set(taken(network.separated, made)))
        for population in network.computed:
            if population.kind == "lif":
                seen["fires" if results[0].counts[population.name].any() else "is silent"] += 1
    wanted = DRAWN | TAKEN | (COMPILED if FOUND and dot8.works() else set())
    assert {what for what in wanted if seen[what] < FEWEST} == set(), seen
    assert seen["refused"] <= len(SEEDS) // 20
    assert seen["fires"] > seen["is silent"]


DRAWN = {
    *(kind for kind in KINDS if kind != "axial"),
    *AXES,
    *("input spikes", "input graded", "input signed", "input bias"),
    *("output readout", "output lif", "output relay"),
    *("stride", "padding", "window of the source", "window of the target", "seen in another shape"),
    *("delay", "delay of each synapse", "sign", "odd weights", "exponent above 0", "exponent below 0"),
    *("fed by a relay", "feeds itself", "circle of several", "one timestep", "nothing feeds it"),
    *("own bias", "own threshold", "own u_decay", "own v_decay"),
}
TAKEN = {
    *("float32", "float64", "lif", "lif of float64", "relay", "sums of float64", "two of them added of float64"),
    *("side by side, one-to-one", "signed bytes beside spikes"),
}
COMPILED = {
    *("dot8", "lif8", "lif8 of float64", "relay8", "along8", "gathered", "joined", "side by side, axial"),
    *("noted", "computed with a relay", "two of them added"),
}
"""Where the processor multiplies bytes."""
FEWEST = 2
"""Networks that have each of these, at least."""


def drawn(network: FixedNetwork) -> Iterator[str]:
    """What there is in a network."""
    encoding = network.encoding
    yield f"input {'signed' if getattr(encoding, 'first', 0) < 0 else encoding.mode}"
    yield f"output {network.output.kind}"
    if network.timesteps == 1:
        yield "one timestep"
    if network.separated is not network:
        yield "feeds itself" if any(p.source == p.target for p in network.projections) else "circle of several"
    for population in network.computed:
        yield from (f"own {name}" for name in PARAMETERS if np.unique(getattr(population, name)).size > 1)
        if not network.inputs_of(population.name) and not network.driven(population):
            yield "nothing feeds it"
    for projection in network.projections:
        yield from (what for what, there in traits(network, projection).items() if there)


PARAMETERS = ("bias", "threshold", "u_decay", "v_decay")


def traits(network: FixedNetwork, projection: FixedProjection) -> dict[str, bool]:
    """What may be said of a projection, and whether it is so."""
    geometry = projection.geometry
    return {
        geometry.axis or geometry.kind: True,
        "stride": geometry.stride != (1, 1),
        "padding": geometry.padding != (0, 0),
        "window of the source": geometry.source_channels is not None,
        "window of the target": geometry.target_channels is not None,
        "seen in another shape": geometry.source != network.population(projection.source).shape,
        "delay": projection.delay.ndim == 0 and projection.max_delay > 0,
        "delay of each synapse": projection.delay.ndim > 0,
        "sign": projection.sign is not None,
        "odd weights": bool(np.any(projection.weight % 2)),
        "exponent above 0": projection.weight_exp > 0,
        "exponent below 0": projection.weight_exp < 0,
        "fed by a relay": network.population(projection.source).kind == "relay",
    }


def taken(network: FixedNetwork, made: Plan) -> Iterator[str]:
    """How the native engine computes a network, of which it has run two batches of one shape."""
    if any(tapes.free for tapes in made.tapes.values()):
        yield "noted"
    for step in made.steps:
        apart = "relay" if step.population.kind == "relay" else "lif"
        number = "" if apart == "relay" or step.neurons.narrow else " of float64"
        yield (step.fused.loop.__name__ if step.fused else apart) + number
        if step.relay:
            yield "computed with a relay"
        if step.extra:
            yield "two of them added" + number
        if step.sums == np.float64:
            yield "sums of float64"
        for product in (intake.product for intake in step.intakes):
            yield product.kernel
            if isinstance(product.packed, Packed) and product.packed.sparse.size:
                yield "gathered"
            if len(product.projections) > 1:
                kind = product.projection.geometry.kind
                yield f"side by side, {kind}" if product.beside else "joined"
                kinds = {network.population(p.source).kind for p in product.projections}
                if kinds == {"input", "lif"} and entry_type(network) is np.int8:
                    yield "signed bytes beside spikes"
