"""What several models say of one film, whether they agree, and the pictures of it."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from PIL import Image

from cxr_edge.imaging import decoder, overlay
from cxr_edge.inference import rows
from cxr_edge.inference.classify import Prediction
from cxr_edge.system.about import RESEARCH_ONLY
from cxr_edge.system.text import csv_cell, csv_record, printable
from cxr_edge.web.models.catalog import Model
from cxr_edge.web.samples import encode_jpeg

__all__ = ["Agreement", "Answer", "Clash", "Decoded", "Result", "compare", "csv_head", "decode", "tidy_name"]

_PREVIEW_PX = 640
_LAYER_PX = 192
_FLOAT = ("float32", "float16")
_MAX_NAME = 120
_COLUMNS = ("film", "model", *rows.ANSWER_COLUMNS, "agreement", "research_only")


@dataclass(frozen=True, eq=False)
class Decoded:
    """A film that was read, in the forms that are wanted of it."""

    film: decoder.Film
    picture: Image.Image
    decode_ms: float


@dataclass(frozen=True, eq=False)
class Answer:
    """What one model says of the film."""

    model: Model
    prediction: Prediction

    @property
    def short(self) -> str:
        """Probability and label in a few words."""
        if self.prediction.error is not None:
            return "no answer"
        return f"{self.prediction.label}, P({self.prediction.positive}) {self.prediction.probability:.3f}"

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of an answer, without what is said of the film once."""
        facts: dict[str, Any] = json.loads(rows.to_json(self.prediction))
        for key in ("path", "research_only", "warnings", "decode_ms"):
            del facts[key]
        heatmap = self.prediction.heatmap
        cells = None if heatmap is None else [[round(value, 4) for value in row] for row in heatmap.tolist()]
        return {"model": self.model.key} | facts | {"heatmap": cells}


@dataclass(frozen=True)
class Clash:
    """A quantised model that calls the film otherwise than its float twin; `change` is that of the probability."""

    quantised: str
    reference: str
    labels: tuple[str, str]
    change: float

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of a clash."""
        return {"quantised": self.quantised, "float": self.reference, "change": round(self.change, 6)}


@dataclass(frozen=True)
class Agreement:
    """Whether the models that answered call the film the same. `kind` is agree, differ, single or none."""

    kind: str
    text: str
    clashes: tuple[Clash, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of the agreement."""
        return {"kind": self.kind, "text": self.text, "clashes": [item.to_json() for item in self.clashes]}


@dataclass(frozen=True, eq=False)
class Result:
    """Everything about one film. `truth` and `kind` are known of simulated films only, else empty."""

    name: str
    decoded: Decoded
    answers: tuple[Answer, ...]
    agreement: Agreement
    truth: str = ""
    kind: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that docs/web.md describes; no picture is in it."""
        film = self.decoded.film
        facts = {
            "name": self.name,
            "format": film.format,
            "width_px": film.width_px,
            "height_px": film.height_px,
            "decode_ms": round(self.decoded.decode_ms, 2),
            "warnings": list(film.warnings),
            "truth": self.truth or None,
        }
        results = [answer.to_json() for answer in self.answers]
        agreement = self.agreement.to_json()
        return {"film": facts, "results": results, "agreement": agreement, "research_only": RESEARCH_ONLY}

    def to_csv(self) -> str:
        """Return a record for each model, without a head."""
        return "".join(self._records())

    def _records(self) -> Iterator[str]:
        for answer in self.answers:
            facts = json.loads(rows.to_json(answer.prediction))
            facts |= {"film": self.name, "model": answer.model.key, "agreement": self.agreement.kind}
            facts["warnings"] = "; ".join(answer.prediction.warnings)
            yield csv_record([csv_cell(facts[column]) for column in _COLUMNS])

    def preview(self) -> str:
        """Return the film as a data URI, no side over 640 pixels."""
        return _data_uri("image/jpeg", encode_jpeg(self.decoded.picture, _PREVIEW_PX))

    def layer(self, answer: Answer) -> str:
        """Return the heat map of an answer as a data URI, to lie over the whole film; empty where there is none."""
        if answer.prediction.heatmap is None:
            return ""
        buffer = io.BytesIO()
        overlay.layer(answer.prediction.heatmap, (_LAYER_PX, _LAYER_PX)).save(buffer, "PNG", compress_level=3)
        return _data_uri("image/png", buffer.getvalue())


def decode(content: bytes, name: str) -> Decoded:
    """Read a film. Raises ImageError, UnsafeFileError, MissingExtraError."""
    start_s = time.perf_counter()
    film, picture = decoder.read_with_picture(content, name=name)
    return Decoded(film, picture, (time.perf_counter() - start_s) * 1e3)


def csv_head() -> str:
    """Return the head of the CSV."""
    return csv_record(_COLUMNS)


def tidy_name(name: str) -> str:
    """Return the last part of a film's name as a line of printable text."""
    last = PurePath(name.replace("\\", "/")).name
    return printable(last)[:_MAX_NAME] or "film"


def compare(answers: Sequence[Answer]) -> Agreement:
    """Say whether the models agree. Those with other classes than the first are not held against it."""
    given = [answer for answer in answers if answer.prediction.error is None]
    if not given:
        return Agreement("none", "no model gave an answer")
    clashes = tuple(_find_clashes(given))
    labels = given[0].model.bundle.manifest.labels
    others = [answer for answer in given if set(answer.model.bundle.manifest.labels) != set(labels)]
    alike = [answer for answer in given if answer not in others]
    apart = f"; {len(others)} with other classes" if others else ""
    calls = [str(answer.prediction.label) for answer in alike]
    if len(calls) == 1:
        return Agreement("single", f"one model: {calls[0]}{apart}", clashes)
    if len(set(calls)) == 1:
        every = "both" if len(calls) == 2 else f"all {len(calls)}"
        return Agreement("agree", f"{every} models say {calls[0]}{apart}", clashes)
    counts = ", ".join(f"{calls.count(label)} {label}" for label in dict.fromkeys(calls))
    return Agreement("differ", f"models disagree: {counts}{apart}", clashes)


def _find_clashes(answers: Sequence[Answer]) -> Iterator[Clash]:
    """Yield the quantised artifacts whose label is not that of the float artifact of their bundle."""
    for answer in answers:
        twin = None if answer.model.artifact.quantization in _FLOAT else _find_twin(answer, answers)
        first, second = answer.prediction, twin.prediction if twin else None
        if twin is None or second is None or first.label == second.label:
            continue
        change = (first.probability or 0.0) - (second.probability or 0.0)
        yield Clash(answer.model.title, twin.model.title, (str(first.label), str(second.label)), change)


def _find_twin(answer: Answer, answers: Sequence[Answer]) -> Answer | None:
    twins = [
        item
        for item in answers
        if item.model.bundle.path == answer.model.bundle.path and item.model.artifact.quantization in _FLOAT
    ]
    wanted = answer.model.artifact.format
    twins.sort(key=lambda item: (item.model.artifact.format != wanted, _FLOAT.index(item.model.artifact.quantization)))
    return twins[0] if twins else None


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
