"""Which synapses a projection has: four kinds, each on windows of channels of its source and target.

Shapes: ``weight`` by kind

    dense       (targets, sources), over flattened populations
    conv2d      (target channels, source channels, kernel height, kernel width); cross-correlation, zero padding
    axial       (targets, sources) along one axis, shared over all else; "space" is height and width flattened
    one-to-one  () or (neurons,): neuron i reaches neuron i

A population's neurons are counted in C order of its shape, ``(channels, height, width)`` or ``(neurons,)``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import scipy.sparse

from neuro_deploy.errors import UnsupportedError

SynapseKind = Literal["dense", "conv2d", "axial", "one-to-one"]
Axis = Literal["channel", "height", "width", "space"]
Window = tuple[int, int]
Shape = tuple[int, ...]
Array = npt.NDArray[Any]

KINDS: tuple[SynapseKind, ...] = ("dense", "conv2d", "axial", "one-to-one")
AXES: tuple[Axis, ...] = ("channel", "height", "width", "space")


@dataclass(frozen=True)
class Geometry:
    """The pattern of a projection's synapses; the weights are kept beside it.

    source, target: shapes of the whole populations. source_channels, target_channels: (start, stop) of the channels
    that take part (of the neurons, where a population has one axis); None: all. axis: of an axial projection.
    stride, padding: (height, width), of a conv2d projection.

    Raises:
        UnsupportedError: shapes, windows or options that do not go together.
    """

    kind: SynapseKind
    source: Shape
    target: Shape
    axis: Axis | None = None
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    source_channels: Window | None = None
    target_channels: Window | None = None

    def __post_init__(self) -> None:
        for side in ("source", "target"):
            shape, window = getattr(self, side), getattr(self, f"{side}_channels")
            if len(shape) not in (1, 3) or min(shape) < 1:
                raise UnsupportedError(f"{side} has shape {shape}; (channels, height, width) or (neurons,) is wanted")
            if window is not None and not 0 <= window[0] < window[1] <= shape[0]:
                raise UnsupportedError(f"{side} channels {window} of {shape[0]}")
            if window == (0, shape[0]):
                object.__setattr__(self, f"{side}_channels", None)
        if self.kind not in KINDS or (self.kind == "axial") != (self.axis in AXES):
            raise UnsupportedError(f"synapses {self.kind!r} along axis {self.axis!r}")
        if self.kind != "conv2d" and (self.stride, self.padding) != ((1, 1), (0, 0)):
            raise UnsupportedError(f"stride and padding are a convolution's, not those of {self.kind} synapses")
        if min(self.stride) < 1 or min(self.padding) < 0:
            raise UnsupportedError(f"stride {self.stride}, padding {self.padding}")
        if self.kind in ("conv2d", "axial") and (len(self.source), len(self.target)) != (3, 3):
            raise UnsupportedError(f"{self.kind} synapses need populations of shape (channels, height, width)")

    @staticmethod
    def window(shape: Shape, channels: Window | None) -> Shape:
        """The shape of those channels of a population."""
        return (channels[1] - channels[0], *shape[1:]) if channels else shape

    @property
    def source_window(self) -> Shape:
        """Shape of the source's part."""
        return self.window(self.source, self.source_channels)

    @property
    def target_window(self) -> Shape:
        """Shape of the target's part."""
        return self.window(self.target, self.target_channels)

    @property
    def sources(self) -> slice:
        """The source neurons that take part."""
        return _neurons(self.source, self.source_channels)

    @property
    def targets(self) -> slice:
        """The target neurons that take part."""
        return _neurons(self.target, self.target_channels)

    @property
    def coupled(self) -> bool:
        """Whether each channel reaches only the same channel of the target's window."""
        return self.kind == "one-to-one" or self.axis in ("height", "width", "space")

    def check(self, weight_shape: Shape, where: str) -> None:
        """Check that weights of this shape lead from the source's window to the target's.

        Raises:
            UnsupportedError: they do not.
        """
        wanted = self._weight_shapes(weight_shape)
        if weight_shape not in wanted:
            shapes = " or ".join(str(shape) for shape in wanted)
            raise UnsupportedError(
                f"weight has shape {weight_shape}; {shapes} is wanted for {self.describe()}", where=where
            )
        made = self._output(weight_shape)
        if made != self.target_window:
            raise UnsupportedError(
                f"weights of shape {weight_shape} make an output of shape {made}, the target has {self.target_window}: "
                + self.describe(),
                where=where,
            )

    def _weight_shapes(self, given: Shape) -> tuple[Shape, ...]:
        if self.kind == "dense":
            return ((math.prod(self.target_window), math.prod(self.source_window)),)
        if self.kind == "one-to-one":
            return ((), (math.prod(self.source_window),))
        if self.kind == "conv2d":
            kernel = given[2:] if len(given) == 4 and min(given[2:]) >= 1 else (1, 1)
            return ((self.target_window[0], self.source_window[0], *kernel),)
        return ((self._length(self.target_window), self._length(self.source_window)),)

    def _length(self, shape: Shape) -> int:
        sizes = {"channel": shape[0], "height": shape[1], "width": shape[2], "space": shape[1] * shape[2]}
        return sizes[cast(Axis, self.axis)]

    def _output(self, weight: Shape) -> Shape:
        source = self.source_window
        if self.kind in ("dense", "one-to-one"):
            return self.target_window if self.kind == "dense" else source
        if self.kind == "conv2d":
            return (weight[0], *(self._taps(i, weight[2 + i]) for i in (0, 1)))
        if self.axis == "channel":
            return (weight[0], *source[1:])
        if self.axis == "height":
            return (source[0], weight[0], source[2])
        if self.axis == "width":
            return (source[0], source[1], weight[0])
        return (source[0], *self.target_window[1:])

    def _taps(self, axis: int, kernel: int) -> int:
        return (self.source_window[1 + axis] + 2 * self.padding[axis] - kernel) // self.stride[axis] + 1

    def describe(self) -> str:
        """In words, for messages and tables."""
        kind = f"axial {self.axis}" if self.axis else self.kind
        return f"{kind} synapses from {_window_text(self.source, self.source_channels)} to " + _window_text(
            self.target, self.target_channels
        )

    def fan_in(self, weight_shape: Shape) -> int:
        """Synapses of one target neuron; a convolution's padding is counted."""
        return 1 if self.kind == "one-to-one" else math.prod(weight_shape[1:])

    def additions(self, weight_shape: Shape) -> int:
        """Additions of one dense timestep: every source spikes; a convolution's padding is counted."""
        return math.prod(self.target_window) * self.fan_in(weight_shape)

    def apply(self, weight: Array, values: Array | float, dtype: npt.DTypeLike = np.float64) -> Array:
        """Weighted sums, (..., target neurons of the window), in floating point.

        values: (..., source neurons of the whole population), or one number that all of them have. Whole numbers come
        out exactly as long as sums stay below 2^53, or, of float32, below 2^24.
        """
        w = np.asarray(weight, dtype)
        if np.ndim(values) == 0 and self.kind == "axial":
            return self._along(w.sum(axis=1) * values, self.target_window)
        if np.ndim(values) == 0:
            values = np.full(math.prod(self.source), float(values))
        v: Array = np.asarray(values, dtype)[..., self.sources]
        if self.kind in ("dense", "one-to-one"):
            sums: Array = v @ w.T if self.kind == "dense" else v * w
            return sums
        v = v.reshape(*v.shape[:-1], *self.source_window)
        lead = v.shape[:-3]
        if self.kind == "conv2d":
            sums = self._correlate(w, v)
        elif self.axis in ("channel", "height"):
            sums = w @ (v.reshape(*lead, v.shape[-3], -1) if self.axis == "channel" else v)
        else:
            sums = (v.reshape(*lead, v.shape[-3], -1) if self.axis == "space" else v) @ w.T
        return sums.reshape(*lead, -1)

    def _along(self, values: Array, window: Shape) -> Array:
        """Numbers along the axis, broadcast over all neurons of a window, flattened."""
        shapes = {"channel": (-1, 1, 1), "height": (1, -1, 1), "width": (1, 1, -1), "space": (1, *window[1:])}
        return np.broadcast_to(values.reshape(shapes[cast(Axis, self.axis)]), window).reshape(-1)

    def _correlate(self, w: Array, v: Array) -> Array:
        (ph, pw), (sh, sw) = self.padding, self.stride
        padded = np.pad(v, [(0, 0)] * (v.ndim - 2) + [(ph, ph), (pw, pw)])
        views = np.lib.stride_tricks.sliding_window_view(padded, w.shape[2:], axis=(-2, -1))[..., ::sh, ::sw, :, :]
        # (..., C, OH, OW, kh, kw) with (O, C, kh, kw) -> (..., OH, OW, O)
        sums = np.tensordot(views, w, axes=([-5, -2, -1], [1, 2, 3]))
        return np.moveaxis(sums, -1, -3)

    def matrix(self, weight: Array, *, sign: Array | None = None) -> scipy.sparse.csr_array:
        """Every synapse: (target neurons, source neurons) of the whole populations, in the weights' dtype or int64.

        A weight of 0 is no entry. sign: (target neurons of the window,), a factor of each row.
        """
        window = self._window_matrix(np.asarray(weight))
        if sign is not None:
            window = scipy.sparse.diags_array(np.asarray(sign), dtype=window.dtype) @ window
        entries = window.tocoo()
        shape = (math.prod(self.target), math.prod(self.source))
        rows, columns = entries.row + self.targets.start, entries.col + self.sources.start
        kind = np.asarray(weight).dtype  # which scipy forgets where no entry is left
        return scipy.sparse.csr_array((entries.data.astype(kind, copy=False), (rows, columns)), shape=shape)

    def _window_matrix(self, weight: Array) -> Any:
        if self.kind == "one-to-one":
            return scipy.sparse.diags_array(np.broadcast_to(weight, math.prod(self.source_window)), dtype=weight.dtype)
        if self.kind == "conv2d":
            return self._conv_matrix(weight)
        w = scipy.sparse.csr_array(weight)
        if self.kind == "dense":
            return w
        c, height, width = self.source_window
        eye = {n: scipy.sparse.eye_array(n, dtype=weight.dtype) for n in (c, height, width, c * height, height * width)}
        if self.axis == "channel":
            return scipy.sparse.kron(w, eye[height * width])
        if self.axis == "height":
            return scipy.sparse.kron(eye[c], scipy.sparse.kron(w, eye[width]))
        return scipy.sparse.kron(eye[c * height] if self.axis == "width" else eye[c], w)

    def _conv_matrix(self, weight: Array) -> scipy.sparse.coo_array:
        _, height, width = self.source_window
        outs, out_height, out_width = self.target_window
        o, c, i, j, y, x = np.ogrid[
            :outs, : weight.shape[1], : weight.shape[2], : weight.shape[3], :out_height, :out_width
        ]
        row, column = y * self.stride[0] + i - self.padding[0], x * self.stride[1] + j - self.padding[1]
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        every = np.broadcast(o, c, i, j, y, x).shape
        taken = np.broadcast_to(inside, every)
        targets = np.broadcast_to((o * out_height + y) * out_width + x, every)[taken]
        sources = np.broadcast_to((c * height + row) * width + column, every)[taken]
        data = np.broadcast_to(weight[..., None, None], every)[taken]
        kept = data != 0
        shape = (math.prod(self.target_window), math.prod(self.source_window))
        return scipy.sparse.coo_array((data[kept], (targets[kept], sources[kept])), shape=shape)

    def fan_out(self, weight: Array) -> npt.NDArray[np.int64]:
        """Synapses of weight other than 0 that each source neuron has: (source neurons of the population,), int64.

        Give weights of 1 for those that are stored.
        """
        counts = np.zeros(math.prod(self.source), np.int64)
        some = np.asarray(weight) != 0
        source, target = self.source_window, self.target_window
        if self.kind == "one-to-one":
            here = np.broadcast_to(some, math.prod(source)).astype(np.int64)
        elif self.kind == "dense":
            here = np.count_nonzero(some, axis=0)
        elif self.kind == "conv2d":
            back = np.zeros(source, np.int64)
            taps = np.count_nonzero(some, axis=0)  # (C, kh, kw)
            for i in range(some.shape[2]):
                for j in range(some.shape[3]):
                    rows = _reached(source[1], target[1], i, self.stride[0], self.padding[0])
                    columns = _reached(source[2], target[2], j, self.stride[1], self.padding[1])
                    back[:, rows[:, None], columns[None]] += taps[:, i, j, None, None]
            here = back.reshape(-1)
        else:
            here = self._along(np.count_nonzero(some, axis=0), source)
        counts[self.sources] = here
        return counts


