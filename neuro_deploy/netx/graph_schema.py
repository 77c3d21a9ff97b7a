"""The NetX graph as data: every field of ``/population/<name>`` and ``/projection/<number>``, and its limits.

The tables here and in docs/netx_format.md say the same; a test compares them. Field names are those of lava-dl's NetX
wherever it has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from neuro_deploy.network.geometry import AXES, KINDS
from neuro_deploy.network.separate import SEPARATOR
from neuro_deploy.numerics.registers import (
    BIAS,
    DECAY,
    DELAY,
    MAX_NEURONS,
    RELAY,
    SIGN,
    THRESHOLD,
    WEIGHT,
    WEIGHT_EXPONENT,
    Register,
)

FORMAT = "netx-graph"
VERSION = 1
POPULATIONS = "population"
PROJECTIONS = "projection"
ROOT = (POPULATIONS, PROJECTIONS, "meta")
"""What the root holds, and nothing else; the stock reader wants ``layer``."""

MAX_POPULATIONS = 2**12
"""Our own limit: far more than any network has."""
MAX_PROJECTIONS = 2**14
"""Our own limit: far more than any network has."""
MAX_NAME = 255
"""Bytes of a population's name in UTF-8. Our own limit: as long as a file's name may be."""
MAX_PARTS = 2**14
"""Parts that populations feeding each other may be cut into. Our own limit: a patch cell has three."""
MAX_NAMES = 64
"""Names of one group of fields. Our own limit: more than any type has, so that a stranger is named and not counted."""
NEURON_BYTES = 32
"""Memory that a neuron is charged with when a file is read: its bias, and the bounds that the proof of ranges keeps."""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class GraphField:
    """A dataset of a group of one of these types.

    path: below the group. shapes: in words, one of them; a word that the reader knows a size for must have that size.
    values: the register of numbers, or the texts that are allowed; () for any name. required, default: what an absent
    field means; an optional field without default means what ``meaning`` says.
    """

    path: str
    types: tuple[str, ...]
    dtype: str
    shapes: tuple[str, ...]
    values: Register | tuple[str, ...]
    meaning: str
    required: bool = True
    default: int | tuple[int, ...] | None = None

    @property
    def register(self) -> Register:
        """The register of a field of numbers."""
        if isinstance(self.values, Register):
            return self.values
        raise TypeError(f"{self.path} holds text")

    def fits(self, shape: Shape, sizes: Mapping[str, int]) -> bool:
        """Whether an array of this shape may stand here. sizes: of words in ``shapes``."""
        wanted = [_words(text) for text in self.shapes]
        return any(
            len(words) == len(shape)
            and all((int(w) if w.isdigit() else sizes.get(w, n)) == n for w, n in zip(words, shape, strict=True))
            for words in wanted
        )

    def range(self) -> str:
        """The allowed values in words."""
        if isinstance(self.values, Register):
            low, high = f"{self.values.low:,}", f"{self.values.high:,}"
            even = ", even" if self.values.step == 2 else ""
            return (low if low == high else f"{low} to {high}") + even
        return ", ".join(self.values) or "a name"

    def absence(self) -> str:
        """What an absent field means, in words."""
        if self.required:
            return "required"
        return "none" if self.default is None else str(self.default)


def _words(shape: str) -> list[str]:
    return [word.strip() for word in shape.strip("()").split(",") if word.strip()]


_ALL = ("input", "lif", "relay", "readout")
_COMPUTED = ("lif", "relay", "readout")
_CUBA = ("lif", "readout")
_ONE, _TEXT, _PER_NEURON = ("()",), ("()", "(1,)"), ("()", "(neurons,)")
_INDEX = Register("index", 0, MAX_POPULATIONS - 1, "our own")
_SIZE = Register("size", 1, MAX_NEURONS, "our own: as many as one population may hold")
_PLACE = Register("channel", 0, MAX_NEURONS, "our own: as many as one population may hold")
_SILENT = Register("vThMant", THRESHOLD.high, THRESHOLD.high, "the largest that hardware takes")

TYPE = GraphField("type", _ALL, "text", _TEXT, _ALL, "kind of the population")
INDEX = GraphField("index", _ALL, "int32", _ONE, _INDEX, "place in execution order; 0, 1, 2, ... without gaps")
SHAPE = GraphField("shape", _ALL, "int32", ("(1,)", "(3,)"), _SIZE, "(neurons,) or (channels, height, width)")
BIASES = GraphField(
    "bias", _CUBA, "int32", _PER_NEURON, BIAS, "mantissa; `bias << 6` enters v", required=False, default=0
)
RELAY_BIASES = GraphField(
    "bias", ("relay",), "int32", _PER_NEURON, RELAY, "added to the sum as it is", required=False, default=0
)
NEURON_TYPE = GraphField("neuron/type", _CUBA, "text", _TEXT, ("CUBA",), "the neuron's equation")
U_DECAY = GraphField("neuron/iDecay", _CUBA, "int32", _PER_NEURON, DECAY, "decay of u, parts of 4096")
V_DECAY = GraphField("neuron/vDecay", _CUBA, "int32", _PER_NEURON, DECAY, "decay of v, parts of 4096")
V_THRESHOLD = GraphField("neuron/vThMant", ("lif",), "int32", _PER_NEURON, THRESHOLD, "spike where `v > vThMant << 6`")
SILENT = GraphField("neuron/vThMant", ("readout",), "int32", _ONE, _SILENT, "never reached, by proof")
POPULATION_FIELDS = (
    TYPE,
    INDEX,
    SHAPE,
    BIASES,
    RELAY_BIASES,
    NEURON_TYPE,
    U_DECAY,
    V_DECAY,
    V_THRESHOLD,
    SILENT,
)

SYNAPSES = GraphField("type", KINDS, "text", _TEXT, KINDS, "kind of the synapses")
SOURCE = GraphField("source", KINDS, "text", _TEXT, (), "name of the population whose spikes come in")
TARGET = GraphField("target", KINDS, "text", _TEXT, (), "name of the population that they reach")
WEIGHTS = {
    "dense": GraphField(
        "weight", ("dense",), "int16", ("(targets, sources)",), WEIGHT, "over flattened windows, C order"
    ),
    "conv2d": GraphField(
        "weight",
        ("conv2d",),
        "int16",
        ("(target channels, source channels, kernel height, kernel width)",),
        WEIGHT,
        "cross-correlation, not flipped; zeros around",
    ),
    "axial": GraphField(
        "weight", ("axial",), "int16", ("(targets, sources)",), WEIGHT, "along `axis`, shared over all else"
    ),
    "one-to-one": GraphField(
        "weight", ("one-to-one",), "int16", ("()", "(targets,)"), WEIGHT, "one for all, or one for each neuron"
    ),
}
WEIGHT_EXP = GraphField(
    "weight_exp",
    KINDS,
    "int32",
    _ONE,
    WEIGHT_EXPONENT,
    "shifts the sum of one delay; `>>` rounds down",
    required=False,
    default=0,
)
SIGNS = GraphField(
    "sign", KINDS, "int8", ("(targets,)",), SIGN, "factor of each target neuron; none: 1", required=False
)
DELAYS = GraphField(
    "delay", ("dense",), "int8", ("()", "(targets, sources)"), DELAY, "extra timesteps", required=False, default=0
)
DELAY_OF_ALL = GraphField(
    "delay",
    ("conv2d", "axial", "one-to-one"),
    "int8",
    _ONE,
    DELAY,
    "extra timesteps, the same for all",
    required=False,
    default=0,
)
AXIS = GraphField("axis", ("axial",), "text", _TEXT, AXES, "the axis; `space` is height and width flattened")
STRIDE = GraphField("stride", ("conv2d",), "int32", ("(2,)",), _SIZE, "(height, width)", required=False, default=(1, 1))
PADDING = GraphField(
    "padding", ("conv2d",), "int32", ("(2,)",), _PLACE, "(height, width)", required=False, default=(0, 0)
)
SOURCE_CHANNELS = GraphField(
    "source_channels", KINDS, "int32", ("(2,)",), _PLACE, "(start, stop) of the source's; none: all", required=False
)
TARGET_CHANNELS = GraphField(
    "target_channels", KINDS, "int32", ("(2,)",), _PLACE, "(start, stop) of the target's; none: all", required=False
)
SOURCE_SHAPE = GraphField(
    "source_shape",
    ("dense",),
    "int32",
    ("(1,)", "(3,)"),
    _SIZE,
    "the shape that windows count in; none: the population's",
    required=False,
)
TARGET_SHAPE = GraphField(
    "target_shape",
    ("dense",),
    "int32",
    ("(1,)", "(3,)"),
    _SIZE,
    "the shape that windows count in; none: the population's",
    required=False,
)
PROJECTION_FIELDS = (
    SYNAPSES,
    SOURCE,
    TARGET,
    *WEIGHTS.values(),
    WEIGHT_EXP,
    SIGNS,
    DELAYS,
    DELAY_OF_ALL,
    AXIS,
    STRIDE,
    PADDING,
    SOURCE_CHANNELS,
    TARGET_CHANNELS,
    SOURCE_SHAPE,
    TARGET_SHAPE,
)


def name_problem(name: str) -> str | None:
    """Why a population cannot bear this name in a file; None where it can."""
    if not name or not name.isprintable():
        return "is no printable name"
    if "/" in name or name in (".", ".."):
        return "is no name for an HDF5 group: '/' parts its paths, '.' and '..' are places"
    if SEPARATOR in name:
        return f"holds {SEPARATOR!r}, which marks parts of a population"
    if len(name.encode()) > MAX_NAME:
        return f"has {len(name.encode())} bytes, {MAX_NAME} are allowed"
    return None
