"""The tables of a study's page, and what its figures allow to say in plain words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cxr_edge.report.markdown import table

__all__ = ["render"]

_LEVEL = 0.05


def render(result: dict[str, Any]) -> str:
    """Return the study's page in Markdown."""
    bodies: dict[str, Callable[[dict[str, Any]], list[str]]] = {
        "backbones": _show_backbones,
        "unfreeze": _show_unfreeze,
        "balance": _show_balance,
    }
    parts = [f"# Study: {result['study']}", f"**{result['research_only']}**", _say_films(result)]
    return "\n\n".join([*parts, *bodies[result["study"]](result)]) + "\n"


def _say_films(result: dict[str, Any]) -> str:
    films = "; ".join(
        f"{split}: " + ", ".join(f"{count} {label}" for label, count in counts.items())
        for split, counts in result["films"].items()
    )
    return f"Data set {result['data']} ({films}), on {result['machine']}."


def _span(value: list[float], digits: int = 3) -> str:
    middle, low, high = value
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _auc(figures: dict[str, Any]) -> str:
    return _span([figures["auc"], *figures["auc_95"]])


def _accuracy(figures: dict[str, Any]) -> str:
    return _span([figures["accuracy"], *figures["accuracy_95"]])


def _within(figures: dict[str, Any]) -> str:
    found = figures["within_source"].items()
    return "; ".join(f"{source} {_span([own['auc'], *own['auc_95']])}" for source, own in found) or "-"


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


def _range(values: list[float], digits: int = 3) -> str:
    return f"{np.mean(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def _show_backbones(result: dict[str, Any]) -> list[str]:
    sizes, models, exports = [], [], []
    for row in result["rows"]:
        exported = row.get("exported") or {}
        sizes.append(
            [
                row["backbone"],
                f"{row['parameters']:,}",
                f"{row['backbone_parameters']:,}",
                str(row["backbone_layers"]),
                f"{row['float32_mb']:.1f}",
                f"{exported['keras_mb']:.1f}" if exported else "-",
                row["weights"],
            ]
        )
        if not row["compared"]:
            models.append([row["backbone"], "not compared: no weights", "-", "-", "-", "-"])
            continue
        figures = row["figures"]
        seeds = _range(row["seeds"]["auc"]), _range(row["seeds"]["accuracy"])
        models.append([row["backbone"], _auc(figures), seeds[0], _accuracy(figures), seeds[1], _within(figures)])
        for name, found in exported.get("artifacts", {}).items():
            exports.append(
                [
                    row["backbone"],
                    name,
                    f"{found['mb']:.2f}",
                    _span(found["auc"]) if "auc" in found else "; ".join(found["failures"]),
                    str(found.get("flips", "-")),
                    _span(found["p50_ms"], 1) if "p50_ms" in found else "-",
                    f"{found['p90_ms']:.1f}" if "p90_ms" in found else "-",
                    f"{found['peak_mib']:.0f}" if "peak_mib" in found else "-",
                ]
            )
    parts = [
        "## Size\n\nWith the paper's head; MB of 1,000,000 bytes.",
        table(
            ("backbone", "parameters", "of the backbone", "its layers", "MB as float32", "MB of .keras", "weights"),
            sizes,
        ),
        "## Figures\n\nThe first seed's, with 95 % intervals, and mean (least to greatest) of all seeds.",
        table(
            ("backbone", "AUC", "AUC, seeds", "accuracy", "accuracy, seeds", "AUC within a source, val and test"),
            models,
        ),
    ]
    if result["pairs"]:
        parts += [
            "## Differences\n\nOn the same films; p is not corrected for the number of pairs.",
            _show_pairs(result),
        ]
    if exports:
        heads = ("backbone", "artifact", "MB", "AUC", "flips", "p50 ms", "p90 ms", "peak MiB")
        parts += ["## On this machine\n\nOne film at a time, one thread; int8 as the stock converter makes it."]
        parts += [table(heads, exports), *_list_warnings(result["rows"])]
    return parts


