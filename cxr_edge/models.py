"""Open a model: the one place where trust, structural checks, sandbox and runtime are decided.

classify, score, bench, verify, web, audit and studies all open their models here. What neither ships with the package
nor was made or approved on this machine is checked before native code reads it, and runs in a sandbox.
"""

from __future__ import annotations

from dataclasses import dataclass

from cxr_edge.bundles.bundle import Bundle, default_bundle_path
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.runtimes import registry
from cxr_edge.runtimes.base import Runtime

__all__ = ["ModelFile", "is_trusted", "open_model", "read_model"]


@dataclass(frozen=True)
class ModelFile:
    """A model file that may be opened: its bytes, and whether it is trusted. It can be sent to other processes.

    Made by `read_model` alone, which has checked the structure of a file that is not trusted.
    """

    content: bytes
    format: str
    name: str
    trusted: bool

    def open(self, *, threads: int = 1) -> Runtime:
        """Open the model, in a sandbox where it is not trusted. Raises RuntimeFailure, MissingExtraError."""
        if self.trusted:
            return registry.open_content(self.content, self.format, threads=threads, name=self.name)
        from cxr_edge.sandbox import runtime

        return runtime.open(self.content, self.format, threads=threads, name=self.name)


def read_model(bundle: Bundle, artifact: Artifact) -> ModelFile:
    """Return an artifact of a bundle, proved by its hash; one that is not trusted is checked.

    Raises BundleError, PreflightError.
    """
    content = bundle.artifact_bytes(artifact)
    trusted = _is_known(bundle, artifact)
    if not trusted:
        from cxr_edge.preflight import check

        check.check_artifact(content, artifact.format, artifact.name, sha256=artifact.sha256)
    return ModelFile(content, artifact.format, artifact.name, trusted)


def open_model(bundle: Bundle, artifact: Artifact, *, threads: int = 1) -> Runtime:
    """Open an artifact of a bundle on `threads` threads.

    Raises BundleError, PreflightError, RuntimeFailure, MissingExtraError.
    """
    return read_model(bundle, artifact).open(threads=threads)


def is_trusted(bundle: Bundle, artifact: Artifact) -> bool:
    """Return whether an artifact runs without limits; one that does not is checked here.

    For those who open it in a process that limits itself and proves its hash, as bench does: a trusted one is not read.
    Raises BundleError, PreflightError.
    """
    return _is_known(bundle, artifact) or read_model(bundle, artifact).trusted


def _is_known(bundle: Bundle, artifact: Artifact) -> bool:
    """Return whether an artifact ships with the package, or was made or approved here."""
    # Where the shipped bundle lies is where this code lies; its start is to be short.
    if bundle.path == default_bundle_path():
        return True
    from cxr_edge.bundles import trust

    return trust.is_ours(artifact.sha256)
