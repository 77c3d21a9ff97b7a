"""Rounding in which later weights make up for what earlier ones lost, on the inputs that samples bring.

Weights of a row are rounded one after the other; the error of each is spread over those that are left, such that the
row's sum changes least in the mean square over the samples' inputs X (GPTQ, arXiv:2210.17323, after Optimal Brain
Surgeon): with ``U`` the upper Cholesky factor of ``(X^T X + damping)^-1``,

    q_j = level(w_j);   w_l -= (w_j - q_j) / U_jj * U_jl   for l > j
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from neuro_deploy.network import Geometry
from neuro_deploy.numerics.registers import IntArray
from neuro_deploy.passes.fixing import Fixed, Synapses
from neuro_deploy.passes.levels import FloatArray
from neuro_deploy.passes.rows import row_axis

DAMPING = 0.01
"""Of the mean square of an input, added to all: keeps weights of silent inputs near what they were."""
MOST_INPUTS = 2048
"""Of one row; with more, weights are rounded to the nearest. Our own: the factor takes their number cubed."""
MOST_ROWS = 2**14
"""Rows of X that are taken, evenly spread. Our own."""


def compensated(fixed: Fixed, sent: Mapping[str, IntArray]) -> Fixed | None:
    """The population with its learned weights rounded anew; None where there is nothing to gain.

    sent: of its sources, (samples, T or 1, neurons). What is wanted becomes what was rounded in the end, so that
    rounding it to the nearest gives the same whole numbers.
    """
    joined = rows_together(fixed.synapses)
    synapses = list(fixed.synapses)
    for numbers in joined:
        if sum(_inputs(synapses[n]) for n in numbers) <= MOST_INPUTS:
            made = _together([synapses[n] for n in numbers], sent)
            for number, changed in zip(numbers, made, strict=True):
                synapses[number] = changed
    return replace(fixed, synapses=tuple(synapses)) if joined else None


def rows_together(synapses: Sequence[Synapses]) -> list[list[int]]:
    """The numbers of those learned projections whose rows end in the same neurons: their rows are one row."""
    joined: dict[tuple[object, ...], list[int]] = {}
    for number, each in enumerate(synapses):
        geometry = each.fixed.geometry
        if each.learned and geometry.kind != "one-to-one":
            key = (row_axis(geometry), geometry.target_channels, each.fixed.sign is None)
            joined.setdefault(key, []).append(number)
    return list(joined.values())


def _inputs(each: Synapses) -> int:
    return int(each.wanted[0].size)


def _together(synapses: Sequence[Synapses], sent: Mapping[str, IntArray]) -> list[Synapses]:
    """Projections whose rows end in the same neurons: their rows are one row."""
    x = [seen(each.fixed.geometry, each.wanted.shape, sent[each.fixed.source]) for each in synapses]
    rows = max(len(part) for part in x)
    x = [np.repeat(part, rows // len(part), axis=0) if rows % len(part) == 0 else part for part in x]
    if len({len(part) for part in x}) != 1:
        return list(synapses)
    joined = np.concatenate([part[:: -(-rows // MOST_ROWS)] for part in x], axis=1)
    units = [np.full(_inputs(each), 2.0**each.fixed.weight_exp) for each in synapses]
    real = np.concatenate([each.wanted.reshape(len(each.wanted), -1) for each in synapses], axis=1)
    unit = np.concatenate(units)
    owner = np.repeat(np.arange(len(synapses)), [len(part) for part in units])
    found = _rounded(real * unit, joined, unit, [synapses[int(i)] for i in owner]) / unit
    cuts = np.cumsum([len(part) for part in units])[:-1]
    return [
        _changed(each, part.reshape(each.wanted.shape))
        for each, part in zip(synapses, np.split(found, cuts, axis=1), strict=True)
    ]


def _changed(each: Synapses, wanted: FloatArray) -> Synapses:
    return replace(each, wanted=wanted, fixed=replace(each.fixed, weight=each.levels.whole(wanted)))


def _rounded(real: FloatArray, x: FloatArray, unit: FloatArray, of: Sequence[Synapses]) -> FloatArray:
    """What each weight was when it was rounded: (rows, inputs). real: those wanted. x: (n, inputs)."""
    square = x.T @ x / len(x)
    damping = DAMPING * float(np.mean(np.diag(square))) or 1.0
    inverse = np.linalg.inv(square + damping * np.eye(len(square)))
    upper = np.linalg.cholesky((inverse + inverse.T) / 2).T
    work, found = real.copy(), np.empty_like(real)
    for j in range(real.shape[1]):
        found[:, j] = work[:, j]
        error = work[:, j] - of[j].levels.whole(work[:, j] / unit[j]) * unit[j]
        work[:, j + 1 :] -= (error / upper[j, j])[:, None] * upper[j, j + 1 :]
    return found


def seen(geometry: Geometry, weight: tuple[int, ...], sent: IntArray) -> FloatArray:
    """What a row of weights meets: (samples * timesteps * places, inputs). sent: (samples, T or 1, source neurons)."""
    values = np.asarray(sent, np.float64).reshape(-1, sent.shape[-1])[:, geometry.sources]
    if geometry.kind == "dense":
        return values
    maps = values.reshape(-1, *geometry.source_window)
    if geometry.kind == "conv2d":
        (high, wide), (down, right) = geometry.padding, geometry.stride
        padded = np.pad(maps, [(0, 0), (0, 0), (high, high), (wide, wide)])
        views = np.lib.stride_tricks.sliding_window_view(padded, weight[2:], axis=(-2, -1))[..., ::down, ::right, :, :]
        patches: FloatArray = np.moveaxis(views, 1, 3).reshape(-1, int(np.prod(weight[1:])))
        return patches
    places = {"channel": (0, 2, 3, 1), "height": (0, 1, 3, 2), "width": (0, 1, 2, 3), "space": (0, 1, 2, 3)}
    axis = geometry.axis or "channel"
    moved = maps.transpose(places[axis])
    return moved.reshape(-1, weight[1])
