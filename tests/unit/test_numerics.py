"""Register limits at min-1, min, max, max+1, and one step of the neuron by hand."""

from __future__ import annotations

import numpy as np
import pytest

from neuro_deploy.errors import RangeError
from neuro_deploy.numerics import registers
from neuro_deploy.numerics.cuba import cuba_step, decayed, wrap24
from neuro_deploy.numerics.registers import NEVER, STATE_LIMIT, Register

ALL = [
    registers.WEIGHT,
    registers.STOCK_WEIGHT,
    registers.WEIGHT_EXPONENT,
    registers.THRESHOLD,
    registers.BIAS,
    registers.DECAY,
    registers.DELAY,
    registers.PAYLOAD,
]


@pytest.mark.parametrize("register", ALL, ids=lambda r: r.name)
def test_a_register_takes_its_limits_and_refuses_the_next_number(register: Register) -> None:
    for value in (register.low, register.high):
        assert register.check(value, "here") == value
    for value in (register.low - 1, register.high + 1, register.low - register.step, register.high + register.step):
        with pytest.raises(RangeError, match=r"allowed: .* numbers from"):
            register.check(value, "here")


@pytest.mark.parametrize("value", [0.5, float("nan"), float("inf"), "a"])
def test_a_register_refuses_what_is_no_whole_number(value: object) -> None:
    with pytest.raises(RangeError, match="whole numbers"):
        registers.BIAS.check(np.asarray(value), "fc1")


def test_a_weight_must_be_even() -> None:
    with pytest.raises(RangeError, match=r"fc1: weight holds 3, allowed: even numbers from -256 to 254"):
        registers.WEIGHT.check([2, 3], "fc1")


@pytest.mark.parametrize(
    ("value", "wrapped"),
    [
        (STATE_LIMIT - 1, STATE_LIMIT - 1),
        (STATE_LIMIT, STATE_LIMIT),
        (STATE_LIMIT + 1, -STATE_LIMIT + 1),
        (-STATE_LIMIT + 1, -STATE_LIMIT + 1),
        (-STATE_LIMIT, STATE_LIMIT),
        (-STATE_LIMIT - 1, STATE_LIMIT - 1),
        (3 * STATE_LIMIT + 1, STATE_LIMIT + 1),  # once only
    ],
)
def test_u_wraps_once(value: int, wrapped: int) -> None:
    assert wrap24(np.array([value])) == wrapped


@pytest.mark.parametrize(
    ("state", "decay", "left"),
    [
        (4095, 1, 4094),
        (-4095, 1, -4094),
        (1, 1, 0),
        (-1, 1, 0),
        (7, 0, 7),
        (7, 4096, 0),
        (STATE_LIMIT, 2048, STATE_LIMIT // 2),
    ],
)
def test_decay_truncates_toward_zero(state: int, decay: int, left: int) -> None:
    assert decayed(np.array([state]), np.asarray(decay)) == left


def step(v: int, threshold: int, a_in: int = 0, bias: int = 0, v_decay: int = 0) -> tuple[int, int, bool]:
    u = np.zeros(1, np.int64)
    done = cuba_step(
        u,
        np.array([v]),
        np.array([a_in]),
        u_decay=np.asarray(4096),
        v_decay=np.asarray(v_decay),
        bias=np.array([bias]),
        threshold=np.asarray(threshold),
    )
    return int(done.u[0]), int(done.v[0]), bool(done.s[0])


def test_a_neuron_spikes_above_its_threshold_and_is_then_empty() -> None:
    assert step(64 * 10, 10) == (0, 640, False)
    assert step(64 * 10 + 1, 10) == (0, 0, True)
    assert step(0, 10, a_in=11) == (704, 0, True)


def test_v_is_clipped_to_24_bits() -> None:
    assert step(STATE_LIMIT - 1, NEVER, a_in=1000) == (64_000, STATE_LIMIT - 1, False)
    assert step(-STATE_LIMIT + 1, NEVER, a_in=-1000) == (-64_000, -STATE_LIMIT + 1, False)


def test_the_largest_threshold_can_be_crossed_and_never_cannot() -> None:
    assert step(STATE_LIMIT - 1, 131_071)[2] is True
    assert step(STATE_LIMIT - 1, NEVER)[2] is False
