"""Adding up the weights of the sources that spike, as LLVM code: for rows of which few do.

The sums of some targets stay in registers while a row's spikes are gone through, SOME at a time as bits of a number.
"""

from __future__ import annotations

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
    store_some,
    unaligned,
)
from neuro_deploy.engines.native.tiles import FOUND, Array

SOME = 64
"""Sources that are looked at together."""
USUAL = 16
"""Of these, that spike at most, as a rule."""
LINE = 2 * FOUND.lanes if FOUND else 16
"""Targets in a register, of 16 bits each."""
REGISTERS = 2 * FOUND.rows if FOUND else 8
"""That hold sums, at most."""
FEW = FOUND.few if FOUND else 1.0
"""Share of sources that spike, up to which this is faster than a product of bytes (docs/performance.md)."""
LEAST = REGISTERS * LINE // 4
"""Targets for which it pays to look how many sources spike."""
BYTES, VECTOR = ir.VectorType(BYTE, LINE), ir.VectorType(SHORT, LINE)
TOP = 2**15 - 1
"""Largest magnitude of sums."""


def adder(registers: int) -> Any:
    """Sums of a row for so many registers of targets, for use in compiled loops.

    Its arguments are whole numbers: address of the list of sources that spike, and its length; address of the first
    source's weights for these targets; bytes from one source's weights to the next one's; address of the first sum,
    int32; targets that are wanted.
    """
    signature = types.void(*[types.intp] * 6)

    def code(context: Any, build: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
        listed, length, weight, further, out, left = arguments
        sums = [cgutils.alloca_once(build, VECTOR) for _ in range(registers)]
        for cell in sums:
            build.store(ir.Constant(VECTOR, None), cell)
        with cgutils.for_range(build, length, intp=LONG) as spike:
            which = build.load(build.gep(at_address(build, listed, INT), [spike.index]))
            row = build.add(weight, build.mul(build.zext(which, LONG), further))
            for index, cell in enumerate(sums):
                more = unaligned(build, at_address(build, row, BYTES, LINE * index))
                build.store(build.add(build.load(cell), build.sext(more, VECTOR)), cell)
        whole = ir.VectorType(INT, LINE)
        for index, cell in enumerate(sums):
            total = build.sext(build.load(cell), whole)
            store_some(build, total, at_address(build, out, whole, 4 * LINE * index), left, LINE * index)
        return context.get_dummy_value()

    return intrinsic(lambda _typing, _a, _b, _c, _d, _e, _f: (signature, code))


def _count(_context: Any, build: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
    source, sources = arguments
    total = cgutils.alloca_once(build, LONG)
    build.store(LONG(0), total)
    with cgutils.for_range(build, _words(build, sources), intp=LONG) as word:
        bits = _spiking(build, source, sources, word.index)
        build.store(build.add(build.load(total), call(build, "llvm.ctpop.i64", LONG, bits)), total)
    return build.load(total)


def _list(_context: Any, build: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
    source, sources, listed = arguments
    length = cgutils.alloca_once(build, LONG)
    rest = cgutils.alloca_once(build, LONG)
    build.store(LONG(0), length)
    with cgutils.for_range(build, _words(build, sources), intp=LONG) as word:
        bits = _spiking(build, source, sources, word.index)
        first = build.trunc(build.mul(word.index, LONG(SOME)), INT)
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
    return build.load(length)


spiking: Any = intrinsic(lambda _typing, _source, _sources: (types.int64(*[types.intp] * 2), _count))
"""How many sources of a row spike. Arguments: its address, SOME bytes beyond its end may be read; its sources."""
list_spiking: Any = intrinsic(lambda _typing, _row, _sources, _to: (types.int64(*[types.intp] * 3), _list))
"""Lists the sources that spike; gives how many.

Arguments: as of ``spiking``; address of the list, int32, of USUAL more than there are sources: what is in the rest of
it does not matter. Several are listed at a time, whether there are as many or not, so that nothing is to be guessed.
"""


def _words(build: ir.IRBuilder, sources: Value) -> Value:
    return build.sdiv(build.add(sources, LONG(SOME - 1)), LONG(SOME))


def _spiking(build: ir.IRBuilder, source: Value, sources: Value, word: Value) -> Value:
    """Which of SOME bytes of a row are not 0, as bits."""
    first = build.mul(word, LONG(SOME))
    left, some = build.sub(sources, first), ir.VectorType(BYTE, SOME)
    there = unaligned(build, at_address(build, build.add(source, first), some))
    bits = build.bitcast(build.icmp_unsigned("!=", there, ir.Constant(some, None)), LONG)
    below = build.sub(build.shl(LONG(1), left), LONG(1))
    return build.and_(bits, build.select(build.icmp_signed("<", left, LONG(SOME)), below, LONG(-1)))


def in_lines(weight: Array) -> Array:
    """Weights (sources, targets) of bytes as ``adder`` reads them: a source's begin where a cache's line does.

    So much memory may be read beyond them that a source's last targets need not fill all registers.
    """
    sources, targets = weight.shape
    wide = -(-targets // SOME) * SOME
    held = np.zeros(sources * wide + REGISTERS * LINE + SOME, np.int8)
    start = -held.ctypes.data % SOME
    made: Array = held[start : start + sources * wide].reshape(sources, wide)
    made[:, :targets] = weight
    return made


NONE = np.zeros((0, 0), np.int8)
"""No weights for gathering."""
