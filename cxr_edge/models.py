"""Open a model: the one place where trust, structural checks, sandbox and runtime are decided.

classify, score, bench, verify, web, audit and studies all open their models here. What neither ships with the package
nor was made or approved on this machine is checked before native code reads it, and runs in a sandbox.
"""

from __future__ import annotations

from cxr_edge.bundles.bundle import Bundle, default_bundle_path
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.runtimes import registry
from cxr_edge.runtimes.base import Runtime

__all__ = ["open_model"]


def open_model(bundle: Bundle, artifact: Artifact, *, threads: int = 1) -> Runtime:
    """Open an artifact of a bundle, proved by its hash, on `threads` threads.

    One that neither ships with the package nor was made here (`trust`) is checked and runs in a sandbox. Raises
    BundleError, RuntimeFailure, PreflightError, MissingExtraError.
    """
    content = bundle.artifact_bytes(artifact)
    # Where the shipped bundle lies is where this code lies; its start is to be short.
    if bundle.path != default_bundle_path():
        from cxr_edge.bundles import trust

        if not trust.is_ours(artifact.sha256):
            from cxr_edge.sandbox import runtime

            return runtime.open(content, artifact.format, threads=threads, name=artifact.name)
    return registry.open_content(content, artifact.format, threads=threads, name=artifact.name)
