"""The error tree.

NeuroDeployError           anything the user can mend; the command line prints it and exits 1
+-- UsageError             arguments that contradict each other or name nothing that exists
+-- FileError              a file that cannot be read or written
|   +-- FormatError        a file whose content is not what its format says
+-- DataError              samples of the wrong shape, type or range
+-- RangeError             a number that does not fit its register
+-- UnsupportedError       something well-formed that this version does not do
+-- EngineError            an engine that failed while running
|   +-- EngineTimeout      an engine that did not finish in its time limit
+-- MissingError           an optional part that is not installed
"""

from __future__ import annotations


class NeuroDeployError(Exception):
    """A problem the user can mend: what was found and allowed, where, and what to do.

    ``what`` says what was found and what is allowed, ``where`` names the place (a file, an HDF5 path,
    a population), ``hint`` says what to do next.
    """

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}\nhint: {self.hint}" if self.hint else text

    def to_dict(self) -> dict[str, str | None]:
        """The error as plain data, for ``--json``."""
        return {"type": type(self).__name__, "what": self.what, "where": self.where, "hint": self.hint}


class UsageError(NeuroDeployError):
    """Arguments that contradict each other or name nothing that exists."""


class FileError(NeuroDeployError):
    """A file that cannot be read or written."""


class FormatError(FileError):
    """A file whose content is not what its format says."""


class DataError(NeuroDeployError):
    """Samples of the wrong shape, type or range."""


class RangeError(NeuroDeployError):
    """A number that does not fit its register."""


class UnsupportedError(NeuroDeployError):
    """Something well-formed that this version does not do."""


class EngineError(NeuroDeployError):
    """An engine that failed while running."""


class EngineTimeout(EngineError):
    """An engine that did not finish in its time limit."""


class MissingError(NeuroDeployError):
    """An optional part that is not installed."""
