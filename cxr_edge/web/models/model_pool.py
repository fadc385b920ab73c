"""Models that are open, ready to answer: each used by one thread at a time, closed when there are many newer ones.

A model that is not ours is a process of its own (`models.open_model`), so fewer of those stay open.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

from cxr_edge.errors import CxrEdgeError, RuntimeFailure
from cxr_edge.imaging import decoder
from cxr_edge.inference import classify
from cxr_edge.inference.classify import Prediction
from cxr_edge.models import open_model
from cxr_edge.runtimes.base import Runtime
from cxr_edge.web.models.catalog import Model

__all__ = ["Runners"]

_MOST_OPEN = {True: 12, False: 3}


@dataclass(eq=False)
class _Runner:
    trusted: bool
    lock: threading.Lock = field(default_factory=threading.Lock)
    runtime: Runtime | None = None


class Runners:
    """Runs models, and opens each when it is first asked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped = False
        self._runners: OrderedDict[str, _Runner] = OrderedDict()

    def answer(self, model: Model, film: decoder.Film, name: str, decode_ms: float) -> Prediction:
        """Return what a model says of a film; where it cannot be opened or run, the prediction has the error."""
        runner = self._find(model)
        manifest = model.bundle.manifest
        with runner.lock:
            try:
                if runner.runtime is None:
                    runner.runtime = self._open(model)
            except CxrEdgeError as error:
                return Prediction(Path(name), manifest.positive, manifest.threshold, error=str(error))
            prediction = classify.answer(runner.runtime, manifest, classify.Decoded(Path(name), film, decode_ms))
            # A sandbox tells what the model itself took, without the way to its process and back.
            times_s: tuple[float, ...] = getattr(runner.runtime, "times_s", ())
        if prediction.error is not None or not times_s:
            return prediction
        return dataclasses.replace(prediction, inference_ms=times_s[0] * 1e3)

    def forget(self, key: str) -> None:
        """Close a model that was removed."""
        with self._lock:
            self._runners.pop(key, None)

    def stop(self) -> None:
        """End all sandboxes, whatever they are at, and open none again: the server is to stop."""
        with self._lock:
            self._stopped = True
            strangers = [item.runtime for item in self._runners.values() if not item.trusted]
        for runtime in strangers:
            if runtime is not None:
                runtime.close()

    def close(self) -> None:
        """Forget all models; what still runs is freed when it ends."""
        with self._lock:
            self._runners.clear()

    def _open(self, model: Model) -> Runtime:
        if self._stopped and not model.trusted:
            raise RuntimeFailure(f"{model.title}: was stopped with the server")
        return open_model(model.bundle, model.artifact)

    def _find(self, model: Model) -> _Runner:
        with self._lock:
            runner = self._runners.setdefault(model.key, _Runner(model.trusted))
            self._runners.move_to_end(model.key)
            alike = [key for key, item in self._runners.items() if item.trusted == model.trusted]
            for key in alike[: -_MOST_OPEN[model.trusted]]:
                # Whoever still runs it holds it; it is freed after that.
                del self._runners[key]
            return runner
