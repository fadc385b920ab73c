"""Every error that a user can meet, and the exit code it ends a command with.

    CxrEdgeError                exit 1
    ├── UsageError              exit 2  an option or argument that cannot be used
    ├── DataError               exit 1  a data set, manifest or label that does not hold together
    │   └── ImageError          exit 1  one image that cannot be read as a film
    ├── BundleError             exit 1  a bundle or artifact that is missing, changed or of another contract
    ├── RuntimeFailure          exit 1  an inference runtime that cannot load or run an artifact
    │   └── SandboxError        exit 1  a model whose sandbox was ended by a limit or died
    ├── DeviceError             exit 1  a device that is not there, or lacks what a measurement needs
    ├── ExportError             exit 1  a conversion that failed its own checks
    ├── TrainingError           exit 1  a training run that cannot start or go on
    ├── MissingExtraError       exit 1  an optional dependency that is not installed
    ├── OutputError             exit 1  a place that cannot be written: permissions, a full disk
    ├── RequestRefusedError     exit 1  a request to the web application that it does not serve, with its HTTP status
    ├── BudgetMissedError       exit 3  a stated budget was not met
    └── UnsafeFileError         exit 4  a file refused because opening it would not be safe
        └── PreflightError      exit 4  a model file that does not pass the check before any runtime sees it

An error's text names the input, the fact and the next step, in one line.
"""

from __future__ import annotations

__all__ = [
    "BudgetMissedError",
    "BundleError",
    "CxrEdgeError",
    "DataError",
    "DeviceError",
    "ExportError",
    "ImageError",
    "MissingExtraError",
    "OutputError",
    "PreflightError",
    "RequestRefusedError",
    "RuntimeFailure",
    "SandboxError",
    "TrainingError",
    "UnsafeFileError",
    "UsageError",
]


class CxrEdgeError(Exception):
    """Base of every error that is reported to the user as one line."""

    exit_code = 1


class UsageError(CxrEdgeError):
    """An option or argument that cannot be used as given."""

    exit_code = 2


class DataError(CxrEdgeError):
    """A data set, manifest or label that does not hold together."""


class ImageError(DataError):
    """One image that cannot be read as a film."""


class BundleError(CxrEdgeError):
    """A bundle or artifact that is missing, changed, or of another contract."""


class RuntimeFailure(CxrEdgeError):
    """An inference runtime that cannot load or run an artifact."""


class SandboxError(RuntimeFailure):
    """A model whose sandbox was ended by a limit, died, or gave no proper answer."""


class DeviceError(CxrEdgeError):
    """A device that is not there, or lacks what a measurement needs."""


class ExportError(CxrEdgeError):
    """A conversion that failed its own checks."""


class TrainingError(CxrEdgeError):
    """A training run that cannot start or go on."""


class OutputError(CxrEdgeError):
    """A place that cannot be written: permissions, a full disk, a file in the way."""


class RequestRefusedError(CxrEdgeError):
    """A request that the web application does not serve; `status` is the HTTP status of its answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class BudgetMissedError(CxrEdgeError):
    """A stated budget was not met."""

    exit_code = 3


class UnsafeFileError(CxrEdgeError):
    """A file refused because opening it would not be safe."""

    exit_code = 4


class PreflightError(UnsafeFileError):
    """A model file that does not pass the structural check before any runtime sees it."""


class MissingExtraError(CxrEdgeError):
    """An optional dependency that is not installed; the text has the line to type."""

    def __init__(self, purpose: str, extra: str) -> None:
        super().__init__(f"{purpose} needs the extra '{extra}'; type: pip install 'cxr-edge[{extra}]'")
        self.purpose = purpose
        self.extra = extra

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        # Errors travel between processes, and an exception is otherwise rebuilt from its text.
        return type(self), (self.purpose, self.extra)
