"""Adding up the weights of the sources that spike, as LLVM code: for rows of which few do.

A row's sources are looked at SOME at a time, as bits of a number, and those that spike are listed; then the sums of
some targets stay in registers while the list is gone through. Where weights are small, those of GROUP sources are added
up as bytes first.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from neuro_deploy.engines.native.llvm import (
    BYTE,
    INT,
    LONG,
    SHORT,
    Value,
    at_address,
    call,
    cgutils,
    splat,
    store_some,
    unaligned,
)
from neuro_deploy.engines.native.tiles import FOUND, INSTRUCTIONS, SIZE, Array

SOME = 64
"""Sources that are looked at together."""
USUAL = 16
"""Of these, that spike at most, as a rule."""
BLOCK = SIZE
"""Targets in a register of bytes; two registers of 16 bits hold their sums."""
BLOCKS = FOUND.blocks if FOUND else 1
"""That are summed up together, at most."""
FEW = FOUND.few if FOUND else 1.0
"""Share of sources that spike, up to which this is faster than a product of bytes (docs/performance.md)."""
LEAST = 2 * BLOCK
"""Targets for which it pays to look how many sources spike."""
WORDS = ir.VectorType(SHORT, BLOCK // 2)
TOP = 2**15 - 1
"""Largest magnitude of sums."""
GROUP = 4
"""Sources whose small weights are added up as bytes."""
OFFSET = 128
"""What the lower bytes of a group's words have too much together, so that they never borrow from the upper ones."""


