"""NetX files as data: what readers, writers, the specification (docs/netx_format.md) and tests agree on.

A chain (lava-dl 0.6.0, ``lava.lib.dl.netx.hdf5``) lives under ``/layer/0``, ``/layer/1``, ... Each has ``type``; the
names of its fields are relative to the layer. A graph is described in graph_schema.py. In both, everything beyond the
network itself is under ``/meta``, which the stock reader ignores.
"""

from __future__ import annotations

from dataclasses import dataclass

from neuro_deploy.numerics.registers import BIAS, DECAY, DELAY, MAX_TIMESTEPS, STOCK_WEIGHT, THRESHOLD, Register

MAX_ELEMENTS = 2**27
"""Numbers in one dataset, 1 GB each time it is held as float64. Larger ones are refused before memory is taken."""
MAX_CHUNK_BYTES = 2**20
"""Bytes of one chunk of a compressed dataset, once unpacked; as much as h5py chooses. deflate packs at most 1032 to 1,
so that a chunk that lies about its size takes 1 GB at worst."""
MAX_CHUNKS = 2**16
"""Chunks of one dataset. Our own limit: 2^27 numbers in chunks of 16 KB."""
MAX_LAYERS = 4096
"""Our own limit: far more than any chain has."""
META_VERSION = 1

CUBA_TYPES = ("CUBA", "LOIHI")
LAYER_TYPES = ("input", "flatten", "dense", "conv")
"""Layer types that are read; others that lava-dl writes are refused by name."""


@dataclass(frozen=True)
class Field:
    """A dataset: its path below the layer, the register its values must fit, and its value where it is missing.

    whole: fractions are refused, and not cut off.
    """

    path: str
    register: Register
    default: int | None = None
    whole: bool = False


WEIGHT = Field("weight", STOCK_WEIGHT)
BIAS_FIELD = Field("bias", BIAS, default=0)
DELAY_FIELD = Field("delay", DELAY, default=0)
U_DECAY = Field("neuron/iDecay", DECAY, whole=True)
V_DECAY = Field("neuron/vDecay", DECAY, whole=True)
THRESHOLD_FIELD = Field("neuron/vThMant", THRESHOLD, whole=True)
NEURON = (U_DECAY, V_DECAY, THRESHOLD_FIELD)
"""Fields of a CUBA neuron group."""
_EIGHT_BITS = "LAVA: PyConvModelFixed keeps it in 8 bits signed"
KERNEL_SIZE = Register("kernel size", 1, 127, _EIGHT_BITS)
STRIDE = Field("stride", Register("stride", 1, 127, _EIGHT_BITS), whole=True)
PADDING = Field("padding", Register("padding", 0, 127, _EIGHT_BITS), whole=True)
DILATION = Field("dilation", Register("dilation", 1, 127, _EIGHT_BITS), whole=True)
GROUPS = Field("groups", Register("groups", 1, 127, _EIGHT_BITS), whole=True)
"""Fields of a conv layer: (height, width), or one number for both; ``groups`` is one number."""
INPUT_WEIGHT_DEFAULT = 64
"""An input layer without ``weight`` scales samples by this. Source: ``create_input``."""

STOCK_SIMULATION = "simulation"
STOCK_TIMESTEPS = Field("tSample", Register("tSample", 1, MAX_TIMESTEPS, "lava-dl's mnist.net"), default=32)
"""Timesteps per sample, which few stock files say; the others run 32 unless ``--timesteps`` is given."""

META_DOCUMENT = "meta/document"
"""JSON text: version, tool, timesteps, populations, encoding, quantization, source."""
META_WEIGHT = "meta/encoding/weight"
"""float64, (neurons, features): the host's matrix where data enter as bias; in a graph also one number."""
META_OFFSET = "meta/encoding/offset"
"""float64, (neurons,), or one number beside a weight that is one."""