def _neurons(shape: Shape, channels: Window | None) -> slice:
    each = math.prod(shape[1:])
    start, stop = channels or (0, shape[0])
    return slice(start * each, stop * each)


def _window_text(shape: Shape, channels: Window | None) -> str:
    text = "x".join(str(n) for n in shape)
    return f"{text}[{channels[0]}:{channels[1]}]" if channels else text


def _reached(source: int, target: int, tap: int, stride: int, padding: int) -> npt.NDArray[np.int64]:
    """Source positions that this tap of the kernel meets, over all target positions (each at most once)."""
    positions = np.arange(target) * stride + tap - padding
    return positions[(positions >= 0) & (positions < source)]


def geometry_of(given: Geometry | None, weight_shape: Shape, where: str) -> Geometry:
    """The geometry of weights of this shape: the given one, checked, or dense from and to flat populations.

    Raises:
        UnsupportedError: they do not go together.
    """
    if given is None and len(weight_shape) != 2:
        raise UnsupportedError(f"weight has shape {weight_shape}; (out, in) is wanted", where=where)
    geometry = given or Geometry("dense", (weight_shape[1],), (weight_shape[0],))
    geometry.check(weight_shape, where)
    return geometry


def checked_sign(sign: Array, geometry: Geometry, where: str) -> Array:
    """The sign, one per target neuron of the window.

    Raises:
        UnsupportedError: another shape.
    """
    neurons = math.prod(geometry.target_window)
    if sign.shape != (neurons,):
        raise UnsupportedError(f"sign has shape {sign.shape}; ({neurons},) is wanted", where=where)
    return sign
