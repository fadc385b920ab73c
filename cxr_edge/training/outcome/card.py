"""The model card: what the classifier was trained on, what it reached, and what it must not be used for."""

from __future__ import annotations

from collections import Counter
from typing import Any

from cxr_edge.bundles.manifest import Manifest
from cxr_edge.contract import KERAS_NAME
from cxr_edge.data.dataset import Dataset
from cxr_edge.system.about import RESEARCH_ONLY

__all__ = ["headline", "write"]


def headline(manifest: Manifest) -> str:
    """Return the figures of test, or of val without test, in one line: the AUC within each source comes first."""
    split = "test" if "test" in manifest.metrics else "val"
    figures = manifest.metrics[split]
    within = figures["within_source"]
    parts = [f"AUC within source {source} {_count_auc(own)}" for source, own in within.items()]
    only_source = any(_count_images(own) == _count_images(figures) for own in within.values())
    if not only_source:
        parts.append(f"AUC over all sources {_count_auc(figures)}")
    if not within:
        parts.append("no source has both classes, so this AUC may measure the source")
    return f"{split}: {', '.join(parts)}, accuracy {figures['accuracy']:.3f}"


def write(manifest: Manifest, dataset: Dataset) -> str:
    """Return the card as Markdown."""
    options = manifest.provenance["train"]["options"]
    lines = [
        f"# {manifest.name}",
        "",
        f"**{RESEARCH_ONLY}**",
        "",
        f"Tells {' from '.join(manifest.labels)} on frontal chest X-rays of adults. {manifest.architecture} with an "
        "average-pooled MLP head; takes uint8 RGB pixels, the film squashed to "
        f"{manifest.contract.width} x {manifest.contract.height}.",
        "",
        "## How it was trained",
        "",
        f"Preset `{options['preset']}`, seed {options['seed']}, class balance by `{options['balance']}`, "
        f"{manifest.provenance['train']['epochs']} epochs in {len(options['stages'])} stage(s); "
        f"backbone weights at the start: {options['weights']}.",
        *_name_teachers(options["teachers"]),
        "",
        "## Data",
        "",
        f"Data set `{dataset.name}`, fingerprint `{manifest.provenance['train']['data']['sha256'][:16]}…`. "
        "Films, split by patient:",
        "",
        *_count_films(dataset),
        "",
        "## Figures",
        "",
        f"At the threshold {manifest.threshold:.4f} for `{manifest.positive}`, chosen on val by Youden's index "
        f"(rule `{manifest.calibration['rule']}`). Where a data set has real films, the figures are of these; "
        "simulated ones have rows of their own.",
        "",
        *_list_figures(manifest),
        "",
        "## Limits",
        "",
        "- Public sets mix class and source: a high pooled AUC may come from the source. Read the AUC within a source.",
        "- Films of other hospitals, children, lateral views and other modalities were not measured.",
        f"- {RESEARCH_ONLY} A result is a number from a small study set, not a finding.",
        "",
    ]
    return "\n".join(lines)


def _name_teachers(digests: list[str]) -> list[str]:
    if not digests:
        return []
    names = ", ".join(f"`{digest[:16]}…`" for digest in digests)
    return [f"It learned the mean answer of {len(digests)} other classifiers (SHA-256 of their {KERAS_NAME}: {names})."]


def _count_films(dataset: Dataset) -> list[str]:
    counts = Counter((item.source, item.label, item.split) for item in dataset.items)
    rows = ["| source | class | train | val | test |", "|---|---|---|---|---|"]
    for source, label in sorted({(source, label) for source, label, _ in counts}):
        cells = " | ".join(str(counts[source, label, split]) for split in ("train", "val", "test"))
        rows.append(f"| {source} | {label} | {cells} |")
    return rows


def _list_figures(manifest: Manifest) -> list[str]:
    rows = ["| films | AUC (95 % DeLong) | accuracy | sensitivity | specificity |", "|---|---|---|---|---|"]
    for split, figures in manifest.metrics.items():
        rates = " | ".join(f"{figures[name]:.3f}" for name in ("accuracy", "sensitivity", "specificity"))
        rows.append(f"| {split} | {_format_auc(figures)} | {rates} |")
        rows += [
            f"| {split}, within {source} | {_format_auc(within)} | | | |"
            for source, within in figures["within_source"].items()
        ]
    return rows


def _count_images(figures: dict[str, Any]) -> int:
    return int(figures["positive_films"] + figures["negative_films"])


def _count_auc(figures: dict[str, Any]) -> str:
    return f"{figures['auc']:.3f} ({_count_images(figures)} images)"


def _format_auc(figures: dict[str, Any]) -> str:
    low, high = figures["auc_95"]
    counts = f"{figures['positive_films']} + {figures['negative_films']} films"
    return f"{figures['auc']:.3f} ({low:.3f} to {high:.3f}), {counts}"
