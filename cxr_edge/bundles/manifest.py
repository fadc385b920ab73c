"""manifest.json: all there is to know of a bundle's classifier and artifacts, as checked dataclasses."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cxr_edge.contract import InputContract
from cxr_edge.errors import BundleError
from cxr_edge.system.about import RESEARCH_ONLY

__all__ = ["MANIFEST_NAME", "SCHEMA", "Artifact", "Manifest"]

SCHEMA = 1
MANIFEST_NAME = "manifest.json"

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Artifact:
    """One model file of a bundle. `quantization` is a recipe's name, `outputs` the tensors in the file's own order."""

    name: str
    format: str
    quantization: str
    sha256: str
    size_bytes: int
    outputs: tuple[str, ...]
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """What manifest.json says. `labels` is the order of the probabilities; `threshold` applies to `positive`.

    `typicality_limit` is the value of the `typicality` output above which a film is unlike the training films, or
    None where the model has no such output. `files` are the hashes of what else belongs to the bundle. `calibration` is
    what `calibration.Calibration` says of the threshold and the temperature; it is empty where nothing was fitted.
    """

    name: str
    architecture: str
    labels: tuple[str, ...]
    positive: str
    threshold: float
    contract: InputContract
    artifacts: Mapping[str, Artifact]
    typicality_limit: float | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    calibration: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def positive_index(self) -> int:
        """The column of `probabilities` that the threshold applies to."""
        return self.labels.index(self.positive)

    def to_json(self) -> dict[str, Any]:
        """Return the manifest as the JSON object that `from_json` reads."""
        value = dataclasses.asdict(self)
        value["schema"] = SCHEMA
        value["labels"] = list(self.labels)
        for artifact in value["artifacts"].values():
            del artifact["name"]
            artifact["outputs"] = list(artifact["outputs"])
        value["research_only"] = RESEARCH_ONLY
        return value

    @classmethod
    def from_json(cls, value: Any, *, where: str) -> Manifest:
        """Build a manifest from a JSON object. Raises BundleError that names `where` and the field at fault."""
        reader = _Fields(value, where)
        if reader.get("schema", int) != SCHEMA:
            raise BundleError(
                f"{where}: schema {value['schema']} is not {SCHEMA}, the one this version reads; "
                "install the cxr-edge that wrote it, or export it again"
            )
        labels = reader.strings("labels")
        positive = reader.get("positive", str)
        if len(labels) < 2 or len(set(labels)) != len(labels) or positive not in labels:
            raise reader.fault("labels", "must be two or more different names, 'positive' among them")
        threshold = reader.number("threshold")
        if not 0.0 <= threshold <= 1.0:
            raise reader.fault("threshold", "must lie between 0 and 1")
        limit = None if value.get("typicality_limit") is None else reader.number("typicality_limit")
        return cls(
            name=reader.get("name", str),
            architecture=reader.get("architecture", str),
            labels=labels,
            positive=positive,
            threshold=threshold,
            contract=_read_contract(reader),
            artifacts=_read_artifacts(reader),
            typicality_limit=limit,
            files=_read_hashes(reader),
            calibration=reader.get("calibration", dict) if "calibration" in value else {},
            metrics=reader.get("metrics", dict),
            provenance=reader.get("provenance", dict),
        )


class _Fields:
    """Typed look-ups in a JSON object, whose errors name the file and the field."""

    def __init__(self, value: Any, where: str) -> None:
        self.where = where
        if not isinstance(value, dict):
            raise BundleError(f"{where}: must hold a JSON object; export the bundle again")
        self.value = value

    def fault(self, key: str, fact: str) -> BundleError:
        return BundleError(f"{self.where}: field '{key}' {fact}; export the bundle again")

    def get(self, key: str, kind: type) -> Any:
        item = self.value.get(key)
        if not isinstance(item, kind) or isinstance(item, bool):
            raise self.fault(key, f"must be of JSON type {kind.__name__}")
        return item

    def number(self, key: str) -> float:
        item = self.value.get(key)
        if isinstance(item, bool) or not isinstance(item, (int, float)) or not abs(item) <= sys.float_info.max:
            raise self.fault(key, "must be a finite number")
        return float(item)

    def strings(self, key: str) -> tuple[str, ...]:
        item = self.get(key, list)
        if not all(isinstance(entry, str) and entry for entry in item):
            raise self.fault(key, "must be a list of strings")
        return tuple(item)

    def file_names(self, key: str) -> dict[str, Any]:
        item: dict[str, Any] = self.get(key, dict)
        for name in item:
            if not _FILE_NAME.fullmatch(name) or name == MANIFEST_NAME:
                raise self.fault(key, f"names {name!r}, which is no plain file name")
        return item


def _read_contract(reader: _Fields) -> InputContract:
    stored = reader.get("contract", dict)
    contract = InputContract()
    for key, wanted in dataclasses.asdict(contract).items():
        if stored.get(key) != wanted:
            raise BundleError(
                f"{reader.where}: input contract has {key}={stored.get(key)!r}, this version reads {wanted!r} only; "
                "export the model again with this version"
            )
    return contract


def _read_artifacts(reader: _Fields) -> dict[str, Artifact]:
    artifacts = {}
    for name, stored in reader.file_names("artifacts").items():
        entry = _Fields(stored, f"{reader.where}: artifact {name}")
        digest = entry.get("sha256", str)
        if not _SHA256.fullmatch(digest):
            raise entry.fault("sha256", "must be 64 hexadecimal digits")
        artifacts[name] = Artifact(
            name=name,
            format=entry.get("format", str),
            quantization=entry.get("quantization", str),
            sha256=digest,
            size_bytes=entry.get("size_bytes", int),
            outputs=entry.strings("outputs"),
            details=entry.get("details", dict),
        )
    return artifacts


def _read_hashes(reader: _Fields) -> dict[str, str]:
    hashes = reader.file_names("files")
    for name, digest in hashes.items():
        if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
            raise reader.fault("files", f"must give {name} a sha256 of 64 hexadecimal digits")
    return hashes
