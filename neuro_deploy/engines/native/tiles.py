"""Tiles of products of bytes, as LLVM code: numba has no instruction that multiplies bytes by fours.

A tile is ROWS rows times some registers of columns, whose sums stay in registers while all factors are gone through.
One side's factors are rows of bytes, of which four at a time meet all columns; a row begins at any address and goes on
in segments of one length, so that nothing needs to be copied first. The other side's lie packed, by fours, for all
columns of the tile. Sources are unsigned and weights signed, so that it matters which side is which.

Sums of four products enter an int32 at once. AVX2 adds pairs in 16 bits first, which holds for sources up to 127.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils as untyped
from numba.core.registry import cpu_target
from numba.extending import intrinsic

Array = npt.NDArray[Any]
cgutils: Any = untyped
QUAD = 4
"""Factors whose products are added at once."""
BYTE, INT, LONG = ir.IntType(8), ir.IntType(32), ir.IntType(64)


@dataclass(frozen=True)
class Instructions:
    """lanes: int32 in a register. rows, vectors: of a tile, for its sums to stay in registers. top: of sources."""

    name: str
    lanes: int
    rows: int
    vectors: int
    top: int


INSTRUCTIONS = {
    "+avx512vnni": Instructions("AVX512-VNNI", 16, 8, 3, 255),
    "+avxvnni": Instructions("AVX-VNNI", 8, 6, 2, 255),
    "+avx2": Instructions("AVX2", 8, 4, 2, 127),
}
"""LLVM's name of a feature -> what it is used for, the best first."""


def _found() -> Instructions | None:
    """The best that numba compiles for here."""
    features = set(cpu_target.target_context.codegen().magic_tuple()[2].split(","))
    return next((made for feature, made in INSTRUCTIONS.items() if feature in features), None)


FOUND = _found()
LANES, ROWS, VECTORS = (FOUND.lanes, FOUND.rows, FOUND.vectors) if FOUND else (1, 1, 1)
PANEL = LANES * VECTORS
"""Columns that lie packed together."""
REGISTER = ir.VectorType(INT, LANES)
FOURS = ir.VectorType(BYTE, QUAD * LANES)
SIZE = QUAD * LANES
"""Bytes of a register."""


