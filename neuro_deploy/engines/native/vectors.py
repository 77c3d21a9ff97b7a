"""Loops over neurons as LLVM vectors, for use in compiled loops.

Compilers leave such loops unvectorized, or test first whether any two of their ten arrays overlap. Here each is built
from vectors at once, for any processor: LLVM splits vectors that are longer than its registers.

They take addresses: arrays passed between compiled functions cost more than what is computed in a block.

All arithmetic is float32 on whole numbers, exact by the bounds that callers prove, but for what a decay leaves: that
is rounded toward zero, which is how x86's processors are told to round meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from neuro_deploy.engines.native.llvm import BYTE, INT, LONG, TARGET, X86, Value, call, cgutils, splat, unaligned
from neuro_deploy.numerics.registers import ACTIVATION_SHIFT, DECAY_UNITY

WIDE = 16
"""Neurons at a time."""
FLOAT, DOUBLE = ir.FloatType(), ir.DoubleType()
UNIT, FULL = float(1 << ACTIVATION_SHIFT), float(DECAY_UNITY)
WIDEST = 64 if "+avx512bw" in TARGET[2].split(",") else WIDE
"""Neurons at a time, where parameters are alike: with AVX-512 their flags fill a register of bytes."""
SHARED = ("factor", "ku", "kv")
"""Parameters that all neurons of a population have alike, as a rule."""


class Lanes:
    """Some neurons: loads, stores and arithmetic of vectors.

    at: the first one's place in arrays. mask: those that there are, None for all. alike: parameters that are the same.
    signed: arrays of bytes with a sign.
    """

    def __init__(
        self,
        build: ir.IRBuilder,
        pointers: dict[str, Value],
        at: Value,
        wide: int = WIDE,
        mask: Value | None = None,
        alike: Mapping[str, Value] = MappingProxyType({}),
        signed: Collection[str] = (),
    ) -> None:
        self._build, self._pointers, self._at, self._wide, self._mask = build, pointers, at, wide, mask
        self._alike, self._signed = alike, signed
        self._floats, self._bytes = (ir.VectorType(kind, wide) for kind in (FLOAT, BYTE))

    def load(self, name: str) -> Value:
        """Those of an array, as float32."""
        if name in self._alike:
            return self._alike[name]
        raw = self.raw(name)
        kind = raw.type.element
        if kind in (FLOAT, DOUBLE):
            return raw if kind == FLOAT else self._build.fptrunc(raw, self._floats)
        signed = kind != BYTE or name in self._signed
        return self._build.sitofp(raw, self._floats) if signed else self._build.uitofp(raw, self._floats)

    def raw(self, name: str) -> Value:
        """Those of an array, as they are."""
        kind = ir.VectorType(self._pointers[name].type.pointee, self._wide)
        pointer = self._build.bitcast(self._build.gep(self._pointers[name], [self._at]), kind.as_pointer())
        if self._mask is None:
            return unaligned(self._build, pointer)
        nothing = ir.Constant(kind, None)
        return call(self._build, f"llvm.masked.load.{_name(kind)}.p0", kind, pointer, INT(1), self._mask, nothing)

    def store(self, name: str, value: Value) -> None:
        """Write an array's."""
        pointer = self._build.bitcast(self._build.gep(self._pointers[name], [self._at]), value.type.as_pointer())
        if self._mask is None:
            self._build.store(value, pointer).align = 1
        else:
            name = f"llvm.masked.store.{_name(value.type)}.p0"
            call(self._build, name, ir.VoidType(), value, pointer, INT(1), self._mask)

    def count(self, name: str, flags: Value) -> None:
        """Add 1 where a flag is set, in bytes."""
        self.store(name, self._build.add(self.raw(name), self._build.zext(flags, self._bytes)))

    def bytes(self, flags: Value) -> Value:
        """0 or 1."""
        return self._build.zext(flags, self._bytes)

    def plus(self, *terms: Value) -> Value:
        """Sum."""
        total, *others = terms
        for term in others:
            total = self._build.fadd(total, term)
        return total

    def times(self, a: Value, b: Value | float) -> Value:
        """Product."""
        return self._build.fmul(a, self._all(b) if isinstance(b, float) else b)

    def sum_of_product(self, a: Value, b: Value | float, c: Value) -> Value:
        """``a b + c``, in one instruction where there is one: products are exact, so that it makes no difference."""
        name = f"llvm.fmuladd.{_name(self._floats)}"
        return call(self._build, name, self._floats, a, self._all(b) if isinstance(b, float) else b, c)

    def floor(self, value: Value) -> Value:
        """Rounded down."""
        return call(self._build, f"llvm.floor.{_name(self._floats)}", self._floats, value)

    def trunc(self, value: Value) -> Value:
        """Rounded toward zero."""
        return call(self._build, f"llvm.trunc.{_name(self._floats)}", self._floats, value)

    def above(self, a: Value, b: Value) -> Value:
        """Flags of a > b."""
        return self._build.fcmp_ordered(">", a, b)

    def some(self, value: Value) -> Value:
        """Flags of what is not 0."""
        if value.type.element == BYTE:
            return self._build.icmp_unsigned("!=", value, ir.Constant(value.type, None))
        return self._build.fcmp_ordered("!=", value, self._all(0.0))

    def unless(self, flags: Value, value: Value) -> Value:
        """0 where a flag is set."""
        return self._build.select(flags, self._all(0.0), value)

    def _all(self, number: float) -> Value:
        return ir.Constant(self._floats, [number] * self._wide)

    def decayed(self, x: Value, left: Value) -> Value:
        """``sgn(x) ((|x| 4096 left) >> 12)``, for x up to 2^23 and left, in 4096ths, up to 1.

        Where products are rounded toward zero, ``trunc(x left)``: one below 2^23 keeps its whole part. Else ``4096 h
        left + trunc((x - 4096 h) left)``, h ``trunc(x / 4096)``, in which all numbers are exact.
        """
        if X86:
            return self.trunc(self.times(x, left))
        high = self.trunc(self.times(x, 1 / FULL))
        rest = self.sum_of_product(high, -FULL, x)
        return self.sum_of_product(high, self.times(left, FULL), self.trunc(self.times(rest, left)))


