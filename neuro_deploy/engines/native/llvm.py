"""Parts of LLVM code that compiled loops are built from."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils as untyped
from numba.core.registry import cpu_target
from numba.extending import intrinsic

cgutils: Any = untyped
BYTE, SHORT, INT, LONG = (ir.IntType(bits) for bits in (8, 16, 32, 64))
Value = Any
TARGET = cpu_target.target_context.codegen().magic_tuple()
"""Whom LLVM compiles for: the platform, the processor, what it can do."""
X86 = TARGET[0].startswith("x86")
TOWARD_ZERO = 0x6000
"""Bits of x86's MXCSR."""


def call(build: ir.IRBuilder, name: str, kind: Any, *arguments: Value) -> Value:
    """What an intrinsic of LLVM gives, of this kind."""
    signature = ir.FunctionType(kind, [argument.type for argument in arguments])
    return build.call(cgutils.get_or_insert_function(build.module, signature, name), arguments)


def at_address(build: ir.IRBuilder, address: Value, kind: Any, further: int = 0) -> Value:
    """A pointer to a value of this kind."""
    return build.inttoptr(build.add(address, LONG(further)), ir.PointerType(kind))


def unaligned(build: ir.IRBuilder, pointer: Value) -> Value:
    """What is there, wherever that is."""
    value = build.load(pointer)
    value.align = 1
    return value


def splat(build: ir.IRBuilder, value: Value, lanes: int) -> Value:
    """A vector of one number in all lanes."""
    nothing = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    one = build.insert_element(nothing, value, INT(0))
    return build.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(INT, lanes), None))


def store_some(build: ir.IRBuilder, value: Value, pointer: Value, left: Value, before: int = 0) -> None:
    """Store the lanes of a vector of int32 that are wanted: left of a row's, of which some are before it."""
    lanes = value.type.count
    order = ir.Constant(value.type, list(range(lanes)))
    rest = build.trunc(build.sub(left, LONG(before)), INT)
    wanted = build.icmp_signed("<", order, splat(build, rest, lanes))
    call(build, f"llvm.masked.store.v{lanes}i32.p0", ir.VoidType(), value, pointer, INT(4), wanted)


def _copy(context: Any, build: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
    to, source, size = arguments
    ends = (build.inttoptr(address, BYTE.as_pointer()) for address in (to, source))
    call(build, "llvm.memcpy.p0.p0.i64", ir.VoidType(), *ends, size, ir.IntType(1)(0))
    return context.get_dummy_value()


copy_bytes: Any = intrinsic(lambda _typing, _to, _source, _size: (types.void(*[types.intp] * 3), _copy))
"""Copies bytes. Arguments: addresses of where to, and of what; how many."""


def _zero(context: Any, build: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
    to = build.inttoptr(arguments[0], BYTE.as_pointer())
    call(build, "llvm.memset.p0.i64", ir.VoidType(), to, BYTE(0), arguments[1], ir.IntType(1)(0))
    return context.get_dummy_value()


zero_bytes: Any = intrinsic(lambda _typing, _to, _size: (types.void(*[types.intp] * 2), _zero))
"""Sets bytes to 0. Arguments: address; how many."""


def _pointer(context: Any, build: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
    array = context.make_array(signature.args[0])(context, build, arguments[0])
    return build.ptrtoint(array.data, LONG)


pointer: Any = intrinsic(lambda _typing, array: (types.intp(array), _pointer))
"""The address of an array's first number. ``ctypes.data`` counts references, for which threads wait for one another."""


def _round(_context: Any, build: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
    """Read MXCSR and write it. Products of states that a loop loads and stores after it are not moved before it."""
    if not X86:
        return INT(0)
    cell = cgutils.alloca_once(build, INT)
    here = build.bitcast(cell, BYTE.as_pointer())
    call(build, "llvm.x86.sse.stmxcsr", ir.VoidType(), here)
    before = build.load(cell)
    build.store(arguments[0] if arguments else build.or_(before, INT(TOWARD_ZERO)), cell)
    call(build, "llvm.x86.sse.ldmxcsr", ir.VoidType(), here)
    return before


round_toward_zero: Any = intrinsic(lambda _typing: (types.int32(), _round))
"""Lets this thread round products toward zero. Gives how it did before."""
round_as_before: Any = intrinsic(lambda _typing, _before: (types.int32(types.int32), _round))
"""Lets it round as it did."""


def _next(place: int) -> Any:
    def code(context: Any, build: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        turn = context.make_array(signature.args[0])(context, build, arguments[0])
        return build.atomic_rmw("add", build.gep(turn.data, [LONG(place)]), LONG(1), "monotonic")

    return intrinsic(lambda _typing, turn: (types.int64(turn), code))


next_job, next_thread = _next(0), _next(1)
"""The job whose turn it is, and which of the threads this is, from an array of both; the next ones are one more."""
