"""NetX graphs: the schema and its specification, what is written, what is refused, and files from hostile strangers."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers import chain, graph
from property.test_netx_graph_round_trip import assert_same_network, round_trip

from neuro_deploy.errors import FileError, FormatError, NeuroDeployError, RangeError, UnsupportedError
from neuro_deploy.network import (
    KINDS,
    BiasEncoding,
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    Geometry,
    GradedEncoding,
    SpikeEncoding,
)
from neuro_deploy.netx import graph_schema, hostile, read, save
from neuro_deploy.netx.chain_rules import is_chain
from neuro_deploy.netx.graph_writer import write_graph
from neuro_deploy.netx.meta import meta_text

SPECIFICATION = Path(__file__).parents[2] / "docs" / "netx_format.md"


def small(**changes: Any) -> FixedNetwork:
    """input (4,) -> h, h -> readout, and a second projection h -> readout with delays."""
    populations = (
        FixedPopulation("input", "input", (4,)),
        FixedPopulation("h.0", "lif", (3,), np.array([1, 2, 3]), np.asarray(90), v_decay=np.asarray(2048)),
        FixedPopulation("readout", "readout", (2,)),
    )
    projections = (
        FixedProjection("input", "h.0", 2 * np.arange(12).reshape(3, 4)),
        FixedProjection("h.0", "readout", 2 * np.arange(6).reshape(2, 3)),
        FixedProjection("h.0", "readout", -2 * np.arange(6).reshape(2, 3), delay=np.arange(6).reshape(2, 3)),
    )
    return replace(FixedNetwork(populations, projections, 3, GradedEncoding((4,), levels=15)), **changes)


# --- the specification


def _rows(heading: str) -> list[tuple[str, ...]]:
    section = SPECIFICATION.read_text().split(f"### {heading}\n")[1].split("\n#")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines[2:]]


@pytest.mark.parametrize(
    ("heading", "fields", "types"),
    [
        ("Fields of a population", graph_schema.POPULATION_FIELDS, ("input", "lif", "relay", "readout")),
        ("Fields of a projection", graph_schema.PROJECTION_FIELDS, KINDS),
    ],
)
def test_the_specification_and_the_schema_say_the_same(heading: str, fields: Any, types: tuple[str, ...]) -> None:
    said = [
        (
            f"`{field.path}`",
            "all" if field.types == types else ", ".join(field.types),
            field.dtype,
            " or ".join(field.shapes),
            field.range(),
            field.absence(),
            field.meaning,
        )
        for field in fields
    ]
    assert _rows(heading) == said


@pytest.mark.parametrize(
    "limit",
    [
        f"1 to {graph_schema.MAX_POPULATIONS:,} of them",
        f"at most\n  {graph_schema.MAX_PROJECTIONS:,}",
        f"pass {graph_schema.MAX_PARTS:,}.",
        f"at most {graph_schema.MAX_NAME}\n  bytes",
        f"{graph_schema.NEURON_BYTES} for a neuron",
        f"the text `{graph_schema.FORMAT}`",
        f"`version`, the whole number {graph_schema.VERSION}",
        f"at most {hostile.MAX_CHUNKS:,} of them",
    ],
)
def test_the_specification_states_the_limits(limit: str) -> None:
    assert limit in SPECIFICATION.read_text()


# --- writing


def test_a_file_holds_the_fields_of_netx(tmp_path: Path) -> None:
    write_graph(graph(1), tmp_path / "g.net")
    with h5py.File(tmp_path / "g.net") as file:
        assert dict(file.attrs) == {"format": "netx-graph", "version": 1}
        assert set(file) == {"meta", "population", "projection"}
        readout = file["population/readout"]
        assert readout["neuron/vThMant"][()] == 131_071
        assert set(readout["neuron"]) == {"iDecay", "type", "vDecay", "vThMant"}
        assert set(file["population/token"]) == {"bias", "index", "shape", "type"}
        assert file["population/cell/index"][()] == 2
        patch = file["projection/0"]
        assert set(patch) == {"source", "stride", "target", "target_channels", "type", "weight"}
        assert (patch["source"][0], patch["target"][0], patch["type"][0]) == (b"input", b"h", b"conv2d")
        assert patch["weight"].dtype == np.int16
        assert json.loads(file["meta/document"][()])["encoding"]["first"] == -15


def test_large_datasets_are_packed_and_small_ones_are_not(tmp_path: Path) -> None:
    weight = np.zeros((600, 4000), np.int16)
    weight[:, ::7] = 2
    network = small(
        populations=(FixedPopulation("input", "input", (4000,)), _lif(600)),
        projections=(FixedProjection("input", "out", weight, weight_exp=1),),
        encoding=SpikeEncoding((4000,)),
    )
    assert_same_network(network, round_trip(network, tmp_path / "g.net"))
    with h5py.File(tmp_path / "g.net") as file:
        packed = file["projection/0/weight"]
        assert (packed.compression, packed.shuffle, packed.chunks) == ("gzip", True, (131, 4000))
        assert file["population/out/shape"].chunks is None
    assert (tmp_path / "g.net").stat().st_size < weight.nbytes / 20


def _lif(neurons: int) -> FixedPopulation:
    return FixedPopulation("out", "lif", (neurons,), threshold=np.asarray(9))


def test_dense_synapses_may_see_populations_in_another_shape(tmp_path: Path) -> None:
    geometry = Geometry("dense", (16,), (2, 3, 1), source_channels=(3, 9), target_channels=(1, 2))
    network = FixedNetwork(
        (FixedPopulation("input", "input", (1, 4, 4)), FixedPopulation("out", "lif", (6,), threshold=np.asarray(7))),
        (FixedProjection("input", "out", 2 * np.arange(18).reshape(3, 6), geometry=geometry),),
        2,
        SpikeEncoding((1, 4, 4)),
    )
    assert_same_network(network, round_trip(network, tmp_path / "g.net"))


def test_data_that_enter_as_bias_are_written_as_a_matrix_or_as_one_number(tmp_path: Path) -> None:
    driven = replace(chain(3, (4, 3), mode="bias", readout=False), meta={"source": {"path": "x"}})
    assert_same_network(driven, round_trip(driven, tmp_path / "a.net"))
    stock = replace(driven, encoding=BiasEncoding("p0", (4,), np.asarray(64.0), np.asarray(2.5)))
    assert_same_network(stock, round_trip(stock, tmp_path / "b.net"))
    ranged = replace(driven, encoding=replace(driven.encoding, integers=GradedEncoding((4,), 0.5, -1.0, 7, -8)))
    assert_same_network(ranged, round_trip(ranged, tmp_path / "c.net"))


def test_an_encoding_that_does_not_say_its_first_level_starts_at_0(tmp_path: Path) -> None:
    write_graph(small(), tmp_path / "g.net")
    with h5py.File(tmp_path / "g.net", "a") as file:
        document = json.loads(file["meta/document"][()])
        del document["encoding"]["first"]
        _put(file, "meta/document", json.dumps(document))
    assert read(tmp_path / "g.net").encoding == small().encoding


def test_save_writes_a_graph_for_what_a_chain_has_no_place_for(tmp_path: Path) -> None:
    plain = chain(1, (4, 3, 2), readout=False)
    first, last = plain.projections
    middle = plain.populations[1]
    window = Geometry("dense", (3,), (2,), source_channels=(0, 2))
    others = [
        graph(1),
        small(),
        replace(plain, projections=(first, replace(last, weight_exp=1))),
        replace(plain, projections=(first, replace(last, delay=np.asarray(1)))),
        replace(plain, projections=(first, replace(last, sign=np.array([1, -1])))),
        replace(plain, projections=(first, replace(last, weight=last.weight[:, :2], geometry=window))),
        replace(plain, populations=(plain.populations[0], _relay("p1", 3), plain.output)),
        replace(plain, populations=(plain.populations[0], replace(middle, shape=(3, 1, 1)), plain.output)),
    ]
    assert is_chain(plain)
    for index, network in enumerate(others):
        assert save(network, tmp_path / f"{index}.net") == "graph"
        assert_same_network(network, read(tmp_path / f"{index}.net"))


def _relay(name: str, neurons: int) -> FixedPopulation:
    return FixedPopulation(name, "relay", (neurons,))


@pytest.mark.lava
def test_save_writes_a_chain_in_layer_order_where_the_network_is_one(tmp_path: Path) -> None:
    network = chain(1, (4, 3, 2), readout=False)
    turned = replace(network, projections=network.projections[::-1])
    assert save(turned, tmp_path / "n.net") == "chain"
    assert_same_network(network, read(tmp_path / "n.net"))


@pytest.mark.lava
def test_the_stock_reader_fails_at_once_on_a_graph(tmp_path: Path) -> None:
    import neuro_deploy.lava_compat

    neuro_deploy.lava_compat.require()
    from lava.lib.dl.netx import hdf5

    write_graph(graph(1), tmp_path / "g.net")
    with pytest.raises(KeyError, match="layer"):
        hdf5.Network(net_config=str(tmp_path / "g.net"))


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "g.net"
    write_graph(small(), path)
    old = path.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(FileError, match=r"g\.net: cannot be written: No space left on device\nhint: the disk is full"):
        write_graph(graph(1), path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_a_refusal_while_the_file_is_made_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise UnsupportedError("no")

    monkeypatch.setattr("neuro_deploy.netx.graph_writer.write_meta", refuse)
    with pytest.raises(UnsupportedError):
        write_graph(small(), tmp_path / "g.net")
    assert list(tmp_path.iterdir()) == []


def _renamed(name: str) -> FixedNetwork:
    network = small()
    first, second, third = network.projections
    return replace(
        network,
        populations=(network.populations[0], replace(network.populations[1], name=name), network.output),
        projections=(replace(first, target=name), replace(second, source=name), replace(third, source=name)),
    )


def _with(index: int, **changes: Any) -> FixedNetwork:
    network = small()
    populations = list(network.populations)
    populations[index] = replace(populations[index], **changes)
    return replace(network, populations=tuple(populations))


def _weights(weight: Any) -> FixedNetwork:
    network = small()
    return replace(network, projections=(replace(network.projections[0], weight=weight), *network.projections[1:]))


def _hidden_readout() -> FixedNetwork:
    network = small()
    readout = FixedPopulation("h.0", "readout", (3,))
    return replace(network, populations=(network.populations[0], readout, network.output))


def _driven_relay() -> FixedNetwork:
    return FixedNetwork((_relay("p0", 4),), (), 2, BiasEncoding("p0", (4,), np.eye(4), np.zeros(4)))


def _graded_input(**changes: Any) -> FixedNetwork:
    return small(encoding=replace(small().encoding, **changes))


def _padded() -> FixedNetwork:
    geometry = Geometry("conv2d", (1, 1, 1), (1, 2, 2), stride=(20000, 20000), padding=(10000, 10000))
    return FixedNetwork(
        (
            FixedPopulation("input", "input", (1, 1, 1)),
            FixedPopulation("out", "lif", (1, 2, 2), threshold=np.asarray(1)),
        ),
        (FixedProjection("input", "out", np.full((1, 1, 1, 1), 2), geometry=geometry),),
        2,
        SpikeEncoding((1, 1, 1)),
    )


UNWRITTEN: list[tuple[str, Callable[[], FixedNetwork], type[NeuroDeployError], str]] = [
    ("slash", partial(_renamed, "a/b"), UnsupportedError, "population/'a/b': is no name for an HDF5 group"),
    ("dot", partial(_renamed, "."), UnsupportedError, r"population/'\.': is no name for an HDF5 group"),
    ("dots", partial(_renamed, ".."), UnsupportedError, r"population/'\.\.': is no name for an HDF5 group"),
    ("empty", partial(_renamed, ""), UnsupportedError, "population/'': is no printable name"),
    ("control", partial(_renamed, "a\n"), UnsupportedError, r"population/'a\\n': is no printable name"),
    ("part", partial(_renamed, "a#0"), UnsupportedError, "population/'a#0': holds '#', which marks parts"),
    ("long", partial(_renamed, "ä" * 128), UnsupportedError, "has 256 bytes, 255 are allowed"),
    ("flat", partial(_with, 1, shape=(3, 1)), UnsupportedError, r"'h\.0': has shape \(3, 1\); \(neurons,\) or"),
    ("fires", partial(_with, 2, threshold=np.asarray(5)), UnsupportedError, "has a threshold, for which a readout has"),
    ("input", partial(_with, 0, bias=np.ones(4, int)), UnsupportedError, "has a bias, for which an input has no place"),
    ("leak", partial(_with, 0, v_decay=np.asarray(1)), UnsupportedError, "has decays, for which a input has no place"),
    (
        "odd",
        partial(_weights, np.full((3, 4), 3)),
        RangeError,
        r"projection/0/weight \(input -> h\.0\): weight spans 3 to",
    ),
    ("high", partial(_weights, np.full((3, 4), 255)), RangeError, "weight spans 255 to 255, allowed: even numbers"),
    ("meta", lambda: small(meta={"x": np.zeros(2)}), UnsupportedError, "meta holds what JSON does not"),
    ("levels", partial(_graded_input, levels=0), UnsupportedError, "scale 1.0, low 0.0, levels 0; .* 1 to 255 are"),
    ("most", partial(_graded_input, levels=256), UnsupportedError, "levels 256; .* from 1 to 255 are allowed"),
    ("half", partial(_graded_input, levels=2.5), UnsupportedError, "levels 2.5; .* from 1 to 255 are allowed"),
    ("first", partial(_graded_input, first=-129), UnsupportedError, "first -129; -128 to 0 is allowed"),
    ("firsts", partial(_graded_input, first=1), UnsupportedError, "first 1; -128 to 0 is allowed"),
    ("scale", partial(_graded_input, scale=np.inf), UnsupportedError, "scale inf, low 0.0, levels 15; finite numbers"),
    ("inner", _hidden_readout, UnsupportedError, r"population/h\.0: is a readout, which only the last population is"),
    ("driven", _driven_relay, UnsupportedError, "population/p0: is 'relay'; data enter as bias of a lif population"),
    ("padded", _padded, UnsupportedError, "projection/0/weight: pads its source to 400,040,001 numbers"),
    ("spikes", lambda: small(timesteps=60_000), RangeError, "readout: v can reach .*hardware spikes above 8,388,544"),
]


@pytest.mark.parametrize(("make", "kind", "said"), [case[1:] for case in UNWRITTEN], ids=[c[0] for c in UNWRITTEN])
def test_the_writer_refuses_what_would_not_come_back(
    tmp_path: Path, make: Callable[[], FixedNetwork], kind: type[NeuroDeployError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        write_graph(make(), tmp_path / "g.net")
    assert list(tmp_path.iterdir()) == []


def test_levels_without_end_are_not_written() -> None:
    with pytest.raises(UnsupportedError, match="cannot convert float infinity to integer"):
        meta_text(_graded_input(levels=np.inf))


def test_too_many_groups_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_schema, "MAX_PROJECTIONS", 2)
    with pytest.raises(UnsupportedError, match="projection: would hold 3 groups, 2 are allowed"):
        write_graph(small(), tmp_path / "g.net")


# --- reading


Edit = Callable[[h5py.File], None]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("graphs")
    for name, network in (("small", small()), ("graph", graph(3))):
        write_graph(network, folder / name)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _put(file: h5py.File, path: str, value: Any, **how: Any) -> None:
    if path in file:
        del file[path]
    file.create_dataset(path, data=value, **how)


def put(path: str, value: Any, **how: Any) -> Edit:
    return lambda file: _put(file, path, value, **how)


def gone(path: str) -> Edit:
    def edit(file: h5py.File) -> None:
        del file[path]

    return edit


def link(path: str, to: Any) -> Edit:
    def edit(file: h5py.File) -> None:
        if path in file:
            del file[path]
        file[path] = to

    return edit


def attribute(name: str, value: Any) -> Edit:
    def edit(file: h5py.File) -> None:
        del file.attrs[name]
        if value is not None:
            file.attrs.create(name, value)

    return edit


def move(path: str, to: str) -> Edit:
    return lambda file: file.move(path, to)


def document(**changes: Any) -> Edit:
    def edit(file: h5py.File) -> None:
        _put(file, "meta/document", json.dumps(json.loads(file["meta/document"][()]) | changes))

    return edit


def empty(path: str, shape: tuple[int, ...], dtype: str, **how: Any) -> Edit:
    def edit(file: h5py.File) -> None:
        if path in file:
            del file[path]
        file.create_dataset(path, shape, dtype, **how)

    return edit


def bomb(file: h5py.File) -> None:
    """A chunk that says 24 bytes and unpacks to 64 MB."""
    del file["projection/0/weight"]
    made = file.create_dataset("projection/0/weight", (3, 4), "i2", chunks=(3, 4), compression="gzip")
    made.id.write_direct_chunk((0, 0), zlib.compress(bytes(64 * 2**20)))


def many(file: h5py.File) -> None:
    for index in range(40):
        file.create_group(f"projection/0/extra{index}")
    for index in range(40):
        file.create_group(f"projection/0/more{index}")


def _graded(**changes: Any) -> dict[str, Any]:
    return {"mode": "graded", "shape": [4], "scale": 1.0, "low": 0.0, "levels": 15, "first": 0} | changes


def _host(population: str) -> dict[str, Any]:
    return {"mode": "bias", "shape": [4], "population": population, "integers": None}


def _hosted(file: h5py.File, population: str, neurons: int, offsets: int | None = None) -> None:
    document(encoding=_host(population))(file)
    _put(file, "meta/encoding/weight", np.zeros((neurons, 4)))
    _put(file, "meta/encoding/offset", np.zeros(offsets or neurons))


def _virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((3, 4), "i2")
    layout[:] = h5py.VirtualSource("secret.net", "layer/0/weight", (3, 4))
    del file["projection/0/weight"]
    file.create_virtual_dataset("projection/0/weight", layout)


def _swap(file: h5py.File) -> None:
    _put(file, "population/input/index", np.int32(1))
    _put(file, "population/h.0/index", np.int32(0))
    document(populations=["h.0", "input", "readout"])(file)


def _reversed(file: h5py.File) -> None:
    _put(file, "projection/1/target", ["input"], dtype="S5")
    _put(file, "projection/1/weight", np.zeros((4, 3), "i2"))


def _fourth(file: h5py.File, name: str, source: list[int] | None, target: list[int] | None) -> None:
    """A projection from a population to itself."""
    group = file.create_group("projection/3")
    for field, text in (("type", "one-to-one"), ("source", name), ("target", name)):
        _put(group, field, [text], dtype=f"S{len(text)}")
    _put(group, "weight", np.int16(2))
    for field, window in (("source_channels", source), ("target_channels", target)):
        if window:
            _put(group, field, np.int32(window))


def _windows_of_the_readout(file: h5py.File) -> None:
    _fourth(file, "readout", [0, 1], [1, 2])


def _circle(file: h5py.File) -> None:
    _fourth(file, "readout", None, None)


def _padding(file: h5py.File) -> None:
    """Padding that the stride takes back: h stays 4 by 3, in between are 10^9 numbers."""
    _put(file, "projection/0/weight", np.zeros((2, 3, 1, 1), "i2"))
    _put(file, "projection/0/padding", np.int32([15_000, 10_000]))
    _put(file, "projection/0/stride", np.int32([10_002, 10_002]))


def _as_conv(file: h5py.File) -> None:
    _put(file, "projection/0/type", ["conv2d"], dtype="S6")


Q = "projection/0"
REFUSED: list[tuple[str, str, Edit, str]] = [
    ("format", "small", attribute("format", "netx-tree"), "@format: is 'netx-tree', this tool reads 'netx-graph'"),
    ("formats", "small", attribute("format", [1, 2]), r"@format: holds int64 of shape \(2,\); one text"),
    ("number", "small", attribute("format", 1), "@format: is 1, this tool reads 'netx-graph'"),
    ("object", "small", attribute("format", h5py.Empty("f")), "@format: holds float32 of shape None"),
    ("later", "small", attribute("version", 2), "@version: is 2, this tool reads 1"),
    ("fraction", "small", attribute("version", 1.0), r"@version: holds float64 of shape \(\)"),
    ("word", "small", attribute("version", "1"), "@version: is '1', this tool reads 1"),
    ("versions", "small", attribute("version", np.zeros(999)), r"@version: holds float64 of shape \(999,\)"),
    ("no version", "small", attribute("version", None), "@version: is None, this tool reads 1"),
    ("no format", "small", attribute("format", None), "layer: no layers: this is not a NetX chain"),
    ("layer", "small", lambda f: f.move("meta", "layer"), "'layer' is no part of a NetX graph"),
    ("fourth", "small", lambda f: f.create_group("layer"), "'layer' is no part of a NetX graph"),
    ("no meta", "small", gone("meta"), "meta/document: is missing"),
    ("no populations", "small", gone("population"), "population: holds no populations"),
    ("no projections", "small", gone("projection"), "projection: is missing"),
    (
        "dataset",
        "small",
        lambda f: (gone("population")(f), put("population", 1)(f)),
        "population: is a dataset, a group",
    ),
    (
        "linked",
        "small",
        link("population/h.0", h5py.SoftLink("/population/input")),
        r"population/h\.0: is a link, which",
    ),
    ("external", "small", link("projection/1", h5py.ExternalLink("x", "/")), "projection/1: is a link, which is not"),
    ("linked field", "small", link(f"{Q}/weight", h5py.SoftLink("/meta")), "projection/0/weight: is a link, which"),
    ("virtual", "small", _virtual, "projection/0/weight: keeps its data in another file"),
    (
        "outside",
        "small",
        empty(f"{Q}/weight", (3, 4), "i2", external="secret"),
        "weight: keeps its data in another file",
    ),
    (
        "hard",
        "small",
        lambda f: link("population/x", f["population/h.0"])(f),
        "index: is 1, as is that of h.0; each from 0 to 3 is wanted once",
    ),
    (
        "gap",
        "small",
        put("population/h.0/index", np.int32(7)),
        r"population/h\.0/index: is 7; each from 0 to 2 is wanted once",
    ),
    (
        "minus",
        "small",
        put("population/h.0/index", np.int32(-1)),
        "index: index holds -1, allowed: whole numbers from 0",
    ),
    ("no index", "small", gone("population/h.0/index"), r"population/h\.0/index: is missing"),
    (
        "circle",
        "small",
        _swap,
        r"h\.0: comes before 'input', which feeds it|is 'lif'; the first population",
    ),
    ("name", "small", move("population/h.0", "population/h#0"), "population/'h#0': holds '#', which marks parts"),
    ("unprintable", "small", move("population/h.0", "population/h\x07"), r"population/'h\\x07': is no printable name"),
    (
        "bytes",
        "small",
        move("population/h.0", b"population/h\xff"),
        r"population: holds b'h\\xff', a name that is no text",
    ),
    (
        "not in meta",
        "small",
        move("population/h.0", "population/g"),
        "projection/0/target: names population 'h.0', which does",
    ),
    ("type", "small", put("population/h.0/type", ["lstm"], dtype="S4"), "type: is 'lstm'; one of input, lif, relay"),
    ("types", "small", put("population/h.0/type", ["lif"] * 2, dtype="S3"), r"type: has shape \(2,\); \(\) or \(1,\)"),
    ("typed", "small", put("population/h.0/type", [7]), r"population/h\.0/type: holds no text"),
    ("bytes type", "small", put("population/h.0/type", [b"\xff"]), "type: holds bytes that are not text"),
    ("field", "small", put("population/h.0/reset", 1), r"population/h\.0: 'reset' is no field of this type"),
    ("neuron field", "small", put("population/h.0/neuron/refDelay", 1), r"'neuron/refDelay' is no field of this type"),
    (
        "neuron",
        "small",
        lambda f: (gone("population/h.0/neuron")(f), put("population/h.0/neuron", 1)(f)),
        "is a dataset",
    ),
    (
        "neurons",
        "small",
        put("population/h.0/neuron/type", ["SDNN"], dtype="S4"),
        "neuron/type: is 'SDNN'; one of CUBA",
    ),
    ("shape", "small", put("population/h.0/shape", np.int32([3, 1])), r"shape: has shape \(2,\); \(1,\) or \(3,\)"),
    (
        "sizes",
        "small",
        put("population/h.0/shape", np.int32([0])),
        "shape: size holds 0, allowed: whole numbers from 1",
    ),
    (
        "giant",
        "small",
        put("population/h.0/shape", np.int32([2**20] * 3)),
        "1,152,921,504,606,846,976 neurons; at most",
    ),
    (
        "bias",
        "small",
        put("population/h.0/bias", np.int32([1, 2])),
        r"bias: has shape \(2,\); \(\) or \(neurons,\).*: 3",
    ),
    ("wide bias", "small", put("population/h.0/bias", np.int64([1, 2, 3])), "bias: holds int64, int32 is wanted"),
    ("bias range", "small", put("population/h.0/bias", np.int32(4096)), "bias: bias mantissa holds 4096, allowed"),
    ("relay bias", "graph", put("population/token/bias", np.int32(2**23)), "bias: relay value holds 8388608, allowed"),
    ("relay", "graph", put("population/token/neuron/vThMant", np.int32(1)), "population/token: 'neuron' is no field"),
    ("threshold", "small", put("population/h.0/neuron/vThMant", np.int32(2**17)), "vThMant holds 131072, allowed"),
    (
        "readout",
        "small",
        put("population/readout/neuron/vThMant", np.int32(9)),
        "vThMant holds 9, allowed: whole numbers",
    ),
    ("decay", "small", put("population/h.0/neuron/vDecay", np.int32(-1)), "neuron/vDecay: decay holds -1, allowed"),
    ("no decay", "small", gone("population/h.0/neuron/iDecay"), r"population/h\.0/neuron/iDecay: is missing"),
    ("numbering", "small", move("projection/2", "projection/02"), "projection: projections must be numbered 0 to 2"),
    ("synapses", "small", put(f"{Q}/type", ["sparse"], dtype="S6"), "type: is 'sparse'; one of dense, conv2d, axial"),
    ("synapse field", "small", put(f"{Q}/stride", np.int32([1, 1])), "projection/0: 'stride' is no field of this type"),
    ("crowd", "small", many, "projection/0: holds 84 names, at most 64"),
    ("source", "small", put(f"{Q}/source", ["x"], dtype="S1"), "projection/0/source: names population 'x', which does"),
    ("no target", "small", gone(f"{Q}/target"), "projection/0/target: is missing"),
    ("out of readout", "small", _windows_of_the_readout, "projection/3/source: leads out of a readout"),
    ("circle of one", "small", _circle, r"projection: projections form a cycle \(readout -> readout\)"),
    ("into input", "small", _reversed, r"projection: projections form a cycle \(input -> h\.0 -> input\)"),
    (
        "weight shape",
        "small",
        put(f"{Q}/weight", np.zeros((4, 3), "i2")),
        r"weight: weight has shape \(4, 3\); \(3, 4\)",
    ),
    ("weight rank", "small", put(f"{Q}/weight", np.zeros(12, "i2")), r"weight: weight has shape \(12,\); \(3, 4\)"),
    ("no weights", "small", put(f"{Q}/weight", np.zeros((3, 0), "i2")), r"weight has shape \(3, 0\); \(3, 4\)"),
    ("null", "small", put(f"{Q}/weight", h5py.Empty("i2")), "weight: has 0 numbers, 1 to 134,217,728 are allowed"),
    (
        "odd",
        "small",
        put(f"{Q}/weight", np.full((3, 4), 3, "i2")),
        "weight: weight holds 3, allowed: even numbers from",
    ),
    ("float", "small", put(f"{Q}/weight", np.zeros((3, 4), "f4")), "weight: holds float32, int16 is wanted"),
    ("unsigned", "small", put(f"{Q}/weight", np.zeros((3, 4), "u2")), "weight: holds uint16, int16 is wanted"),
    (
        "group",
        "small",
        lambda f: (gone(f"{Q}/weight")(f), f.create_group(f"{Q}/weight")),
        "weight: is a group, a dataset",
    ),
    ("compound", "small", put(f"{Q}/weight", np.zeros((3, 4), "i2,i2")), "weight: holds .*int16 is wanted"),
    ("strings", "small", put(f"{Q}/weight", np.full((3, 4), b"ab")), r"weight: holds \|S2, int16 is wanted"),
    ("huge", "small", empty(f"{Q}/weight", (2**20, 2**20), "i2", chunks=(1, 2**10)), "has 1,099,511,627,776 numbers"),
    ("bomb", "small", bomb, r"weight: has a chunk of 24 bytes stored in 6\d,\d{3}"),
    ("filter", "small", empty(f"{Q}/weight", (3, 4), "i2", compression="lzf"), "is packed by filters .*; deflate and"),
    (
        "chunk",
        "small",
        empty(f"{Q}/weight", (3, 4), "i2", chunks=(2**10, 2**10), maxshape=(None, None)),
        "1 chunks of 2,09",
    ),
    ("exponent", "small", put(f"{Q}/weight_exp", np.int32(8)), "weight_exp: weight exponent holds 8, allowed"),
    ("delay", "small", put(f"{Q}/delay", np.int8(63)), "projection/0/delay: delay holds 63, allowed"),
    (
        "delays",
        "small",
        put(f"{Q}/delay", np.zeros((4, 3), "i1")),
        r"delay: has shape \(4, 3\); .*targets: 3; sources: 4",
    ),
    (
        "conv delay",
        "graph",
        put(f"{Q}/delay", np.zeros((2, 3, 2, 2), "i1")),
        r"delay: has shape \(2, 3, 2, 2\); \(\) is",
    ),
    ("sign", "small", put(f"{Q}/sign", np.int8([1, 1])), r"sign: has shape \(2,\); \(targets,\) is wanted; targets: 3"),
    ("signs", "small", put(f"{Q}/sign", np.int8([1, 2, 1])), "projection/0/sign: sign holds 2, allowed"),
    ("window", "small", put(f"{Q}/source_channels", np.int32([2, 5])), r"projection/0: source channels \(2, 5\) of 4"),
    ("turned", "small", put(f"{Q}/target_channels", np.int32([2, 1])), r"target channels \(2, 1\) of 3"),
    ("below", "small", put(f"{Q}/target_channels", np.int32([-1, 1])), "target_channels: channel holds -1, allowed"),
    (
        "narrow",
        "small",
        put(f"{Q}/source_channels", np.int32([0, 2])),
        r"weight has shape \(3, 4\); \(3, 2\) is wanted",
    ),
    ("reshaped", "small", put(f"{Q}/source_shape", np.int32([5])), r"source_shape: is \(5,\), the population has"),
    (
        "axis",
        "graph",
        put("projection/6/axis", ["depth"], dtype="S5"),
        "axis: is 'depth'; one of channel, height, width",
    ),
    ("no axis", "graph", gone("projection/6/axis"), "projection/6/axis: is missing"),
    ("other axis", "graph", put("projection/6/axis", ["width"], dtype="S5"), r"weight has shape \(4, 4\); \(3, 3\)"),
    ("stride", "graph", put(f"{Q}/stride", np.int32([0, 1])), "projection/0/stride: size holds 0, allowed"),
    ("strides", "graph", put(f"{Q}/stride", np.int32([1, 1])), r"weights of shape \(2, 3, 2, 2\) make an output"),
    ("padding", "graph", put(f"{Q}/padding", np.int32([2**24, 2**24])), r"the target has \(2, 4, 3\): conv2d synapses"),
    ("padded", "graph", _padding, "projection/0/weight: pads its source to .* numbers and cuts it into"),
    (
        "flat conv",
        "small",
        _as_conv,
        r"projection/0: conv2d synapses need populations of shape \(channels",
    ),
    ("document", "small", put("meta/document", "{"), "meta/document: is not what this tool writes: JSONDecodeError"),
    ("list", "small", put("meta/document", "[]"), "meta/document: is not what this tool writes: TypeError"),
    ("meta version", "small", document(version=2), "meta/document: has version 2, this tool reads 1"),
    ("timesteps", "small", document(timesteps=0), "meta/document: timesteps is 0"),
    ("proof", "small", document(timesteps=60_000), r"population/readout: v can reach .* in 60,000 timesteps"),
    ("order", "small", document(populations=["h.0", "input", "readout"]), "names populations and readout .*the groups"),
    ("output", "small", document(readout=None), "names populations and readout .*the groups hold"),
    (
        "driven",
        "small",
        document(encoding={"mode": "spikes", "shape": [5]}),
        "input: has 4 neurons, the encoding gives 5",
    ),
    ("first", "small", document(encoding=_graded(first=-129)), "first -129; -128 to 0 is allowed"),
    ("firsts", "small", document(encoding=_graded(first=1)), "first 1; -128 to 0 is allowed"),
    ("whole", "small", document(encoding=_graded(levels=1.5)), "levels 1.5"),
    ("host", "small", document(encoding=_host("h.0")), "meta/encoding/weight: is missing"),
    ("hosted", "small", lambda f: _hosted(f, "x", 3), "meta/document: data enter 'x', which does not exist"),
    (
        "two inputs",
        "small",
        lambda f: _hosted(f, "h.0", 3),
        "population/input: is 'input'; no population is an input here",
    ),
    ("host shape", "small", lambda f: _hosted(f, "h.0", 3, offsets=2), "host weights have shape"),
]


@pytest.mark.parametrize(("base", "edit", "said"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_broken_graphs_are_refused_by_path(
    tmp_path: Path, files: dict[str, bytes], base: str, edit: Edit, said: str
) -> None:
    path = tmp_path / "g.net"
    path.write_bytes(files[base])
    with h5py.File(path, "a") as file:
        edit(file)
    with pytest.raises(FormatError, match=said) as raised:
        read(path)
    assert str(raised.value).startswith(f"{path}:/")


def test_more_timesteps_than_the_readout_was_proven_for_are_refused(tmp_path: Path) -> None:
    write_graph(small(), tmp_path / "g.net")
    assert read(tmp_path / "g.net", 5).timesteps == 5
    with pytest.raises(RangeError, match=r"readout: v can reach .* in 60,000 timesteps"):
        read(tmp_path / "g.net", 60_000)
    with pytest.raises(UnsupportedError, match="timesteps is 0; a whole number from 1"):
        read(tmp_path / "g.net", 0)


def test_the_sizes_of_a_whole_file_are_bounded(
    tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "g.net"
    path.write_bytes(files["small"])
    monkeypatch.setattr(hostile, "MEMORY_BUDGET", 700)
    with pytest.raises(FormatError, match=r"g\.net:/pro.*: makes the file take \d+ bytes unpacked, at most 700 are"):
        read(path)


def test_a_small_file_of_many_large_populations_is_refused_at_once(tmp_path: Path, files: dict[str, bytes]) -> None:
    path = tmp_path / "g.net"
    path.write_bytes(files["small"])
    with h5py.File(path, "a") as file:
        for index in range(3, 40):
            file.copy("population/h.0", f"population/{index}")
            del file[f"population/{index}/bias"]
            _put(file, f"population/{index}/index", np.int32(index))
            _put(file, f"population/{index}/shape", np.int32([2**24]))
    with pytest.raises(FormatError, match=r"population/18: makes the file take 8,589,\d{3},\d{3} bytes unpacked"):
        read(path)


def test_circles_of_too_many_parts_are_refused(
    tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "g.net"
    path.write_bytes(files["graph"])
    monkeypatch.setattr(graph_schema, "MAX_PARTS", 8)
    with pytest.raises(
        FormatError, match=r"projection: populations h to cell feed .* at 4 channels: up to 10 parts, 8 "
    ):
        read(path)
    with pytest.raises(UnsupportedError, match="projection: populations h to cell feed each other"):
        write_graph(graph(3), path)


def test_too_many_groups_are_refused_before_they_are_listed(
    tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "g.net"
    path.write_bytes(files["small"])
    monkeypatch.setattr(graph_schema, "MAX_PROJECTIONS", 2)
    with pytest.raises(FormatError, match="projection: holds 3 names, at most 2 are allowed"):
        read(path)


def test_a_graph_without_projections_is_read(tmp_path: Path) -> None:
    network = chain(3, (4, 3), mode="bias")
    alone = replace(network, populations=network.populations[:1], projections=())
    assert_same_network(alone, round_trip(alone, tmp_path / "g.net"))


def test_a_file_in_the_other_byte_order_means_the_same(tmp_path: Path, files: dict[str, bytes]) -> None:
    path = tmp_path / "g.net"
    path.write_bytes(files["small"])
    with h5py.File(path, "a") as file:
        _put(file, "projection/0/weight", file["projection/0/weight"][()].astype(">i2"))
    assert_same_network(small(), read(path))


def test_truncated_graphs_are_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    path = tmp_path / "g.net"
    whole = files["small"]
    for keep in range(0, len(whole) - 1, len(whole) // 40):
        path.write_bytes(whole[:keep])
        with pytest.raises(FormatError, match="empty, truncated or of another type"):
            read(path)


def test_files_with_flipped_bytes_are_read_or_refused_by_a_named_error(tmp_path: Path, files: dict[str, bytes]) -> None:
    path = tmp_path / "g.net"
    chance = random.Random(7)
    refused = []
    for position in range(0, len(files["small"]), len(files["small"]) // 250):
        broken = bytearray(files["small"])
        broken[position] ^= chance.choice([1, 0x80, 0xFF])
        path.write_bytes(broken)
        try:
            read(path)
        except NeuroDeployError as error:
            refused.append(str(error))
    assert len(refused) > 25
    assert all(message.startswith(str(path)) for message in refused)
