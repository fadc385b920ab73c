"""The gallery of the page: the images on which artifacts differ most, with all scores and heat maps."""

from __future__ import annotations

from collections.abc import Mapping

from cxr_edge.benchmarks.drift.gallery import Pictures
from cxr_edge.benchmarks.report.page import drift_plots, marks
from cxr_edge.benchmarks.result.bench_result import BenchResult
from cxr_edge.benchmarks.result.drift_result import GalleryFilm
from cxr_edge.metrics.confusion import is_positive
from cxr_edge.report.html import note, section
from cxr_edge.report.svg import element, text

__all__ = ["show_gallery"]

_SHOWN_MAPS = 3


def show_gallery(result: BenchResult, pictures: Mapping[str, Pictures]) -> str:
    """Return the images on which artifacts differ most, with all scores and heat maps."""
    if not result.gallery:
        return ""
    flipped = sum(entry.margin > 0 for entry in result.gallery)
    explanation = (
        f"The images are sorted by margin: how far the worst artifact lies beyond the threshold ({flipped} of these "
        "images flip), or how near it came. The line on each strip is the threshold. The maps show which areas support "
        "the more probable class."
    )
    warning = ""
    if pictures and not result.data.simulated:
        warning = element(
            "p",
            text("This page holds images of the data set. Share it only if their licences allow this."),
            class_="mind",
        )
    cards = (_card(entry, result, pictures.get(entry.film)) for entry in result.gallery)
    return section(
        "Images on which artifacts differ", note(explanation), warning, element("div", *cards, class_="gallery")
    )


def _card(entry: GalleryFilm, result: BenchResult, pictures: Pictures | None) -> str:
    row = result.data.films.index(entry.film)
    truth = result.model.positive if result.data.positive[row] else f"not {result.model.positive}"
    kind = "flip" if entry.margin > 0 else "agree"
    title = element(
        "h3", element("span", text(truth), class_="truth"), text(f" {result.data.sources[row]}"), class_=kind
    )
    scored = [(item, item.drift.scores[row]) for item in result.artifacts if item.drift is not None]
    called = {item.name: bool(is_positive(score, result.model.threshold)) for item, score in scored}
    lines = (
        element(
            "li",
            marks.swatch(item),
            element("span", text(item.name), class_="name"),
            element("span", text(f"{score:.3f}"), class_="score"),
            class_="flipped" if called[item.name] != called[result.reference] else "same",
        )
        for item, score in scored
    )
    facts = element("p", text(f"{entry.film} · margin {entry.margin:+.3f}"), class_="film")
    strip = drift_plots.draw_scores(scored, result.model.threshold)
    shown = "" if pictures is None else _panels(pictures, _choose_maps(entry, called, result))
    return element("article", title, shown, strip, element("ul", *lines, class_="scores"), facts)


def _choose_maps(entry: GalleryFilm, called: Mapping[str, bool], result: BenchResult) -> list[str]:
    """Return whose maps to show: first a float one, then those that disagree with the reference."""
    names = [item.name for item in result.artifacts if item.name in entry.heatmaps]
    apart = [name for name in names if called[name] != called[result.reference]]
    same = [name for name in names if name not in apart]
    chosen = [*same[:1], *apart][:_SHOWN_MAPS]
    return [*chosen, *(name for name in same[1:] if name not in chosen)][:_SHOWN_MAPS]


def _panels(pictures: Pictures, names: list[str]) -> str:
    labelled = [("film", pictures.film), *((name, pictures.overlays[name]) for name in names)]
    panels = (
        element(
            "figure",
            f'<img src="{url}" alt="{text(label)}" width="168" height="168">',
            element("figcaption", text(label.removeprefix("model_"))),
        )
        for label, url in labelled
    )
    return element("div", *panels, class_="panels")
