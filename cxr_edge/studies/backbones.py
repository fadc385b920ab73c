"""The paper's first comparison: four frozen ImageNet backbones under the same head, on the same films."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr_edge.data.dataset import Dataset, open_dataset
from cxr_edge.data.sufficiency import require_measurable
from cxr_edge.errors import UsageError
from cxr_edge.studies import scoring, weights
from cxr_edge.studies.backbone_exports import Candidate, export_all
from cxr_edge.studies.cached_heads import HeadSpec, Place, TrainedHead, head_job, prepare
from cxr_edge.studies.jobs import Engine, Record, run_all
from cxr_edge.studies.report import facts, study_page
from cxr_edge.studies.report.backbones_result import (
    BackboneRow,
    BackboneStudy,
    Exported,
    TrainedBackbone,
)
from cxr_edge.studies.scoring import Pair
from cxr_edge.system import files
from cxr_edge.system.progress import say
from cxr_edge.training.network import layers
from cxr_edge.training.network.model import BACKBONES, build_classifier

__all__ = ["BackboneOptions", "run"]

NAME = "backbones"


@dataclass(frozen=True)
class BackboneOptions:
    """What `study backbones` compares. `weights` is a folder of no-top files, a file, "imagenet" or "none".

    With `devices` False the models are not exported, so there is no latency and no int8.
    """

    data: str
    weights: str = "imagenet"
    backbones: tuple[str, ...] = tuple(BACKBONES)
    seeds: tuple[int, ...] = (0, 1, 2)
    epochs: int = 60
    positive: str = "covid"
    devices: bool = True

    def check(self) -> None:
        """Raise UsageError for an unknown backbone, or when no backbone is given."""
        unknown = [name for name in self.backbones if name not in BACKBONES]
        if unknown or not self.backbones or not self.seeds:
            raise UsageError(f"--backbone {unknown[0] if unknown else ''}: choose from {', '.join(BACKBONES)}")


def run(options: BackboneOptions, out: Path, *, resume: bool = False, engine: Engine | None = None) -> BackboneStudy:
    """Run the study in the folder `out` and return its result. Raises UsageError, DataError, OutputError, ExportError.

    A backbone without weights is a row that says so, with its size, and is compared with nothing.
    """
    options.check()
    engine = engine or Engine()
    dataset = open_dataset(options.data, positive=options.positive)
    require_measurable(dataset)
    sources = {name: weights.find(options.weights, name) for name in options.backbones}
    record = Record(out, resume=resume)
    candidates = _plan(options, dataset, sources, out)
    for candidate in candidates:
        prepare(dataset, candidate.backbone, candidate.place, candidate.heads, record)
    heads = _train(candidates, record, engine)
    exports = export_all(candidates, options.positive, out, record, engine) if options.devices else {}
    rows = []
    for name in options.backbones:
        trained = None if name not in heads else _report(dataset, heads[name], exports.get(name))
        rows.append(_make_row(name, sources[name], trained))
    study = BackboneStudy(facts.gather(NAME, dataset, options), tuple(rows), _compare_pairs(dataset, rows))
    study_page.write(study, out)
    _describe_model(options.backbones[0], out)
    return study


def _plan(
    options: BackboneOptions, dataset: Dataset, sources: Mapping[str, weights.Source], out: Path
) -> list[Candidate]:
    candidates = []
    for name, source in sources.items():
        if source.weights is None:
            continue
        place = Place.of(options.data, source.weights, out)
        identity = {"data": dataset.fingerprint(), "weights": source.described}
        jobs = []
        for seed in options.seeds:
            spec = HeadSpec(name, "none", seed, options.epochs, None, options.positive)
            jobs.append(head_job(f"{name} seed {seed}", spec, place, identity))
        candidates.append(Candidate(name, place, identity, tuple(jobs)))
    return candidates


def _train(candidates: Sequence[Candidate], record: Record, engine: Engine) -> dict[str, list[TrainedHead]]:
    """Return the heads of each backbone, a seed each."""
    jobs = [job for candidate in candidates for job in candidate.heads]
    answers = run_all(jobs, record, "heads", engine)
    heads = {}
    for candidate in candidates:
        heads[candidate.backbone] = [TrainedHead.from_json(answers[job.name]) for job in candidate.heads]
    return heads


def _report(dataset: Dataset, heads: Sequence[TrainedHead], exported: Exported | None) -> TrainedBackbone:
    figures = tuple(scoring.report(dataset, head.scores) for head in heads)
    return TrainedBackbone(figures, heads[0].scores, exported)


def _make_row(name: str, source: weights.Source, trained: TrainedBackbone | None) -> BackboneRow:
    size = layers.measure(build_classifier(name, weights="none"))
    if trained is None:
        say(f"warning: {name}: {source.described}")
    return BackboneRow(
        backbone=name,
        weights=source.described,
        parameters=size.parameters,
        backbone_parameters=size.backbone_parameters,
        backbone_layers=size.backbone_layers,
        float32_mb=size.float32_mb,
        trained=trained,
    )


def _compare_pairs(dataset: Dataset, rows: Sequence[BackboneRow]) -> tuple[Pair, ...]:
    """Return the tests between every two backbones that were trained, by the first seed, on the films shown."""
    trained = [(row.backbone, row.trained) for row in rows if row.trained is not None]
    pairs = []
    for (first, before), (second, after) in itertools.combinations(trained, 2):
        tested = scoring.compare(dataset, (before.scores, before.figures[0]), (after.scores, after.figures[0]))
        pairs.append(Pair(first, second, tested))
    return tuple(pairs)


def _describe_model(backbone: str, out: Path) -> None:
    """Leave the model's summary and the picture of its layers (the paper's Figures 9 and 10)."""
    from cxr_edge.studies.report import study_plots
    from cxr_edge.training.network.model import freeze

    classifier = build_classifier(backbone, weights="none")
    freeze(classifier, 0.0)
    files.write_text(out / "summary.txt", layers.summarise(classifier))
    study_plots.save(study_plots.draw_layers(layers.list_blocks(classifier), classifier.name), out / "layers")
