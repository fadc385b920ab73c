"""Models that people bring: checked by structure and contract, tried in a sandbox, then kept apart from all others.

Each is a bundle folder below the folder of uploads, with its manifest and what was measured of it. Of a bundle only
the .tflite and .onnx artifacts are kept; a .keras file in it is neither opened nor stored.
"""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr_edge.bundles import bundle_zip
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import MANIFEST_NAME, Artifact, Manifest
from cxr_edge.contract import InputContract
from cxr_edge.errors import CxrEdgeError, DataError, RequestRefusedError
from cxr_edge.preflight import check
from cxr_edge.system import files
from cxr_edge.system.paths import data_folder
from cxr_edge.system.progress import say
from cxr_edge.web.models.catalog import UPLOADED, Entry, make_entry, name_apart
from cxr_edge.web.models.figures import Figures
from cxr_edge.web.models.measuring import Scores, TestFilm, judge_entry, score
from cxr_edge.web.models.model_pool import Runners

__all__ = ["Form", "Uploads", "default_folder"]

_FORMATS = ("tflite", "onnx")
_MEASURED = "measured.json"
_MOST = 32
_MOST_LABELS = 32
_MAX_LABEL = 60


@dataclass(frozen=True)
class Form:
    """What a file without a manifest cannot say of itself. `limit` is that of typicality, None without one."""

    labels: tuple[str, ...]
    positive: str
    threshold: float
    limit: float | None = None

    @classmethod
    def parse(cls, values: Mapping[str, str]) -> Form:
        """Read the fields of a request. Raises RequestRefusedError (422) that names the field."""
        labels = tuple(label.strip() for label in values.get("labels", "").split(",") if label.strip())
        if not 2 <= len(labels) <= _MOST_LABELS or len(set(labels)) != len(labels):
            raise _refuse("labels: give two or more different names in the order of the output, as covid,noncovid")
        if not all(label.isprintable() and len(label) <= _MAX_LABEL for label in labels):
            raise _refuse(f"labels: use plain text of up to {_MAX_LABEL} characters each")
        positive = values.get("positive", "").strip()
        if positive not in labels:
            raise _refuse(f"positive: {positive!r} is not one of the labels {', '.join(labels)}")
        threshold = _parse_number(values, "threshold")
        if not 0.0 <= threshold <= 1.0:
            raise _refuse("threshold: give a number from 0 to 1")
        return cls(labels, positive, threshold, _parse_number(values, "limit") if values.get("limit") else None)


class Uploads:
    """The uploaded bundles in `folder`. Its methods block; one thread at a time may accept."""

    def __init__(self, folder: Path, runners: Runners, draw_films: Callable[[], Sequence[TestFilm]]) -> None:
        self.folder = folder
        self._runners = runners
        self._draw_films = draw_films
        self.figures: dict[str, Figures] = {}

    def list(self) -> Iterator[Entry]:
        """Yield what was uploaded before; what is not whole is told of on stderr and left out."""
        files.sweep_temporaries(self.folder)
        for path in sorted(self.folder.glob(f"*/{MANIFEST_NAME}")):
            try:
                entry = make_entry(path.parent.name, Bundle.read(path.parent), UPLOADED)
                self._judge(entry, _read_scores(path.parent / _MEASURED, entry))
            except CxrEdgeError as error:
                say(f"cxr-edge: left out: {error}")
                continue
            yield entry

    def accept(self, content: bytes, name: str, form: Mapping[str, str], taken: Sequence[str]) -> Entry:
        """Check, try and store an upload; `taken` are the keys in use. Raises CxrEdgeError with the reason."""
        if sum(1 for _ in self.folder.glob(f"*/{MANIFEST_NAME}")) >= _MOST:
            raise RequestRefusedError(409, f"{_MOST} uploaded models are kept already; remove one first")
        key = name_apart(Path(name).stem, taken)
        with files.staged_folder(self.folder / key) as staged:
            entry = make_entry(key, _unpack(content, key, name, form, staged), UPLOADED)
            scores = self._try(entry)
            stated = {artifact: dataclasses.asdict(item) for artifact, item in scores.items()}
            files.write_json(staged / _MEASURED, stated)
        entry = make_entry(key, Bundle.read(self.folder / key), UPLOADED)
        self._judge(entry, scores)
        return entry

    def remove(self, entry: Entry) -> None:
        """Remove an uploaded bundle and what was measured of it."""
        for model in entry.models:
            self._runners.forget(model.key)
            self.figures.pop(model.key, None)
        # Without its manifest a folder is no bundle, whatever becomes of the rest.
        (self.folder / entry.key / MANIFEST_NAME).unlink(missing_ok=True)
        shutil.rmtree(self.folder / entry.key, ignore_errors=True)

    def _try(self, entry: Entry) -> dict[str, Scores]:
        """Run every artifact on the test films. Raises RuntimeFailure, MissingExtraError."""
        scores = {}
        for model in entry.models:
            try:
                scores[model.artifact.name] = score(self._runners, model, self._draw_films())
            finally:
                # It is opened anew from where it is then kept.
                self._runners.forget(model.key)
        return scores

    def _judge(self, entry: Entry, scores: Mapping[str, Scores]) -> None:
        self.figures |= judge_entry(entry, {f"{entry.key}/{name}": item for name, item in scores.items()})


