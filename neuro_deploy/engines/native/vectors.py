"""Loops over neurons as LLVM vectors, for use in compiled loops.

Compilers leave such loops unvectorized, or test first whether any two of their ten arrays overlap. Here each is built
from vectors at once, for any processor: LLVM splits vectors that are longer than its registers.

They take addresses: arrays passed between compiled functions cost more than what is computed in a block.

All arithmetic is on whole numbers in float32, or in float64 where states may wrap or clip, exact by the bounds that
callers prove, but for what a decay leaves: that is rounded toward zero, which is how x86's processors are told to round
meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from neuro_deploy.engines.native.lanes import DOUBLE, FLOAT, Lanes
from neuro_deploy.engines.native.llvm import BYTE, INT, LONG, TARGET, Value, cgutils, splat, unaligned
from neuro_deploy.numerics.registers import ACTIVATION_SHIFT

WIDE = 16
"""Neurons at a time."""
UNIT = float(1 << ACTIVATION_SHIFT)
WIDEST = 64 if "+avx512bw" in TARGET[2].split(",") else WIDE
"""Neurons at a time in float32, where parameters are alike: with AVX-512 their flags fill a register of bytes."""
SHARED = ("factor", "ku", "kv")
"""Parameters that all neurons of a population have alike, as a rule."""


def _loop(body: Callable[[Lanes], None], number: Any = FLOAT, /, **kinds: Any) -> Any:
    """Code of a function of a number of neurons, whether they are alike, and the addresses of arrays of these kinds.

    number: in which they are computed. kinds: name -> LLVM's type, or numba's.
    """
    lanes = partial(Lanes, signed=[name for name, kind in kinds.items() if kind == types.int8])
    widest = WIDEST if number == FLOAT else WIDE

    def code(context: Any, build: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
        neurons, alike, *addresses = arguments[-len(kinds) - 2 :]
        pairs = zip(kinds.items(), addresses, strict=True)
        pointers = {name: build.inttoptr(address, _kind(kind).as_pointer()) for (name, kind), address in pairs}
        some = build.select(build.icmp_signed("!=", alike, LONG(0)), build.sdiv(neurons, LONG(widest)), LONG(0))
        with build.if_then(build.icmp_signed(">", some, LONG(0))):
            shared = {name: unaligned(build, pointers[name]) for name in SHARED if name in kinds}
            same = {name: splat(build, value, widest) for name, value in shared.items()}
            with cgutils.for_range(build, some, intp=LONG) as vectors:
                at = build.mul(vectors.index, LONG(widest))
                body(lanes(build, number, pointers, at, widest, alike=same))
        begin = build.mul(some, LONG(widest))
        with cgutils.for_range(build, build.sdiv(build.sub(neurons, begin), LONG(WIDE)), intp=LONG) as vectors:
            at = build.add(begin, build.mul(vectors.index, LONG(WIDE)))
            body(lanes(build, number, pointers, at, WIDE))
        left = build.srem(build.sub(neurons, begin), LONG(WIDE))
        with build.if_then(build.icmp_signed(">", left, LONG(0))):
            order = ir.Constant(ir.VectorType(INT, WIDE), list(range(WIDE)))
            every = splat(build, build.trunc(left, INT), WIDE)
            mask = build.icmp_signed("<", order, every)
            body(lanes(build, number, pointers, build.sub(neurons, left), WIDE, mask))
        return context.get_dummy_value()

    return code


def _kind(kind: Any) -> Any:
    """LLVM's type, of numba's or as it is."""
    kinds = {types.float32: FLOAT, types.float64: DOUBLE, types.int32: INT, types.uint8: BYTE, types.int8: BYTE}
    return kind if isinstance(kind, ir.Type) else kinds[kind]


def _arriving(n: Lanes, *, whole: bool) -> Value:
    product = n.times(n.load("x"), n.load("factor"))
    return product if whole else n.floor(product)


def _charged(n: Lanes, left: Value, *, whole: bool) -> Value:
    """left, and 64 times what arrives."""
    if whole:
        return n.sum_of_product(n.load("x"), n.times(n.load("factor"), UNIT), left)
    return n.sum_of_product(_arriving(n, whole=False), UNIT, left)


def _fire(n: Lanes, new: Value) -> None:
    fires = n.above(new, n.load("threshold"))
    n.store("v", n.unless(fires, new))
    n.store("spikes", n.bytes(fires))
    n.count("counts", fires)


def _plain(n: Lanes, *, whole: bool) -> None:
    left = n.plus(n.decayed(n.load("v"), n.load("kv")), n.load("bias"))
    _fire(n, _charged(n, left, whole=whole))


def _leaky(n: Lanes, *, whole: bool) -> None:
    u = _charged(n, n.decayed(n.load("u"), n.load("ku")), whole=whole)
    n.store("u", u)
    _fire(n, n.plus(n.decayed(n.load("v"), n.load("kv")), n.load("bias"), u))


def _wrapping(n: Lanes) -> None:
    u = n.wrapped(_charged(n, n.decayed(n.load("u"), n.load("ku")), whole=False))
    n.store("u", u)
    _fire(n, n.clipped(n.plus(n.decayed(n.load("v"), n.load("kv")), n.load("bias"), u)))


def _send(n: Lanes, *, whole: bool) -> None:
    total = n.plus(_arriving(n, whole=whole), n.load("bias"))
    n.store("total", total)
    n.count("counts", n.some(total))


def _send_sum(n: Lanes, *, whole: bool) -> None:
    second = n.times(n.load("extra"), n.load("extra_factor"))
    total = n.plus(_arriving(n, whole=whole), second if whole else n.floor(second), n.load("bias"))
    n.store("total", total)
    n.count("counts", n.some(total))


def _arrive(n: Lanes) -> None:
    n.store("kept", n.times(_arriving(n, whole=False), UNIT))


def _enter(n: Lanes) -> None:
    value = n.raw("value")
    n.store("out", value)
    n.count("counts", n.some(value))


def _copy(n: Lanes) -> None:
    n.store("kept", n.load("value"))


def _two_sums(n: Lanes) -> None:
    second = n.times(n.load("extra"), n.load("extra_factor"))
    n.store("total", n.plus(_arriving(n, whole=False), n.floor(second)))


def _sent(x: Any) -> dict[str, Any]:
    return {"x": x, "factor": FLOAT, "bias": FLOAT, "total": FLOAT, "counts": BYTE}


def _takes(integers: int, *like: Any) -> Any:
    """The signature."""
    return types.void(*like, *[types.intp] * integers)


def _either(place: int, if_set: Any, if_not: Any) -> Any:
    """Code that is one of two, by the flag that stands at that place of the arguments."""

    def code(context: Any, build: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        with build.if_else(arguments[place]) as branches:
            for branch, chosen in zip(branches, (if_set, if_not), strict=True):
                with branch:
                    chosen(context, build, signature, arguments)
        return context.get_dummy_value()

    return code


def _by_factors(place: int, body: Callable[..., None], **kinds: Any) -> Any:
    """Code for whole factors and for others."""
    return _either(place, *(_loop(partial(body, whole=whole), **kinds) for whole in (True, False)))


def _firing(like: Any, states: Any) -> Any:
    number = _kind(states)
    kinds = {"x": like, **dict.fromkeys(("factor", "bias", "threshold", "ku", "kv", "u", "v"), number)}
    kinds |= {"spikes": BYTE, "counts": BYTE}
    if number == DOUBLE:
        return _loop(_wrapping, DOUBLE, **kinds)
    return _either(2, _by_factors(3, _leaky, **kinds), _by_factors(3, _plain, **kinds))


fire: Any = intrinsic(
    lambda _typing, like, states, leaky, whole, _n, _a, _x, _f, _b, _t, _ku, _kv, _u, _v, _s, _c: (
        types.void(like, states, leaky, whole, *[types.intp] * 12),
        _firing(like, states),
    )
)
"""A timestep of n neurons, at which ``floor(factor x)`` arrives.