def _name(kind: Any) -> str:
    names = {FLOAT: "f32", DOUBLE: "f64", INT: "i32", BYTE: "i8"}
    return f"v{kind.count}{names[kind.element]}"


def _loop(body: Callable[[Lanes], None], **kinds: Any) -> Any:
    """Code of a function of a number of neurons, whether they are alike, and the addresses of arrays of these kinds.

    kinds: name -> LLVM's type, or numba's.
    """
    lanes = partial(Lanes, signed=[name for name, kind in kinds.items() if kind == types.int8])

    def code(context: Any, build: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
        neurons, alike, *addresses = arguments[-len(kinds) - 2 :]
        pairs = zip(kinds.items(), addresses, strict=True)
        pointers = {name: build.inttoptr(address, _kind(kind).as_pointer()) for (name, kind), address in pairs}
        some = build.select(build.icmp_signed("!=", alike, LONG(0)), build.sdiv(neurons, LONG(WIDEST)), LONG(0))
        with build.if_then(build.icmp_signed(">", some, LONG(0))):
            shared = {name: unaligned(build, pointers[name]) for name in SHARED if name in kinds}
            same = {name: splat(build, value, WIDEST) for name, value in shared.items()}
            with cgutils.for_range(build, some, intp=LONG) as vectors:
                body(lanes(build, pointers, build.mul(vectors.index, LONG(WIDEST)), WIDEST, alike=same))
        begin = build.mul(some, LONG(WIDEST))
        with cgutils.for_range(build, build.sdiv(build.sub(neurons, begin), LONG(WIDE)), intp=LONG) as vectors:
            body(lanes(build, pointers, build.add(begin, build.mul(vectors.index, LONG(WIDE)))))
        left = build.srem(build.sub(neurons, begin), LONG(WIDE))
        with build.if_then(build.icmp_signed(">", left, LONG(0))):
            order = ir.Constant(ir.VectorType(INT, WIDE), list(range(WIDE)))
            every = splat(build, build.trunc(left, INT), WIDE)
            mask = build.icmp_signed("<", order, every)
            body(lanes(build, pointers, build.sub(neurons, left), mask=mask))
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


def _neuron(x: Any) -> dict[str, Any]:
    floats = dict.fromkeys(("factor", "bias", "threshold", "kv", "v"), FLOAT)
    return {"x": x, **floats, "spikes": BYTE, "counts": BYTE}


def _sent(x: Any) -> dict[str, Any]:
    return {"x": x, "factor": FLOAT, "bias": FLOAT, "total": FLOAT, "counts": BYTE}


def _takes(integers: int, *like: Any) -> Any:
    """The signature."""
    return types.void(*like, *[types.intp] * integers)


def _firing(body: Callable[..., None], *, whole: bool, leaky: bool) -> Any:
    more = {"ku": FLOAT, "u": FLOAT} if leaky else {}

    def typing(_typing: Any, like: Any, *_: Any) -> Any:
        return _takes(10 + len(more), like), _loop(partial(body, whole=whole), **_neuron(like), **more)

    if leaky:
        return intrinsic(lambda t, like, _n, _a, _x, _f, _b, _t, _kv, _v, _s, _c, _ku, _u: typing(t, like))
    return intrinsic(lambda t, like, _n, _a, _x, _f, _b, _t, _kv, _v, _s, _c: typing(t, like))


fire_plain, fire_whole = (_firing(_plain, whole=whole, leaky=False) for whole in (False, True))
"""A timestep of n neurons without u; of whole factors.

Arguments: a number of x's type; n; whether SHARED are alike; addresses of x, factor,
bias, threshold, kv (what is left of 1), v, spikes, counts.
"""
fire_leaky, fire_leaky_whole = (_firing(_leaky, whole=whole, leaky=True) for whole in (False, True))
"""As these, of neurons whose u decays in part. Addresses in addition: ku and u."""


def _sending(*, whole: bool) -> tuple[Any, Any]:
    alone, both = partial(_send, whole=whole), partial(_send_sum, whole=whole)
    return intrinsic(
        lambda _typing, like, _n, _a, _x, _f, _b, _total, _c: (_takes(7, like), _loop(alone, **_sent(like)))
    ), intrinsic(
        lambda _typing, like, extra, _n, _a, _x, _f, _b, _total, _c, _e, _ef: (
            _takes(9, like, extra),
            _loop(both, **_sent(like), extra=extra, extra_factor=FLOAT),
        )
    )


(send32, send_sum32), (send_whole32, send_sum_whole32) = (_sending(whole=whole) for whole in (False, True))
"""``total = floor(factor x) + bias``, and counts what is not 0; with ``floor(extra_factor extra)`` added.

The latter two of whole factors.

Arguments: a number of x's type, and of extra's; n; whether factors are alike; addresses of x, factor, bias, total,
counts, and of extra, extra_factor.
"""
arrive32: Any = intrinsic(
    lambda _typing, like, _n, _a, _x, _f, _kept: (
        _takes(5, like),
        _loop(_arrive, x=like, factor=FLOAT, kept=FLOAT),
    )
)
"""``kept = 64 floor(factor x)``. Arguments: a number of x's type; n; whether factors are alike; x, factor, kept."""
enter8: Any = intrinsic(
    lambda _typing, _n, _a, _value, _out, _c: (_takes(5), _loop(_enter, value=BYTE, out=BYTE, counts=BYTE))
)
"""Copies bytes, and counts what is not 0. Arguments: n; 1; addresses of the bytes, where they go, and counts."""
copy32: Any = intrinsic(lambda _typing, _n, _a, _value, _kept: (_takes(4), _loop(_copy, value=FLOAT, kept=FLOAT)))
"""``kept = value``. Arguments: n; 0; their addresses."""
two_sums32: Any = intrinsic(
    lambda _typing, like, extra, _n, _a, _x, _f, _total, _e, _ef: (
        _takes(7, like, extra),
        _loop(_two_sums, x=like, factor=FLOAT, total=FLOAT, extra=extra, extra_factor=FLOAT),
    )
)
"""``total = floor(factor x) + floor(extra_factor extra)``.

Arguments: numbers of x's and of extra's type; n; whether factors are alike; addresses of x, factor, total, extra,
extra_factor.
"""
