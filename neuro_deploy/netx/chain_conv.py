"""Reads a conv layer of a NetX chain. Its sizes are checked before its weights are read."""

from __future__ import annotations

import math

import numpy as np

from neuro_deploy.errors import FormatError, RangeError, UnsupportedError
from neuro_deploy.network import Geometry
from neuro_deploy.netx import schema
from neuro_deploy.netx.graph_rules import check_convolution
from neuro_deploy.netx.hostile import SafeFile
from neuro_deploy.netx.stock_conv import ConvShape, Pair, Shape, check_sums, stock_conv
from neuro_deploy.numerics.registers import IntArray


def read_conv(file: SafeFile, layer: str, source: Shape, target: Shape) -> list[tuple[Geometry, IntArray]]:
    """For each group of a conv layer its geometry and its weights. source, target: (channels, height, width).

    Raises:
        FormatError: sizes that do not go together, or values beyond Lava's registers, with the HDF5 path.
        UnsupportedError: delays, which Lava drops; a layer beyond memory, or whose sums Lava would wrap.
    """
    where = file.where(f"{layer}/{schema.WEIGHT.path}")
    shape = _shape(file, layer)
    _check_channels(shape, source, where)
    _check_output(file, layer, shape, source, target)
    _check_delay(file, layer, math.prod(target))
    one_group = next(shape.geometries(source, target))
    check_convolution(one_group, (shape.weight[0] // shape.groups, *shape.dilated[1:]), where)
    _claim(file, layer, shape)
    weight = file.field(layer, schema.WEIGHT).reshape(shape.weight)
    check_sums(weight, where)
    return list(stock_conv(weight, shape, source, target))


def _shape(file: SafeFile, layer: str) -> ConvShape:
    """What the layer says of itself. SLAYER writes weights with a fifth axis of size 1 behind the others."""
    path = f"{layer}/{schema.WEIGHT.path}"
    written, _ = file.declared(path)
    if len(written) not in (4, 5) or min(written) < 1 or written[4:] not in ((), (1,)):
        raise FormatError(
            f"has shape {written}; (out channels, in channels of one group, kernel height, kernel width) is wanted",
            where=file.where(path),
        )
    try:
        schema.KERNEL_SIZE.check(np.asarray(written[2:4]), file.where(path))
    except RangeError as error:
        raise FormatError(error.what, where=error.where) from error
    stride, padding, dilation = (
        _pair(file, layer, field) for field in (schema.STRIDE, schema.PADDING, schema.DILATION)
    )
    return ConvShape(written[:4], stride, padding, dilation, _numbers(file, layer, schema.GROUPS, ((),))[0])


def _pair(file: SafeFile, layer: str, field: schema.Field) -> Pair:
    """(height, width); one number stands for both."""
    numbers = _numbers(file, layer, field, ((), (2,)))
    return numbers[0], numbers[-1]


def _numbers(file: SafeFile, layer: str, field: schema.Field, forms: tuple[Shape, ...]) -> list[int]:
    """The numbers of a field that has one of these shapes."""
    path = f"{layer}/{field.path}"
    shape, _ = file.declared(path)
    if shape not in forms:
        wanted = " or ".join(str(form) for form in forms)
        raise FormatError(f"has shape {shape}; {wanted} is wanted", where=file.where(path))
    return [int(n) for n in file.field(layer, field).reshape(-1)]


def _check_channels(shape: ConvShape, source: Shape, where: str) -> None:
    outs, ins = shape.weight[:2]
    if ins * shape.groups != source[0] or outs % shape.groups:
        raise FormatError(
            f"has shape {shape.weight}, which in {shape.groups} groups does not fit {source[0]} input channels",
            where=where,
        )


def _check_output(file: SafeFile, layer: str, shape: ConvShape, source: Shape, target: Shape) -> None:
    made = shape.output(source)
    if made != target:
        raise FormatError(
            f"is {target}; weights of shape {shape.weight}, stride {shape.stride}, padding {shape.padding}, dilation "
            f"{shape.dilation} make {made} of {source}",
            where=file.where(f"{layer}/shape"),
        )


def _check_delay(file: SafeFile, layer: str, neurons: int) -> None:
    """Delays of 0 are none. More delays than neurons are not read."""
    path = f"{layer}/{schema.DELAY_FIELD.path}"
    if not file.has(path):
        return
    if math.prod(file.declared(path)[0]) > neurons or np.any(file.field(layer, schema.DELAY_FIELD)):
        raise UnsupportedError(
            "a conv layer's delays, which Lava drops", where=file.where(path), hint="remove the delays"
        )


def _claim(file: SafeFile, layer: str, shape: ConvShape) -> None:
    """Take the zeros between the taps from the budget."""
    numbers = math.prod(shape.dilated)
    if numbers > schema.MAX_ELEMENTS:
        raise FormatError(
            f"makes {numbers:,} weights of {math.prod(shape.weight):,}, at most {schema.MAX_ELEMENTS:,} are allowed",
            where=file.where(f"{layer}/{schema.DILATION.path}"),
        )
    file.claim(8 * (numbers - math.prod(shape.weight)), f"{layer}/{schema.DILATION.path}")
