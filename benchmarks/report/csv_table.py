"""A bench result as CSV (RFC 4180). Emulated and estimated figures have their own columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from cxr_edge.benchmarks.result import drift_figures, estimate_figures, timing_figures
from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchResult
from cxr_edge.benchmarks.result.device_result import EMULATED, HERE, DeviceReport, LatencyReport
from cxr_edge.benchmarks.result.drift_result import DriftReport
from cxr_edge.benchmarks.result.figures import Table
from cxr_edge.benchmarks.result.predictions_source import Predictions
from cxr_edge.system.about import RESEARCH_ONLY
from cxr_edge.system.text import csv_cell, csv_record

__all__ = ["to_csv"]

Source = TypeVar("Source")
Fields = dict[str, object]

_ROW_COLUMNS = ("artifact", "format", "quantization", "size_bytes", "failures")
_PLACE_COLUMNS = ("device", "kind", "identity", "threads")
_LAST_COLUMNS = ("withheld", "research_only")


def to_csv(result: BenchResult) -> str:
    """Return RFC 4180 records: a head, then one for each artifact, device and thread count.

    Drift is that of the predictions on the record's device. Emulated and estimated figures have their own columns.
    """
    names = _name_columns()
    records = [names]
    for row in result.artifacts:
        for fields in _records(row):
            records.append([csv_cell(fields.get(name)) for name in names])
    return "".join(csv_record(record) for record in records)


def _name_columns() -> list[str]:
    drift = _columns_of(drift_figures.CSV)
    return [
        *_ROW_COLUMNS,
        *_PLACE_COLUMNS,
        *drift,
        *_columns_of(timing_figures.CSV),
        *(_emulated(name) for name in drift),
        *_columns_of(estimate_figures.CSV),
        *_LAST_COLUMNS,
    ]


def _records(row: ArtifactResult) -> Iterator[Fields]:
    """Yield the records of one artifact, each with the columns that it fills."""
    drifts = dict.fromkeys(HERE, row.drift) | {found.device: found.drift for found in row.elsewhere}
    timed = {latency.device for latency in row.latencies}
    own = _row_fields(row)
    for latency in row.latencies:
        yield own | _drift_fields(row, drifts.get(latency.device)) | _latency_fields(latency)
    if not timed.intersection(HERE):
        # It predicted here, but was not timed here.
        yield own | _drift_fields(row, row.drift)
    for found in row.elsewhere:
        if found.device not in timed:
            yield own | _elsewhere_fields(row, found)


def _row_fields(row: ArtifactResult) -> Fields:
    return {
        "artifact": row.name,
        "format": row.format,
        "quantization": row.quantization,
        "size_bytes": row.size_bytes,
        "failures": "; ".join(row.failures),
        "research_only": RESEARCH_ONLY,
    }


def _drift_fields(row: ArtifactResult, drift: DriftReport | None) -> Fields:
    return _fields_of(drift_figures.CSV, Predictions(row, drift))


def _latency_fields(latency: LatencyReport) -> Fields:
    place = {name: getattr(latency, name) for name in _PLACE_COLUMNS}
    return place | _fields_of(timing_figures.CSV, latency)


def _elsewhere_fields(row: ArtifactResult, found: DeviceReport) -> Fields:
    fields: Fields = {
        "device": found.device,
        "kind": found.kind,
        "identity": found.identity,
        "withheld": found.withheld,
    }
    drift = _drift_fields(row, found.drift)
    fields |= {_emulated(name): value for name, value in drift.items()} if found.kind == EMULATED else drift
    if found.estimate is not None:
        fields |= _fields_of(estimate_figures.CSV, found.estimate)
    return fields


def _columns_of(table: Table[Source]) -> list[str]:
    return [name for column in table for name in column.figure.csv]


def _fields_of(table: Table[Source], source: Source) -> Fields:
    fields: Fields = {}
    for column in table:
        fields |= column.figure.fields(source)
    return fields


def _emulated(name: str) -> str:
    return f"emulated_{name}"