def tile(vectors: int, *, weights_in_rows: bool = False) -> Any:
    """A tile of so many registers of columns, for use in compiled loops.

    Its arguments are whole numbers: addresses of the rows' addresses and of the segments' offsets in a row; how many
    segments, and how many fours each; addresses of what is packed and of the first sum; columns of a row of sums, and
    how many of the tile's are wanted.
    """

    def code(context: Any, build: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
        starts, segments, count, quads, packed, out, wide, left = arguments
        sums = [[cgutils.alloca_once(build, REGISTER) for _ in range(vectors)] for _ in range(ROWS)]
        for cell in (cell for row in sums for cell in row):
            build.store(ir.Constant(REGISTER, None), cell)
        at = cgutils.alloca_once_value(build, packed)
        rows = [build.load(_at(build, starts, LONG, 8 * row)) for row in range(ROWS)]
        with cgutils.for_range(build, count, intp=LONG) as segment:
            offset = build.load(build.gep(_at(build, segments, LONG), [segment.index]))
            begins = [build.add(row, offset) for row in rows]
            with cgutils.for_range(build, quads, intp=LONG) as quad:
                now, here = build.load(at), build.mul(quad.index, LONG(QUAD))
                columns = [_unaligned(build, _at(build, now, FOURS, SIZE * j)) for j in range(vectors)]
                for begin, row in zip(begins, sums, strict=True):
                    four = _unaligned(build, _at(build, build.add(begin, here), INT))
                    spread = build.bitcast(_splat(build, four), FOURS)
                    for cell, column in zip(row, columns, strict=True):
                        sides = (column, spread) if weights_in_rows else (spread, column)
                        build.store(_added(build, build.load(cell), *sides), cell)
                build.store(build.add(now, LONG(SIZE * vectors)), at)
        for index, row in enumerate(sums):
            _store(build, row, build.add(out, build.mul(wide, LONG(4 * index))), left)
        return context.get_dummy_value()

    signature = types.void(*[types.intp] * 8)
    return intrinsic(lambda _typing, _a, _b, _c, _d, _e, _f, _g, _h: (signature, code))


def interleave() -> Any:
    """Packs LANES columns of four rows. Arguments: the rows' addresses, and that of SIZE bytes to be written."""

    def code(context: Any, build: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
        some = ir.VectorType(BYTE, LANES)
        a, b, c, d = (_unaligned(build, _at(build, address, some)) for address in arguments[:QUAD])
        order = ir.VectorType(INT, 2 * LANES)
        pairs = ir.Constant(order, [n for i in range(LANES) for n in (i, LANES + i)])
        left, right = build.shuffle_vector(a, b, pairs), build.shuffle_vector(c, d, pairs)
        every = [n for i in range(0, 2 * LANES, 2) for n in (i, i + 1, 2 * LANES + i, 2 * LANES + i + 1)]
        made = build.shuffle_vector(left, right, ir.Constant(ir.VectorType(INT, QUAD * LANES), every))
        build.store(made, _at(build, arguments[QUAD], FOURS)).align = 1
        return context.get_dummy_value()

    signature = types.void(*[types.intp] * (QUAD + 1))
    return intrinsic(lambda _typing, _a, _b, _c, _d, _e: (signature, code))


def _store(build: ir.IRBuilder, row: list[Any], line: Any, left: Any) -> None:
    """Those sums of a row that are wanted."""
    order = ir.Constant(REGISTER, list(range(LANES)))
    name = f"llvm.masked.store.v{LANES}i32.p0"
    for j, cell in enumerate(row):
        rest = build.trunc(build.sub(left, LONG(LANES * j)), INT)
        wanted = build.icmp_signed("<", order, _splat(build, rest))
        pointer = _at(build, line, REGISTER, SIZE * j)
        _call(build, name, ir.VoidType(), build.load(cell), pointer, INT(4), wanted)


def _added(build: ir.IRBuilder, total: Any, sources: Any, weights: Any) -> Any:
    """total + the sums of four products, lane by lane."""
    if FOUND is INSTRUCTIONS["+avx2"]:
        short = ir.VectorType(ir.IntType(16), 2 * LANES)
        pairs = _call(build, "llvm.x86.avx2.pmadd.ub.sw", short, sources, weights)
        fours = _call(build, "llvm.x86.avx2.pmadd.wd", REGISTER, pairs, ir.Constant(short, [1] * (2 * LANES)))
        return build.add(total, fours)
    return _call(build, f"llvm.x86.avx512.vpdpbusd.{32 * LANES}", REGISTER, total, sources, weights)


def _call(build: ir.IRBuilder, name: str, kind: Any, *arguments: Any) -> Any:
    signature = ir.FunctionType(kind, [argument.type for argument in arguments])
    return build.call(cgutils.get_or_insert_function(build.module, signature, name), arguments)


def _at(build: ir.IRBuilder, address: Any, kind: Any, further: int = 0) -> Any:
    return build.inttoptr(build.add(address, LONG(further)), ir.PointerType(kind))


def _unaligned(build: ir.IRBuilder, pointer: Any) -> Any:
    value = build.load(pointer)
    value.align = 1
    return value


def _splat(build: ir.IRBuilder, value: Any) -> Any:
    nothing = ir.Constant(REGISTER, ir.Undefined)
    one = build.insert_element(nothing, value, INT(0))
    return build.shuffle_vector(one, nothing, ir.Constant(REGISTER, None))


def packed(weight: Array, segments: int) -> Array:
    """Weights (sources, targets), int8, as tiles read columns: panels of targets, in each fours of a segment's sources.

    Sources that fill up fours weigh 0, so that what is read in their place does not matter.
    """
    sources, targets = weight.shape
    each = weight.reshape(segments, sources // segments, targets)
    quads, whole = -(-each.shape[1] // QUAD), -(-targets // LANES) * LANES
    filled = np.zeros((segments, quads * QUAD, whole), np.int8)
    filled[:, : each.shape[1], :targets] = each
    fours = filled.reshape(segments * quads, QUAD, whole)
    panels = [fours[:, :, start : start + PANEL] for start in range(0, whole, PANEL)]
    return np.concatenate([panel.transpose(0, 2, 1).reshape(-1) for panel in panels])


def lined(weight: Array) -> Array:
    """Weights (targets, sources), int8, as tiles read rows: (targets, whole fours)."""
    return np.pad(weight, ((0, 0), (0, -weight.shape[1] % QUAD))).astype(np.int8)
