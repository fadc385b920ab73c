"""What measuring asks of a device: that it starts a fresh worker process somewhere and brings its answer back.

`devices` has the modules that do so. The protocol is here, where it is used, so that those import this room and this
room none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from cxr_edge.bundles.manifest import Artifact

__all__ = ["Device"]


class Device(Protocol):
    """A place where artifacts run. `kind` is MEASURED, EMULATED or ESTIMATED, `identity` says what it is.

    `withheld` is why the device gives no latencies, None where it does.
    """

    name: str
    kind: str
    identity: str
    withheld: str | None

    def refuse(self, artifact: Artifact) -> str | None:
        """Return why the device does not run `artifact`, None where it does."""
        ...

    def ask(self, request: Mapping[str, Any], *, name: str) -> dict[str, Any]:
        """Return the answer of a fresh process there to a request of `measure.worker`; paths in it are of this machine.

        `name` is the artifact that it is about. Raises RuntimeFailure, DeviceError.
        """
        ...

    def close(self) -> None:
        """Take back what was put on the device."""
        ...
