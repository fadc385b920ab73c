"""The tables of a study's page, and what its figures allow to say in plain words."""

from __future__ import annotations

from cxr_edge.report.markdown import table
from cxr_edge.studies.report import backbones_tables
from cxr_edge.studies.report.backbones_result import BackboneStudy
from cxr_edge.studies.report.balance_result import BalanceStudy
from cxr_edge.studies.report.cells import (
    list_sources,
    range_of_accuracy,
    range_of_auc,
    spell_range,
    tabulate_pairs,
)
from cxr_edge.studies.report.facts import Facts
from cxr_edge.studies.report.unfreeze_result import UnfreezeStudy
from cxr_edge.system.about import RESEARCH_ONLY

__all__ = ["render"]

_LEVEL = 0.05


def render(study: BackboneStudy | BalanceStudy | UnfreezeStudy) -> str:
    """Return the study's page in Markdown."""
    if isinstance(study, BackboneStudy):
        body = backbones_tables.show(study)
    elif isinstance(study, UnfreezeStudy):
        body = _show_unfreeze(study)
    else:
        body = _show_balance(study)
    parts = [f"# Study: {study.facts.study}", f"**{RESEARCH_ONLY}**", _say_films(study.facts), *body]
    return "\n\n".join(parts) + "\n"


def _say_films(facts: Facts) -> str:
    splits = []
    for split, counts in facts.films.items():
        named = ", ".join(f"{count} {label}" for label, count in counts.items())
        splits.append(f"{split}: {named}")
    return f"Data set {facts.data} ({'; '.join(splits)}), on {facts.machine}."


def _show_unfreeze(study: UnfreezeStudy) -> list[str]:
    options = study.facts.options
    seeds = ", ".join(str(seed) for seed in options["seeds"])
    return [
        f"{options['epochs']} epochs, seeds {seeds}. Converged: the first epoch whose validation loss is "
        f"within {study.converged_within:g} of its lowest.",
        _tabulate_fractions(study),
        "## Least against most unfrozen, seed by seed",
        tabulate_pairs(study.pairs),
        "## Does more unfreezing give higher accuracy and fewer epochs?",
        _judge_trends(study),
    ]


def _tabulate_fractions(study: UnfreezeStudy) -> str:
    cells = [
        [
            f"{row.fraction:.0%}",
            f"{row.frozen_layers} of {row.backbone_layers}",
            f"{row.trainable_parameters:,}",
            range_of_accuracy(row.figures),
            "; ".join(str(own.auc) for own in row.figures),
            ", ".join(str(epoch) for epoch in row.epochs_to_converge),
            ", ".join(str(epoch) for epoch in row.best_epoch),
        ]
        for row in study.rows
    ]
    heads = (
        "unfrozen",
        "layers frozen",
        "parameters that train",
        "accuracy, mean (least to greatest)",
        "AUC of each seed",
        "epochs to converge",
        "best epoch",
    )
    return table(heads, cells)


def _judge_trends(study: UnfreezeStudy) -> str:
    """Return a sentence for each trend: what was found, and what so few trainings cannot show."""
    claims = {
        "accuracy": ("accuracy rises with the part unfrozen", 1),
        "auc": ("AUC rises with the part unfrozen", 1),
        "epochs_to_converge": ("epochs to converge fall with the part unfrozen", -1),
    }
    lines = []
    for name, (claim, sign) in claims.items():
        found = study.trends[name]
        fact = f"Spearman's rank correlation {found.spearman:+.2f}, p {found.p:.3f} by permutation within the seeds"
        if found.p >= _LEVEL:
            lines.append(f"- That {claim} is not shown: {fact}.")
        elif found.spearman * sign > 0:
            lines.append(f"- That {claim} holds here: {fact}.")
        else:
            lines.append(f"- The opposite of '{claim}' holds here: {fact}.")
    return "\n".join(lines)


def _show_balance(study: BalanceStudy) -> list[str]:
    cells = [
        [
            row.way,
            str(row.mean_figures.auc),
            range_of_auc(row.figures),
            str(row.mean_figures.accuracy),
            spell_range(row.sensitivity_at_half),
            spell_range(row.specificity_at_half),
            list_sources(row.mean_figures),
            spell_range(row.epochs, 0),
        ]
        for row in study.rows
    ]
    heads = (
        "way",
        "AUC",
        "AUC, seeds",
        "accuracy at Youden's threshold",
        "sensitivity at 0.5, seeds",
        "specificity at 0.5, seeds",
        "AUC within a source, val and test",
        "best epoch",
    )
    return [
        "AUC and accuracy are of the mean probability of all seeds; 'seeds' is mean (least to greatest).",
        table(heads, cells),
        "## Against the first way\n\nOn the same films; p is not corrected for the number of pairs.",
        tabulate_pairs(study.pairs),
    ]
