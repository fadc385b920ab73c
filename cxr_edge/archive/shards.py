"""Shards: a Parquet file a partition, whose metadata say by what and of which plan it was made.

A shard holds no time and no path but those that the archive itself lists, so that the same films and the same model
give the same bytes wherever they were scored.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cxr_edge.bundles.manifest import Artifact, Manifest
from cxr_edge.errors import DataError, UsageError
from cxr_edge.system.about import RESEARCH_ONLY, __version__
from cxr_edge.system.extras import import_extra
from cxr_edge.system.resume import ResumeStore

__all__ = [
    "SCHEMA",
    "Row",
    "ShardStore",
    "Tally",
    "describe_run",
    "encode",
    "find_done",
    "import_parquet",
    "shard_name",
    "tally",
]

SCHEMA = 1
METADATA_KEY = b"cxr_edge"

_NAME = re.compile(r"part-(\d{6,})\.parquet")


@dataclass(frozen=True)
class Row:
    """One film's row. `sha256` is that of its file's bytes, None where these could not be read.

    After an `error` the fields of the answer are None; `probabilities` are in the order of the manifest's labels.
    """

    path: str
    sha256: str | None = None
    probabilities: tuple[float, ...] | None = None
    label: str | None = None
    typicality: float | None = None
    untypical: bool | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None


@dataclass
class Tally:
    """What the shards of a run hold: films by label, untypical ones, and those without an answer by error."""

    films: int = 0
    untypical: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def failed(self) -> int:
        """How many films have no answer."""
        return self.errors.total()


def import_parquet() -> tuple[Any, Any]:
    """Return the modules pyarrow and pyarrow.parquet. Raises MissingExtraError."""
    purpose, extra = "scoring an archive into Parquet", "archive"
    return import_extra("pyarrow", purpose, extra), import_extra("pyarrow.parquet", purpose, extra)


def shard_name(index: int) -> str:
    """Return the file name of a partition's shard."""
    return f"part-{index:06d}.parquet"


def describe_run(manifest: Manifest, artifact: Artifact, plan_sha256: str, partitions: int) -> dict[str, Any]:
    """Return the metadata that all shards of a run share."""
    return {
        "schema": SCHEMA,
        "cxr_edge": __version__,
        "model": {
            "bundle": manifest.name,
            "artifact": artifact.name,
            "sha256": artifact.sha256,
            "labels": list(manifest.labels),
            "positive": manifest.positive,
            "threshold": manifest.threshold,
            "typicality_limit": manifest.typicality_limit,
        },
        "plan_sha256": plan_sha256,
        "partitions": partitions,
        "research_only": RESEARCH_ONLY,
    }


class ShardStore(ResumeStore[Sequence[Row]]):
    """The shards of a run in its folder: a piece a partition, whose key is what `describe_run` says."""

    suffix = ".parquet"

    def __init__(self, folder: Path, run: Mapping[str, Any]) -> None:
        super().__init__(folder)
        self._key = json.dumps(run, sort_keys=True)

    def put_rows(self, index: int, rows: Sequence[Row]) -> None:
        """Write the shard of partition `index`. Raises OutputError, MissingExtraError."""
        self.put(shard_name(index).removesuffix(self.suffix), self._key, rows)

    def encode(self, name: str, key: str, answer: Sequence[Row]) -> bytes:
        """See `ResumeStore`."""
        return encode(answer, json.loads(key), int(name.rpartition("-")[2]))