def default_folder() -> Path:
    """Return where uploads are kept: the user's data folder."""
    return data_folder() / "uploads"


def _unpack(content: bytes, key: str, name: str, form: Mapping[str, str], folder: Path) -> Bundle:
    """Make a bundle of an upload whose files were all checked. Raises CxrEdgeError."""
    kind = Path(name).suffix.lower().removeprefix(".")
    if kind in _FORMATS:
        return _wrap(content, kind, name, Form.parse(form), folder)
    if kind != "zip":
        raise _refuse(
            f"{name}: only a bundle as .zip, a .tflite or an .onnx is taken; .keras, .h5, SavedModel and pickle files "
            "are programs as much as models. Export it with 'cxr-edge export'"
        )
    bundle = _keep_artifacts(Bundle(folder, bundle_zip.unpack(content, folder, name)), name)
    for model in make_entry(key, bundle, UPLOADED).models:
        artifact = model.artifact
        check.check_artifact(bundle.artifact_bytes(artifact), artifact.format, model.title, sha256=artifact.sha256)
    return bundle


def _keep_artifacts(bundle: Bundle, name: str) -> Bundle:
    """Drop all but the artifacts that are run here, and say so in the manifest. Raises RequestRefusedError."""
    kept = {key: item for key, item in bundle.manifest.artifacts.items() if item.format in _FORMATS}
    if not kept:
        raise _refuse(f"{name}: has no .tflite or .onnx artifact; make one with 'cxr-edge export'")
    for path in bundle.path.iterdir():
        if path.name not in kept and path.name != MANIFEST_NAME:
            path.unlink()
    slim = Bundle(bundle.path, dataclasses.replace(bundle.manifest, artifacts=kept, files={}))
    slim.write_manifest()
    return slim


def _wrap(content: bytes, kind: str, name: str, form: Form, folder: Path) -> Bundle:
    """Make a bundle of one file. Raises PreflightError, OutputError."""
    sha256 = files.sha256_bytes(content)
    facts = check.check_artifact(content, kind, name, sha256=sha256)
    artifact = Artifact(
        name=f"model_uploaded.{kind}",
        format=kind,
        quantization="uploaded",
        sha256=sha256,
        size_bytes=len(content),
        outputs=tuple(item.name for item in facts.outputs),
    )
    files.write_bytes(folder / artifact.name, content)
    manifest = Manifest(
        name=Path(name).stem,
        architecture="not stated",
        labels=form.labels,
        positive=form.positive,
        threshold=form.threshold,
        contract=InputContract(),
        artifacts={artifact.name: artifact},
        typicality_limit=form.limit,
        provenance={"uploaded": name},
    )
    bundle = Bundle(folder, manifest)
    bundle.write_manifest()
    return bundle


def _read_scores(path: Path, entry: Entry) -> dict[str, Scores]:
    stored = files.read_json(path)
    try:
        return {
            model.artifact.name: Scores(**{key: tuple(value) for key, value in stored[model.artifact.name].items()})
            for model in entry.models
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise DataError(f"{path}: does not hold what was measured; upload the model again") from error


def _parse_number(values: Mapping[str, str], key: str) -> float:
    try:
        value = float(values.get(key, ""))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _refuse(f"{key}: {values.get(key, '')!r} is no number")
    return value


def _refuse(text: str) -> RequestRefusedError:
    return RequestRefusedError(422, text)
