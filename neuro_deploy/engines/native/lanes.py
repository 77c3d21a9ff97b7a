"""Arithmetic of some neurons at a time, as LLVM vectors."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from llvmlite import ir

from neuro_deploy.engines.native.llvm import BYTE, INT, X86, Value, call, unaligned
from neuro_deploy.numerics.registers import DECAY_UNITY, STATE_LIMIT

FLOAT, DOUBLE = ir.FloatType(), ir.DoubleType()
FULL, LIMIT = float(DECAY_UNITY), float(STATE_LIMIT)


class Lanes:
    """Some neurons: loads, stores and arithmetic of vectors.

    number: FLOAT or DOUBLE, in which they are computed. at: the first one's place in arrays. mask: those that there
    are, None for all. alike: parameters that are the same. signed: arrays of bytes with a sign.
    """

    def __init__(
        self,
        build: ir.IRBuilder,
        number: Any,
        pointers: dict[str, Value],
        at: Value,
        wide: int,
        mask: Value | None = None,
        alike: Mapping[str, Value] = MappingProxyType({}),
        signed: Collection[str] = (),
    ) -> None:
        self._build, self._pointers, self._at, self._wide, self._mask = build, pointers, at, wide, mask
        self._alike, self._signed, self._number = alike, signed, number
        self._floats, self._bytes = (ir.VectorType(kind, wide) for kind in (number, BYTE))

    def load(self, name: str) -> Value:
        """Those of an array, as numbers in which they are computed."""
        if name in self._alike:
            return self._alike[name]
        raw = self.raw(name)
        kind = raw.type.element
        if kind in (FLOAT, DOUBLE):
            changed = self._build.fptrunc if kind == DOUBLE else self._build.fpext
            return raw if kind == self._number else changed(raw, self._floats)
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

    def wrapped(self, value: Value) -> Value:
        """One wrap into (-2^23, 2^23]: as in Lava, what is beyond three times that stays outside."""
        for flags, turn in (
            (self.above(value, self._all(LIMIT)), -2 * LIMIT),
            (self.above(self._all(1 - LIMIT), value), 2 * LIMIT),
        ):
            value = self.plus(value, self._build.select(flags, self._all(turn), self._all(0.0)))
        return value

    def clipped(self, value: Value) -> Value:
        """Within a register of 24 bits, at whose ends the value stops."""
        for end, beyond in ((LIMIT - 1, self.above), (1 - LIMIT, lambda a, b: self.above(b, a))):
            value = self._build.select(beyond(value, self._all(end)), self._all(end), value)
        return value

    def _all(self, number: float) -> Value:
        return ir.Constant(self._floats, [number] * self._wide)

    def decayed(self, x: Value, left: Value) -> Value:
        """``sgn(x) ((|x| 4096 left) >> 12)``, for left, in 4096ths, up to 1.

        x goes up to 2^23, in float64 as far as products are exact. Where they are, or are rounded toward zero,
        ``trunc(x left)``: one below 2^23 keeps its whole part. Else ``4096 h left + trunc((x - 4096 h) left)``, h
        ``trunc(x / 4096)``, in which all numbers are exact.
        """
        if X86 or self._number == DOUBLE:
            return self.trunc(self.times(x, left))
        high = self.trunc(self.times(x, 1 / FULL))
        rest = self.sum_of_product(high, -FULL, x)
        return self.sum_of_product(high, self.times(left, FULL), self.trunc(self.times(rest, left)))


def _name(kind: Any) -> str:
    names = {FLOAT: "f32", DOUBLE: "f64", INT: "i32", BYTE: "i8"}
    return f"v{kind.count}{names[kind.element]}"
