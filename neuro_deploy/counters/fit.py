"""Fits the costs of the time model to measurements on hardware.

    seconds = barrier + max over terms of  cost * load        (arXiv:2601.10035)

Such a function is fitted by turns: every measurement is given to the term that binds it, costs are then found by
non-negative least squares of relative errors, and so on until nothing changes; from many starts, the best is kept. A
term that binds no measurement has no cost: nothing was learned of it but that it is not larger.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neuro_deploy.counters.runtime import TERMS
from neuro_deploy.errors import DataError, FormatError
from neuro_deploy.files import existing_file
from neuro_deploy.hardware import HardwareProfile, Quantity

SECONDS = "seconds_per_timestep"
STARTS = 200
"""Starts of the search, seeded."""
TURNS = 100
MOST_ROWS = 1_000_000
MOST_BYTES = 2**28
LEAST_ROWS = 3
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TimeFit:
    """costs: term -> seconds per unit of load, of those that bind. bound: term -> measurements that it binds.

    mean_error, worst_error: relative, of the measurements.
    """

    barrier: float
    costs: Mapping[str, float]
    bound: Mapping[str, int]
    measurements: int
    mean_error: float
    worst_error: float

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "barrier": self.barrier,
            "costs": dict(self.costs),
            "bound": dict(self.bound),
            "unknown": [term for term in TERMS if term not in self.costs],
            "measurements": self.measurements,
            "mean_error": self.mean_error,
            "worst_error": self.worst_error,
        }

    def onto(self, profile: HardwareProfile, source: str) -> HardwareProfile:
        """The profile with these costs; those that were not learned are left out. source: of the measurements."""
        kept = {name: quantity for name, quantity in profile.quantities.items() if not name.startswith("time.")}
        said = (
            f"neuro-deploy fit-time: {self.measurements} measurements of {source}, "
            f"errors {100 * self.mean_error:.2g} % in the mean, {100 * self.worst_error:.2g} % at worst"
        )
        found = {"barrier": self.barrier, **self.costs}
        fitted = {f"time.{name}": Quantity(value, "s", said) for name, value in found.items()}
        return replace(profile, name=f"{profile.name}-fitted", quantities={**kept, **fitted})


def read_measurements(path: str | Path) -> dict[str, Floats]:
    """Columns of a CSV file: ``seconds_per_timestep`` and any loads of the busiest core and link, one row a run.

    Raises:
        FileError: not there. FormatError: no CSV, columns that are missing, unknown or twice, or no numbers.
    """
    file = existing_file(path)
    if file.stat().st_size > MOST_BYTES:
        raise FormatError(f"has more than {MOST_BYTES:,} bytes", where=str(file), hint="average repeated measurements")
    try:
        with file.open(encoding="utf-8-sig", newline="") as handle:
            rows = [row for row in csv.reader(handle, strict=True) if any(cell.strip() for cell in row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"is not CSV: {error}", where=str(file)) from error
    head = [cell.strip() for cell in rows[0]] if rows else []
    _check_head(head, file)
    if not LEAST_ROWS <= len(rows) - 1 <= MOST_ROWS:
        raise FormatError(
            f"has {len(rows) - 1} measurements, {LEAST_ROWS} to {MOST_ROWS:,} are wanted", where=str(file)
        )
    values = np.array([_numbers(row, head, file, line) for line, row in enumerate(rows[1:], start=2)])
    return dict(zip(head, values.T, strict=True))


def _check_head(head: list[str], file: Path) -> None:
    allowed = [SECONDS, *TERMS.values()]
    hint = f"the first line names the columns: {', '.join(allowed)}"
    unknown = [name for name in head if name not in allowed]
    if unknown or len(set(head)) != len(head):
        what = f"has the column {unknown[0]!r}" if unknown else "names a column twice"
        raise FormatError(what, where=str(file), hint=hint)
    if SECONDS not in head or len(head) < 2:
        raise FormatError(f"wants {SECONDS} and at least one load", where=str(file), hint=hint)


def _numbers(row: list[str], head: list[str], file: Path, line: int) -> list[float]:
    where = f"{file}: line {line}"
    if len(row) != len(head):
        raise FormatError(f"has {len(row)} cells, the first line has {len(head)}", where=where)
    numbers = []
    for name, cell in zip(head, row, strict=True):
        try:
            number = float(cell)
        except ValueError as error:
            raise FormatError(f"{name} is {cell[:40]!r}, a number is wanted", where=where) from error
        least = "above 0" if name == SECONDS else "of 0 or more"
        if not math.isfinite(number) or number < 0 or number > 1e15 or (name == SECONDS and number < 1e-15):
            raise FormatError(f"{name} is {cell[:40]}, a number {least} is wanted", where=where)
        numbers.append(number)
    return numbers


def fit_time(columns: Mapping[str, Floats]) -> TimeFit:
    """The barrier and costs that come nearest to the measured seconds. columns: as ``read_measurements`` gives them.

    Raises:
        DataError: measurements that do not differ in any load.
    """
    seconds = columns[SECONDS]
    terms = [term for term, name in TERMS.items() if name in columns and np.ptp(columns[name]) > 0]
    if not terms:
        raise DataError("the measurements do not differ in any load", hint="measure networks of different sizes")
    loads = np.stack([columns[TERMS[term]] for term in terms])
    scale = loads.max(axis=1, keepdims=True)
    rng = np.random.default_rng(0)
    starts = [*np.eye(len(terms)), np.ones(len(terms)), *rng.exponential(size=(STARTS, len(terms)))]
    found = [_settled(seconds, loads / scale, start) for start in starts]
    barrier, costs = min(found, key=lambda solution: _loss(seconds, loads / scale, *solution))
    return _described(terms, seconds, loads, barrier, costs / scale[:, 0])


def _settled(seconds: Floats, loads: Floats, costs: Floats) -> tuple[float, Floats]:
    """(barrier, costs) from a start, turn after turn. loads: (terms, rows), 0..1."""
    from scipy.optimize import nnls  # takes long to load

    solution: tuple[float, Floats] = (0.0, costs)
    binding = np.argmax(costs[:, None] * loads, axis=0)
    for _ in range(TURNS):
        matrix = np.zeros((len(seconds), 1 + len(loads)))
        matrix[:, 0] = 1
        matrix[np.arange(len(seconds)), 1 + binding] = loads[binding, np.arange(len(seconds))]
        found, _ = nnls(matrix / seconds[:, None], np.ones(len(seconds)))
        solution = float(found[0]), found[1:]
        after = np.argmax(solution[1][:, None] * loads, axis=0)
        if np.array_equal(after, binding):
            break
        binding = after
    return solution


def _model(loads: Floats, barrier: float, costs: Floats) -> Floats:
    modelled: Floats = barrier + (costs[:, None] * loads).max(axis=0)
    return modelled


def _loss(seconds: Floats, loads: Floats, barrier: float, costs: Floats) -> float:
    return float(np.mean((_model(loads, barrier, costs) / seconds - 1) ** 2))


def _described(terms: list[str], seconds: Floats, loads: Floats, barrier: float, costs: Floats) -> TimeFit:
    errors = np.abs(_model(loads, barrier, costs) / seconds - 1)
    spent = costs[:, None] * loads
    binding = np.where(spent.max(axis=0) > 0, spent.argmax(axis=0), -1)
    bound = {term: int(np.sum(binding == row)) for row, term in enumerate(terms)}
    kept = {term: float(cost) for term, cost in zip(terms, costs, strict=True) if bound[term] and cost > 0}
    return TimeFit(barrier, kept, bound, len(seconds), float(errors.mean()), float(errors.max()))
