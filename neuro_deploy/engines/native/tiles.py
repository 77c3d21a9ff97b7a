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
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from neuro_deploy.engines.native.llvm import BYTE, INT, LONG, at_address, call, cgutils, splat, store_some, unaligned

Array = npt.NDArray[Any]
QUAD = 4
"""Factors whose products are added at once."""


@dataclass(frozen=True)
class Instructions:
    """lanes: int32 in a register. rows, vectors: of a tile, for its sums to stay in registers. top: of sources.

    few: share of sources that spike, up to which adding up their weights is faster (docs/performance.md). blocks: of
    targets, whose sums of 16 bits stay in registers.
    """

    name: str
    lanes: int
    rows: int
    vectors: int
    top: int
    few: float
    blocks: int


INSTRUCTIONS = {
    "+avx512vnni": Instructions("AVX512-VNNI", 16, 8, 3, 255, 0.2, 8),
    "+avxvnni": Instructions("AVX-VNNI", 8, 6, 2, 255, 0.2, 6),
    "+avx2": Instructions("AVX2", 8, 4, 2, 127, 0.3, 6),
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
        rows = [build.load(at_address(build, starts, LONG, 8 * row)) for row in range(ROWS)]
        with cgutils.for_range(build, count, intp=LONG) as segment:
            offset = build.load(build.gep(at_address(build, segments, LONG), [segment.index]))
            begins = [build.add(row, offset) for row in rows]
            with cgutils.for_range(build, quads, intp=LONG) as quad:
                now, here = build.load(at), build.mul(quad.index, LONG(QUAD))
                columns = [unaligned(build, at_address(build, now, FOURS, SIZE * j)) for j in range(vectors)]
                for begin, row in zip(begins, sums, strict=True):
                    four = unaligned(build, at_address(build, build.add(begin, here), INT))
                    spread = build.bitcast(splat(build, four, LANES), FOURS)
                    for cell, column in zip(row, columns, strict=True):
                        sides = (column, spread) if weights_in_rows else (spread, column)
                        build.store(_added(build, build.load(cell), *sides), cell)
                build.store(build.add(now, LONG(SIZE * vectors)), at)
        for index, row in enumerate(sums):
            line = build.add(out, build.mul(wide, LONG(4 * index)))
            for j, cell in enumerate(row):
                store_some(build, build.load(cell), at_address(build, line, REGISTER, SIZE * j), left, LANES * j)
        return context.get_dummy_value()

    signature = types.void(*[types.intp] * 8)
    return intrinsic(lambda _typing, _a, _b, _c, _d, _e, _f, _g, _h: (signature, code))


def interleave() -> Any:
    """Packs LANES columns of four rows. Arguments: the rows' addresses, and that of SIZE bytes to be written."""

    def code(context: Any, build: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
        some = ir.VectorType(BYTE, LANES)
        a, b, c, d = (unaligned(build, at_address(build, address, some)) for address in arguments[:QUAD])
        order = ir.VectorType(INT, 2 * LANES)
        pairs = ir.Constant(order, [n for i in range(LANES) for n in (i, LANES + i)])
        left, right = build.shuffle_vector(a, b, pairs), build.shuffle_vector(c, d, pairs)
        every = [n for i in range(0, 2 * LANES, 2) for n in (i, i + 1, 2 * LANES + i, 2 * LANES + i + 1)]
        made = build.shuffle_vector(left, right, ir.Constant(ir.VectorType(INT, QUAD * LANES), every))
        build.store(made, at_address(build, arguments[QUAD], FOURS)).align = 1
        return context.get_dummy_value()

    signature = types.void(*[types.intp] * (QUAD + 1))
    return intrinsic(lambda _typing, _a, _b, _c, _d, _e: (signature, code))


def _added(build: ir.IRBuilder, total: Any, sources: Any, weights: Any) -> Any:
    """total + the sums of four products, lane by lane."""
    if FOUND is INSTRUCTIONS["+avx2"]:
        short = ir.VectorType(ir.IntType(16), 2 * LANES)
        pairs = call(build, "llvm.x86.avx2.pmadd.ub.sw", short, sources, weights)
        fours = call(build, "llvm.x86.avx2.pmadd.wd", REGISTER, pairs, ir.Constant(short, [1] * (2 * LANES)))
        return build.add(total, fours)
    return call(build, f"llvm.x86.avx512.vpdpbusd.{32 * LANES}", REGISTER, total, sources, weights)


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