Arguments: numbers of x's type and of the states', float32 where they neither wrap nor clip, else float64; whether u
decays only in part, else it is not used, and whether factors are whole, both of which float64 does not heed; n; whether
SHARED are alike; addresses of x, factor, bias, threshold, ku, kv (what is left of 1), u, v, spikes, counts.
"""


send: Any = intrinsic(
    lambda _typing, like, whole, _n, _a, _x, _f, _b, _total, _c: (
        _takes(7, like, whole),
        _by_factors(1, _send, **_sent(like)),
    )
)
"""``total = floor(factor x) + bias``, and counts what is not 0.

Arguments: a number of x's type; whether factors are whole; n; whether factors are alike; addresses of x, factor, bias,
total, counts.
"""
send_sum: Any = intrinsic(
    lambda _typing, like, extra, whole, _n, _a, _x, _f, _b, _total, _c, _e, _ef: (
        _takes(9, like, extra, whole),
        _by_factors(2, _send_sum, **_sent(like), extra=extra, extra_factor=FLOAT),
    )
)
"""As ``send``, with ``floor(extra_factor extra)`` added.

Arguments: numbers of x's and of extra's type; all else of ``send``; addresses of extra, extra_factor.
"""
arrive: Any = intrinsic(
    lambda _typing, like, states, _n, _a, _x, _f, _kept: (
        _takes(5, like, states),
        _loop(_arrive, _kind(states), x=like, factor=states, kept=states),
    )
)
"""``kept = 64 floor(factor x)``.

Arguments: numbers of x's type and of the others'; n; whether factors are alike; addresses of x, factor, kept.
"""
enter8: Any = intrinsic(
    lambda _typing, _n, _a, _value, _out, _c: (_takes(5), _loop(_enter, value=BYTE, out=BYTE, counts=BYTE))
)
"""Copies bytes, and counts what is not 0. Arguments: n; 1; addresses of the bytes, where they go, and counts."""
copy: Any = intrinsic(
    lambda _typing, like, _n, _a, _value, _kept: (_takes(4, like), _loop(_copy, _kind(like), value=like, kept=like))
)
"""``kept = value``. Arguments: a number of their type; n; 0; their addresses."""
two_sums: Any = intrinsic(
    lambda _typing, like, extra, total, _n, _a, _x, _f, _total, _e, _ef: (
        _takes(7, like, extra, total),
        _loop(_two_sums, _kind(total), x=like, factor=total, total=total, extra=extra, extra_factor=total),
    )
)
"""``total = floor(factor x) + floor(extra_factor extra)``.

Arguments: numbers of x's and of extra's type, and of the others'; n; whether factors are alike; addresses of x, factor,
total, extra, extra_factor.
"""
