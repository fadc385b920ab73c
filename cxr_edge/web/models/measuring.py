"""Measuring a model here, on simulated films, so that a card has figures before anyone has typed `bench`."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from cxr_edge.benchmarks.measure import machine
from cxr_edge.errors import CxrEdgeError, DataError, RuntimeFailure
from cxr_edge.imaging import decoder
from cxr_edge.phantom.sets import specs
from cxr_edge.web.models.catalog import Entry, Model
from cxr_edge.web.models.figures import Figures, make_figures
from cxr_edge.web.models.model_pool import Runners

__all__ = ["FILMS", "Measurements", "Scores", "TestFilm", "draw_test_films", "judge_entry", "score"]

FILMS = 48
"""How many films of the simulated test split a model is measured on; every other one is positive."""

_MOST_S = 30
_CLOSING_S = 2.0

DATA = f"{FILMS} simulated films, measured here"


@dataclass(frozen=True, eq=False)
class TestFilm:
    """A film of the simulated test split, and its class."""

    # Not a test, though its name begins like one.
    __test__ = False

    film: decoder.Film
    label: str


@dataclass(frozen=True)
class Scores:
    """What a model answered: the positive class's probability of each film, and how long each took."""

    scores: tuple[float, ...]
    positive: tuple[bool, ...]
    times_ms: tuple[float, ...]

    def figures(self, reference: tuple[str, Scores] | None) -> Figures:
        """Return the figures, judged against the scores of `reference` (name, scores). Raises DataError."""
        others = None if reference is None else (reference[0], reference[1].scores)
        return make_figures(
            self.scores, self.positive, self.times_ms, data=DATA, machine=f"{_machine()}, threads: 1", reference=others
        )


class Measurements:
    """Measures models one after the other on a thread, whenever `is_idle` says that nobody waits for an answer."""

    def __init__(self, runners: Runners, is_idle: Callable[[], bool]) -> None:
        self._runners = runners
        self._is_idle = is_idle
        self._stop = threading.Event()
        self._figures: dict[str, Figures] = {}
        self._pending: set[str] = set()
        self._thread: threading.Thread | None = None

    def start(self, entries: Sequence[Entry]) -> None:
        """Begin with the models of `entries`, and return at once."""
        self._pending = {model.key for entry in entries for model in entry.models}
        self._thread = threading.Thread(target=self._measure_all, args=(entries,), name="measuring", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop after the film at hand; a stranger's model that is being opened is not waited for."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_CLOSING_S)

    def find(self, key: str) -> Figures | None:
        """Return the figures of a model, or None where it was not measured, or not yet."""
        return self._figures.get(key)

    def is_pending(self, key: str) -> bool:
        """Say whether a model is still to be measured."""
        return key in self._pending

    def _measure_all(self, entries: Sequence[Entry]) -> None:
        films = draw_test_films()
        for entry in entries:
            scores: dict[str, Scores] = {}
            for model in entry.models:
                try:
                    scores[model.key] = score(self._runners, model, films, self._wait)
                except CxrEdgeError:
                    # Whoever chooses the model is told by its answer.
                    self._pending.discard(model.key)
            if self._stop.is_set():
                return
            self._figures |= judge_entry(entry, scores)
            self._pending -= set(scores)

    def _wait(self) -> None:
        """Let people's films go first. Raises RuntimeFailure when the server stops."""
        while not self._is_idle() and not self._stop.wait(0.02):
            pass
        if self._stop.is_set():
            raise RuntimeFailure("measuring was stopped")


@functools.cache
def draw_test_films() -> tuple[TestFilm, ...]:
    """Return the first FILMS films of the simulated test split, drawn once."""
    films = []
    for spec in specs("test", FILMS):
        picture = Image.fromarray(spec.render().pixels)
        films.append(TestFilm(decoder.Film(decoder.to_contract(picture), *picture.size, "PNG", ()), spec.label))
    return tuple(films)


def score(runners: Runners, model: Model, films: Sequence[TestFilm], pause: Callable[[], None] | None = None) -> Scores:
    """Return what a model answers to `films`; `pause` is called before each.

    Raises RuntimeFailure where it fails, or has not answered them all in half a minute of its own time.
    """
    scores: list[float] = []
    times_ms: list[float] = []
    for film in films:
        if sum(times_ms) > _MOST_S * 1e3:
            raise RuntimeFailure(f"{model.title}: took over {_MOST_S} s for {len(times_ms)} films; use a faster model")
        if pause is not None:
            pause()
        prediction = runners.answer(model, film.film, "simulated", 0.0)
        if prediction.error is not None or prediction.probability is None:
            raise RuntimeFailure(prediction.error or f"{model.key}: gave no probability")
        scores.append(prediction.probability)
        times_ms.append(prediction.inference_ms or 0.0)
    positive = model.bundle.manifest.positive
    # The first run also sets the model up.
    return Scores(tuple(scores), tuple(film.label == positive for film in films), tuple(times_ms[1:] or times_ms))


def judge_entry(entry: Entry, scores: Mapping[str, Scores]) -> dict[str, Figures]:
    """Return the figures of the models that have `scores`, by key, the others of a bundle judged against float32."""
    found = {}
    reference = next((model for model in entry.models if _is_reference(model) and model.key in scores), None)
    for model in entry.models:
        if model.key not in scores:
            continue
        against = (reference.artifact.name, scores[reference.key]) if reference else None
        # A model of other classes finds no positive film among these.
        with contextlib.suppress(DataError):
            found[model.key] = scores[model.key].figures(None if model is reference else against)
    return found


def _is_reference(model: Model) -> bool:
    return model.artifact.quantization == "float32"


@functools.cache
def _machine() -> str:
    found = machine.describe()
    return found.cpu_model or found.architecture