def encode(rows: Sequence[Row], run: Mapping[str, Any], index: int) -> bytes:
    """Return the shard of partition `index` as the bytes of a Parquet file. Raises MissingExtraError."""
    pyarrow, parquet = import_parquet()
    labels: list[str] = run["model"]["labels"]
    metadata = {METADATA_KEY: json.dumps({**run, "partition": index}, sort_keys=True).encode()}
    schema = _schema(pyarrow, labels).with_metadata(metadata)
    columns = [
        pyarrow.array([_text(row.path) for row in rows], pyarrow.string()),
        pyarrow.array([row.sha256 for row in rows], pyarrow.string()),
        pyarrow.array(
            [row.probabilities and dict(zip(labels, row.probabilities, strict=True)) for row in rows],
            schema.field("probabilities").type,
        ),
        pyarrow.array([row.label for row in rows], pyarrow.string()),
        pyarrow.array([row.typicality for row in rows], pyarrow.float32()),
        pyarrow.array([row.untypical for row in rows], pyarrow.bool_()),
        pyarrow.array([list(row.warnings) for row in rows], pyarrow.list_(pyarrow.string())),
        pyarrow.array([row.error and _text(row.error) for row in rows], pyarrow.string()),
    ]
    sink = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_arrays(columns, schema=schema), sink, compression="zstd")
    return sink.getvalue()


def find_done(folder: Path, run: Mapping[str, Any]) -> set[int]:
    """Return the partitions that have a shard in `folder`.

    Raises UsageError for a shard of another model or of another plan, DataError for one that cannot be read.
    """
    done = set()
    for path, index in _shards_in(folder):
        found = _read_metadata(path)
        for key, what in (("model", "model"), ("plan_sha256", "list of films"), ("schema", "version of cxr-edge")):
            if found.get(key) != run[key]:
                raise UsageError(f"{path}: was made with another {what}; choose another --out, or remove that folder")
        if found.get("partition") == index < run["partitions"]:
            done.add(index)
    return done


def tally(folder: Path) -> Tally:
    """Return the counts over all shards in `folder`, read one at a time. Raises DataError."""
    _, parquet = import_parquet()
    counts = Tally()
    for path, _ in _shards_in(folder):
        try:
            table = parquet.read_table(path, columns=["label", "untypical", "error"], partitioning=None)
        except (OSError, ValueError) as error:
            raise _damage(path) from error
        counts.films += table.num_rows
        counts.untypical += sum(value is True for value in table["untypical"].to_pylist())
        counts.labels.update(value for value in table["label"].to_pylist() if value is not None)
        counts.errors.update(value for value in table["error"].to_pylist() if value is not None)
    return counts


def _schema(pyarrow: Any, labels: Sequence[str]) -> Any:
    probabilities = pyarrow.struct([pyarrow.field(label, pyarrow.float32()) for label in labels])
    return pyarrow.schema(
        [
            pyarrow.field("path", pyarrow.string(), nullable=False),
            pyarrow.field("sha256", pyarrow.string()),
            pyarrow.field("probabilities", probabilities),
            pyarrow.field("label", pyarrow.string()),
            pyarrow.field("typicality", pyarrow.float32()),
            pyarrow.field("untypical", pyarrow.bool_()),
            pyarrow.field("warnings", pyarrow.list_(pyarrow.string()), nullable=False),
            pyarrow.field("error", pyarrow.string()),
        ]
    )


def _shards_in(folder: Path) -> Iterator[tuple[Path, int]]:
    for path in sorted(folder.iterdir()):
        if match := _NAME.fullmatch(path.name):
            yield path, int(match[1])


def _read_metadata(path: Path) -> Mapping[str, Any]:
    _, parquet = import_parquet()
    try:
        stored = (parquet.read_schema(path).metadata or {}).get(METADATA_KEY)
        found = json.loads(stored or b"null")
    except (OSError, ValueError) as error:
        raise _damage(path) from error
    if not isinstance(found, dict):
        raise DataError(f"{path}: is no shard of 'cxr-edge score'; choose another --out, or remove it")
    return found


def _damage(path: Path) -> DataError:
    return DataError(f"{path}: is damaged; remove it, and the same command scores its films again")


def _text(text: str) -> str:
    # A file name may hold bytes that are no UTF-8, which Python keeps as lone surrogates.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
