"""The audit's verdict in plain words: what the figures allow to say, and what they do not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cxr_edge.audit.heatmap_overlap import Gaze
from cxr_edge.audit.probe import Finding
from cxr_edge.audit.result import ModelFinding

__all__ = ["GIVEN_AWAY", "conclude", "strongest"]

GIVEN_AWAY = 0.6
"""The AUC that a cue's lower limit has to reach before the data set counts as giving its classes away."""

_CHANCE = 0.5


def strongest(cues: Sequence[Finding], source: str | None = None) -> Finding | None:
    """Return the cue with the highest AUC, pooled or within `source`; None where none was measured there."""
    known = [cue for cue in cues if source is None or source in cue.within]
    return max(known, key=lambda cue: (cue.pooled if source is None else cue.within[source]).value, default=None)


def conclude(cues: Sequence[Finding], model: ModelFinding | None) -> tuple[str, ...]:
    """Return the sentences of the verdict: on the data set, on what can be told at all, then on the model."""
    lines = [*_judge_data(cues), *_judge_sources(cues)]
    if model is not None:
        lines += [
            *_judge_model(model),
            *(line for called, gaze in model.gazes.items() for line in _judge_gaze(called, gaze)),
        ]
    return tuple(lines)


def _judge_data(cues: Sequence[Finding]) -> Iterator[str]:
    best = strongest(cues)
    if best is None:
        return
    fact = f"A plain classifier that sees only '{best.name}' reaches AUC {best.pooled} on films it was not trained on"
    if best.pooled.low <= _CHANCE:
        yield f"No cue without lung detail was found that tells the classes apart. {fact}."
        return
    if not best.within:
        yield f"{fact}, without any lung detail."
        return
    within = "; ".join(f"{source} {value}" for source, value in best.within.items())
    kept = [source for source, value in best.within.items() if value.low > _CHANCE]
    left = (
        f" What is left within {', '.join(kept)} is more than chance gives: the disease in coarse form, or a shortcut "
        "inside the source."
    )
    if best.pooled.low >= GIVEN_AWAY and best.pooled.low > max(value.value for value in best.within.values()):
        yield (
            f"The data set gives its classes away by their sources. {fact}, but less within a source ({within}). A "
            f"high pooled AUC proves little here.{left if kept else ''}"
        )
    elif kept:
        yield (
            f"{fact}, and within sources too ({within}): either the disease shows in so little, or there is a shortcut "
            "inside the source."
        )
    else:
        yield f"The data set tells a little of its classes without lung detail. {fact}, within a source {within}."


def _judge_sources(cues: Sequence[Finding]) -> Iterator[str]:
    mixed = sorted({source for cue in cues for source in cue.within})
    if not mixed:
        yield (
            "No source has both classes among the held-out films, so nothing here can tell the disease from the "
            "source. Add a source that has both."
        )
    first = strongest(cues)
    for source in mixed:
        best = strongest(cues, source)
        if best is not None and best is not first:
            chance = ", which chance can give" if best.within[source].low <= _CHANCE else ""
            yield f"Within {source} the strongest cue is '{best.name}', AUC {best.within[source]}{chance}."


def _judge_model(model: ModelFinding) -> Iterator[str]:
    found = model.finding
    for source, value in found.within.items():
        drop = found.pooled.value - value.value
        if found.pooled.low > value.high:
            yield (
                f"The model falls from AUC {found.pooled} over all sources to {value} within {source}: about "
                f"{drop:.2f} of it comes from telling the sources apart. The second figure is the one to go by."
            )
        else:
            yield (
                f"The model reaches AUC {found.pooled} over all sources and {value} within {source}; the difference is "
                "within what so few films can show."
            )
    for source, (cue, change) in model.against_cue.items():
        if change.low > 0:
            yield f"Within {source} it ranks films better than '{cue}', by {change} of AUC: it sees more than that cue."
        else:
            yield (
                f"Within {source} it is not shown to rank films better than '{cue}', AUC change {change}: these films "
                "do not prove that it sees more than that cue."
            )


def _judge_gaze(called: str, gaze: Gaze) -> Iterator[str]:
    where = "the lungs" if gaze.exact else "where lungs lie on an average film"
    share = f"{gaze.outside.value:.0%} of the heat map ({gaze.outside.low:.0%} to {gaze.outside.high:.0%})"
    even = f"an even map would have {gaze.outside_even:.0%}"
    if gaze.outside.high < gaze.outside_even:
        yield f"On films called {called} it looks at {where} more than by chance: {share} lies outside; {even}."
    else:
        yield f"On films called {called} it does not look at {where} more than by chance: {share} lies outside; {even}."
    if gaze.corners.low > gaze.corners_even:
        yield (
            f"There {gaze.corners.value:.0%} of the map lies in the corners, where marks stand; an even map would have "
            f"{gaze.corners_even:.0%}. Look at what stands there."
        )