def _list_warnings(rows: list[dict[str, Any]]) -> list[str]:
    found = [
        f"- {row['backbone']}: {warning}"
        for row in rows
        for warning in (row.get("exported") or {"warnings": ()})["warnings"]
    ]
    return ["\n".join(["What bench warned of:", "", *found])] if found else []


def _show_pairs(result: dict[str, Any]) -> str:
    rows = [
        [
            str(pair["from"]),
            str(pair["to"]) + (f", seed number {pair['seed_number'] + 1}" if "seed_number" in pair else ""),
            _span(pair["auc_change"]),
            _p(pair["p_delong"]),
            f"{pair['calls_lost']} / {pair['calls_gained']}",
            _p(pair["p_mcnemar"]),
        ]
        for pair in result["pairs"]
    ]
    heads = ("from", "to", "change of AUC", "p (DeLong)", "right calls lost / gained", "p (McNemar)")
    return table(heads, rows)


def _show_unfreeze(result: dict[str, Any]) -> list[str]:
    rows = []
    for row in result["rows"]:
        rows.append(
            [
                f"{row['fraction']:.0%}",
                f"{row['frozen_layers']} of {row['backbone_layers']}",
                f"{row['trainable_parameters']:,}",
                _range([own["accuracy"] for own in row["figures"]]),
                "; ".join(_auc(own) for own in row["figures"]),
                ", ".join(str(epoch) for epoch in row["epochs_to_converge"]),
                ", ".join(str(epoch) for epoch in row["best_epoch"]),
            ]
        )
    heads = (
        *(
            "unfrozen",
            "layers frozen",
            "parameters that train",
            "accuracy, mean (least to greatest)",
            "AUC of each seed",
        ),
        *("epochs to converge", "best epoch"),
    )
    seeds = ", ".join(str(seed) for seed in result["options"]["seeds"])
    return [
        f"{result['options']['epochs']} epochs, seeds {seeds}. Converged: the first epoch whose validation loss is "
        f"within {result['converged_within']:g} of its lowest.",
        table(heads, rows),
        "## Least against most unfrozen, seed by seed",
        _show_pairs(result),
        "## Does more unfreezing give higher accuracy and fewer epochs?",
        *_judge_trends(result),
    ]


def _judge_trends(result: dict[str, Any]) -> list[str]:
    """Return a sentence for each trend: what was found, and what so few trainings cannot show."""
    claims = {
        "accuracy": ("accuracy rises with the part unfrozen", 1),
        "auc": ("AUC rises with the part unfrozen", 1),
        "epochs_to_converge": ("epochs to converge fall with the part unfrozen", -1),
    }
    lines = []
    for name, (claim, sign) in claims.items():
        found = result["trends"][name]
        fact = (
            f"Spearman's rank correlation {found['spearman']:+.2f}, p {found['p']:.3f} by permutation within the seeds"
        )
        if found["p"] >= _LEVEL:
            lines.append(f"- That {claim} is not shown: {fact}.")
        elif found["spearman"] * sign > 0:
            lines.append(f"- That {claim} holds here: {fact}.")
        else:
            lines.append(f"- The opposite of '{claim}' holds here: {fact}.")
    return ["\n".join(lines)]


def _show_balance(result: dict[str, Any]) -> list[str]:
    rows = [
        [
            row["way"],
            _auc(row["mean_figures"]),
            _range([own["auc"] for own in row["figures"]]),
            _accuracy(row["mean_figures"]),
            _range(row["sensitivity_at_half"]),
            _range(row["specificity_at_half"]),
            _within(row["mean_figures"]),
            _range([float(epoch) for epoch in row["epochs"]], 0),
        ]
        for row in result["rows"]
    ]
    heads = (
        *("way", "AUC", "AUC, seeds", "accuracy at Youden's threshold", "sensitivity at 0.5, seeds"),
        *("specificity at 0.5, seeds", "AUC within a source, val and test", "best epoch"),
    )
    return [
        "AUC and accuracy are of the mean probability of all seeds; 'seeds' is mean (least to greatest).",
        table(heads, rows),
        "## Against the first way\n\nOn the same films; p is not corrected for the number of pairs.",
        _show_pairs(result),
    ]
