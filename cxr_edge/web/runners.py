"""Models that are open, ready to answer: each used by one thread at a time, the least used closed when there are many."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cxr_edge import classify, images, runtimes
from cxr_edge.classify import Prediction
from cxr_edge.errors import CxrEdgeError
from cxr_edge.web.catalog import Model

__all__ = ["Runners"]

_MOST_OPEN = 12


@dataclass(eq=False)
class _Runner:
    lock: threading.Lock = field(default_factory=threading.Lock)
    runtime: runtimes.Runtime | None = None


class Runners:
    """Runs models. `open_untrusted` returns the runtime of a model that was uploaded."""

    def __init__(self, open_untrusted: Callable[[Model], runtimes.Runtime]) -> None:
        self._open_untrusted = open_untrusted
        self._lock = threading.Lock()
        self._runners: OrderedDict[str, _Runner] = OrderedDict()

    def answer(self, model: Model, film: images.Film, name: str, decode_ms: float) -> Prediction:
        """Return what a model says of a film; where it cannot be opened or run, the prediction has the error."""
        runner = self._find(model.key)
        manifest = model.bundle.manifest
        with runner.lock:
            try:
                if runner.runtime is None:
                    runner.runtime = self._open(model)
            except CxrEdgeError as error:
                return Prediction(Path(name), manifest.positive, manifest.threshold, error=str(error))
            return classify.answer(runner.runtime, manifest, Path(name), film, decode_ms)

    def forget(self, key: str) -> None:
        """Close a model that was removed."""
        with self._lock:
            self._runners.pop(key, None)

    def _find(self, key: str) -> _Runner:
        with self._lock:
            runner = self._runners.setdefault(key, _Runner())
            self._runners.move_to_end(key)
            while len(self._runners) > _MOST_OPEN:
                # Whoever still runs it holds it; it is freed after that.
                self._runners.popitem(last=False)
            return runner

    def _open(self, model: Model) -> runtimes.Runtime:
        if not model.trusted:
            return self._open_untrusted(model)
        return runtimes.open_artifact(model.bundle, model.artifact)
