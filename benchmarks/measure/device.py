"""The protocol of a device: it starts a new worker process somewhere and returns the answer.

`devices` implements it. The protocol is in this room, so that `devices` imports `measure` and not the reverse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from cxr_edge.bundles.manifest import Artifact

__all__ = ["Device"]


class Device(Protocol):
    """A place where artifacts run. `kind` is MEASURED, EMULATED or ESTIMATED, `identity` says what it is.

    `withheld` says why the device gives no latencies; None if it gives them.
    """

    name: str
    kind: str
    identity: str
    withheld: str | None

    def refuse(self, artifact: Artifact) -> str | None:
        """Return why the device does not run `artifact`, None if it does."""
        ...

    def ask(self, request: Mapping[str, Any], *, name: str) -> dict[str, Any]:
        """Return the answer of a new process there to a request for `measure.worker`; its paths are of this machine.

        `name` is the artifact. Raises RuntimeFailure, DeviceError.
        """
        ...

    def close(self) -> None:
        """Remove what was copied to the device."""
        ...