def adder(blocks: int, group: int) -> Any:
    """Sums of a row for so many blocks of targets, for use in compiled loops.

    Its arguments are whole numbers: address of the list of sources that spike, and how many groups these are; address
    of the first source's weights for these targets; bytes from one source's weights to the next one's; address of the
    first sum, int32; targets that are wanted.

    A group's weights are added up as bytes. Words of two such sums are added up as they are, and their upper bytes too:
    the lower bytes' sum is what is left. Both hold modulo 2^16, which is enough for sums of 16 bits.
    """
    signature = types.void(*[types.intp] * 6)
    lanes = ir.VectorType(BYTE, BLOCK)

    def code(context: Any, build: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
        listed, groups, weight, further, out, left = arguments
        both, upper = ([cgutils.alloca_once(build, WORDS) for _ in range(blocks)] for _ in range(2))
        for cell in (*both, *upper):
            build.store(ir.Constant(WORDS, None), cell)
        byte = ir.Constant(WORDS, [8] * WORDS.count)
        with cgutils.for_range(build, groups, intp=LONG) as some:
            begin = build.mul(some.index, LONG(group))
            places = (build.gep(at_address(build, listed, INT), [build.add(begin, LONG(n))]) for n in range(group))
            rows = [build.add(weight, build.mul(build.zext(build.load(place), LONG), further)) for place in places]
            for index in range(blocks):
                each = (unaligned(build, at_address(build, row, lanes, BLOCK * index)) for row in rows)
                more = build.bitcast(reduce(build.add, each), WORDS)
                for cell, part in ((both[index], more), (upper[index], build.ashr(more, byte))):
                    build.store(build.add(build.load(cell), part), cell)
        offset = build.mul(build.and_(build.mul(groups, LONG(OFFSET)), LONG(2**16 - 1)), LONG(2**16 + 1))
        offsets = build.bitcast(splat(build, build.trunc(offset, INT), WORDS.count // 2), WORDS)
        whole = ir.VectorType(INT, WORDS.count)
        for index in range(blocks):
            high = build.load(upper[index])
            low = build.sub(build.sub(build.load(both[index]), build.shl(high, byte)), offsets)
            for half, part in enumerate((low, high)):
                first = BLOCK * index + WORDS.count * half
                store_some(build, build.sext(part, whole), at_address(build, out, whole, 4 * first), left, first)
        return context.get_dummy_value()

    return intrinsic(lambda _typing, _a, _b, _c, _d, _e, _f: (signature, code))


def _count(_context: Any, build: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
    source, sources = arguments
    some, wide = ir.VectorType(BYTE, SOME), ir.VectorType(INT, SOME)
    total, counts = cgutils.alloca_once(build, LONG), cgutils.alloca_once(build, some)
    build.store(LONG(0), total)
    most = LONG(255 * SOME)  # a lane of a byte counts so many words
    parts = build.sdiv(build.add(sources, build.sub(most, LONG(1))), most)
    with cgutils.for_range(build, parts, intp=LONG) as part:
        begin = build.mul(part.index, most)
        left = build.sub(sources, begin)
        here = build.select(build.icmp_signed("<", left, most), left, most)
        build.store(ir.Constant(some, None), counts)
        for there, _ in _each(build, build.add(source, begin), here):
            build.store(build.add(build.load(counts), there), counts)
        every = call(build, f"llvm.vector.reduce.add.v{SOME}i32", INT, build.zext(build.load(counts), wide))
        build.store(build.add(build.load(total), build.zext(every, LONG)), total)
    return build.load(total)


def _list(_context: Any, build: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
    source, sources, listed, first = arguments
    length = cgutils.alloca_once(build, LONG)
    build.store(LONG(0), length)
    put = _compress if FOUND is INSTRUCTIONS["+avx512vnni"] else _pick
    for there, at in _each(build, source, sources):
        bits = build.bitcast(build.icmp_unsigned("!=", there, ir.Constant(there.type, None)), LONG)
        put(build, bits, build.trunc(build.add(first, at), INT), listed, length)
    return build.load(length)


def _each(build: ir.IRBuilder, source: Value, sources: Value) -> Iterator[tuple[Value, Value]]:
    """Code for SOME bytes of a row and where they begin: a loop, and what is left, whose bytes beyond the row are 0."""
    some, end = ir.VectorType(BYTE, SOME), build.sub(sources, build.srem(sources, LONG(SOME)))
    with cgutils.for_range(build, build.sdiv(sources, LONG(SOME)), intp=LONG) as word:
        at = build.mul(word.index, LONG(SOME))
        yield unaligned(build, at_address(build, build.add(source, at), some)), at
    with build.if_then(build.icmp_signed("<", end, sources)):
        there = unaligned(build, at_address(build, build.add(source, end), some))
        order = ir.Constant(some, list(range(SOME)))
        below = build.icmp_unsigned("<", order, splat(build, build.trunc(build.sub(sources, end), BYTE), SOME))
        yield build.select(below, there, ir.Constant(some, None)), end


def _pick(build: ir.IRBuilder, bits: Value, first: Value, listed: Value, length: Value) -> None:
    """List first plus the bits' places, several at a time, whether there are as many or not: nothing is guessed."""
    rest = cgutils.alloca_once(build, LONG)
    build.store(bits, rest)
    to, count = build.load(length), call(build, "llvm.ctpop.i64", LONG, bits)
    rounds = build.sdiv(build.add(count, LONG(USUAL - 1)), LONG(USUAL))
    with cgutils.for_range(build, rounds, intp=LONG) as some:
        at = build.add(to, build.mul(some.index, LONG(USUAL)))
        for index in range(USUAL):
            now = build.load(rest)
            which = build.trunc(call(build, "llvm.cttz.i64", LONG, now, ir.IntType(1)(0)), INT)
            place = build.gep(at_address(build, listed, INT), [build.add(at, LONG(index))])
            build.store(build.add(first, which), place)
            build.store(build.and_(now, build.sub(now, LONG(1))), rest)
    build.store(build.add(to, count), length)


def _compress(build: ir.IRBuilder, bits: Value, first: Value, listed: Value, length: Value) -> None:
    """The same by AVX-512, which writes the lanes that a mask chooses one after the other."""
    lanes = ir.VectorType(INT, USUAL)
    for start in range(0, SOME, USUAL):
        some = build.trunc(build.lshr(bits, LONG(start)), SHORT)
        every = ir.Constant(lanes, list(range(start, start + USUAL)))
        values = build.add(every, splat(build, first, USUAL))
        mask = build.bitcast(some, ir.VectorType(ir.IntType(1), USUAL))
        name = f"llvm.x86.avx512.mask.compress.v{USUAL}i32"
        chosen = call(build, name, lanes, values, ir.Constant(lanes, None), mask)
        to = build.load(length)
        place = build.gep(at_address(build, listed, INT), [to])
        build.store(chosen, build.bitcast(place, lanes.as_pointer())).align = 4
        build.store(build.add(to, build.zext(call(build, "llvm.ctpop.i16", SHORT, some), LONG)), length)


spiking: Any = intrinsic(lambda _typing, _source, _sources: (types.int64(*[types.intp] * 2), _count))
"""How many sources of a row spike, 0 or 1 each.

Arguments: its address, SOME bytes beyond its end may be read; its sources.
"""
list_spiking: Any = intrinsic(lambda _typing, _row, _sources, _to, _first: (types.int64(*[types.intp] * 4), _list))
"""Lists the sources that spike; gives how many.

Arguments: as of ``spiking``; address of the list, int32, of USUAL more than there are sources: what is in the rest of
it does not matter; the number of the row's first source.
"""


def grouped(weight: Array) -> int:
    """Sources whose weights, int8, may be added up as bytes, whichever they are."""
    return GROUP if GROUP * int(np.abs(weight.astype(np.int64)).max(initial=0)) < OFFSET else 1


def in_lines(weight: Array, group: int) -> Array:
    """Weights (sources, targets) of bytes as ``adder`` reads them: a source's begin where a cache's line does.

    In each block the first half of the targets stands in the lower bytes of words, the second in the upper ones. After
    the last source follows one that weighs nothing, to fill up groups. So much memory may be read beyond it that a
    source's last targets need not fill all registers.
    """
    (sources, targets), rows = weight.shape, len(weight) + 1
    wide = -(-targets // SOME) * SOME
    halves = np.zeros((rows, wide // BLOCK, 2, BLOCK // 2), np.int16)
    halves.reshape(rows, wide)[:sources, :targets] = weight
    halves[:, :, 0] += OFFSET // group
    held = np.zeros(rows * wide + BLOCKS * BLOCK + SOME, np.int8)
    start = -held.ctypes.data % SOME
    made: Array = held[start : start + rows * wide].reshape(rows, wide)
    made[:] = halves.astype(np.int8).swapaxes(2, 3).reshape(rows, wide)
    return made


NONE = np.zeros((0, 0), np.int8)
"""No weights for gathering."""
