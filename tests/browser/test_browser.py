"""The pages in a real browser: each path that a person takes, failures included, and nothing from elsewhere."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import models
from tests.support.web_server import Server, draw_film, encode

FLOAT, INT8 = "twins/model_float32.tflite", "twins/model_int8.tflite"
FILM = {"name": "mine.png", "mimeType": "image/png", "buffer": draw_film()}
BRIGHT = {"name": "bright.png", "mimeType": "image/png", "buffer": encode(200)}
DAMAGED = {"name": "<b>broken.jpg", "mimeType": "image/jpeg", "buffer": b"\xff\xd8\xff no film"}

# What has to have a name for a screen reader and does not.
NAMELESS = """() => [...document.querySelectorAll("button, input, select, img, [role=img]")].filter((item) => {
    if (item.closest("[hidden]")) return false;
    if (item.tagName === "IMG") return !item.hasAttribute("alt");
    return !(item.textContent.trim() || item.getAttribute("aria-label") || item.labels?.length);
}).map((item) => item.outerHTML)"""


@pytest.fixture
def page(browser: Any, server: Server) -> Iterator[Any]:
    """The start page. Fails the test for an error in a script, and for a request that leaves the application."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    opened = context.new_page()
    opened.set_default_timeout(10_000)
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
    opened.on("request", lambda sent: faults.append(sent.url) if not _is_own(sent.url, server) else None)
    server.wait_until_measured()
    opened.goto(server.address)
    opened.locator("#models input").first.wait_for()
    yield opened
    context.close()
    assert faults == []


def _is_own(url: str, server: Server) -> bool:
    return url.startswith((server.address, "data:", "blob:"))


def choose(page: Any, *keys: str) -> None:
    """Choose these models and no other."""
    for box in page.locator("#models input").all():
        box.set_checked(box.get_attribute("value") in keys)


def run(page: Any) -> None:
    page.click("#run")
    page.locator("#progress").wait_for(state="hidden")


def card(page: Any, name: str) -> Any:
    return page.locator("#list .result").filter(has_text=name)


def test_a_sample_film_is_classified_and_shown_beside_its_map(page: Any) -> None:
    choose(page, "default/model_int8.tflite")
    page.locator("#offered .tile", has_text="covid").first.click()
    run(page)

    result = card(page, "simulated covid")
    assert result.locator(".label").inner_text() == "covid"
    assert result.locator("img.heat").count() == 1
    sizes = result.locator(".frame img").evaluate_all("all => all.map((image) => image.naturalWidth)")
    assert min(sizes) > 0
    assert "For research only" in result.inner_text()


def test_own_films_are_classified_and_a_damaged_one_stops_none(page: Any) -> None:
    choose(page, "default/model_int8.tflite")
    page.set_input_files("#files", [DAMAGED, FILM])
    run(page)

    assert "damaged or cut short" in card(page, "<b>broken.jpg").inner_text()
    assert card(page, "mine.png").locator("tbody tr").count() == 1
    assert "2 of 2 films done; 1 could not be classified" in page.locator("#status").inner_text()


def test_a_film_may_be_dropped_anywhere_on_the_page(page: Any) -> None:
    page.evaluate(
        """(bytes) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "dropped.dcm"));
            document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }""",
        list(FILM["buffer"]),
    )
    choose(page, FLOAT)
    run(page)
    assert card(page, "dropped.dcm").locator("tbody tr").count() == 1


def test_float_against_int8_is_called_out_and_can_be_filtered(page: Any) -> None:
    choose(page, FLOAT, INT8)
    page.set_input_files("#files", [BRIGHT, {**BRIGHT, "name": "even.png", "buffer": encode(127)}])
    run(page)
    assert "int8 TFLite says noncovid where" in card(page, "bright.png").locator(".alert.bad").inner_text()

    page.click("[data-filter=clash]")
    shown = page.locator("#list .result:visible h3").all_inner_texts()
    assert "bright.png" in shown
    assert page.locator("[data-filter=all] span").inner_text() == "2"


def test_the_opacity_control_fades_the_map(page: Any) -> None:
    choose(page, FLOAT)
    page.set_input_files("#files", [BRIGHT])
    run(page)
    page.locator("#opacity").fill("20")
    assert page.locator("img.heat").evaluate("(map) => getComputedStyle(map).opacity") == "0.2"


def test_the_table_is_saved_as_csv(page: Any) -> None:
    choose(page, FLOAT, INT8)
    page.set_input_files("#files", [BRIGHT])
    run(page)
    with page.expect_download() as saved:
        page.click("#export-csv")
    rows = list(csv.DictReader(io.StringIO(Path(saved.value.path()).read_text(encoding="utf-8"))))
    assert [(row["film"], row["model"], row["label"]) for row in rows] == [
        ("bright.png", FLOAT, "covid"),
        ("bright.png", INT8, "noncovid"),
    ]


def test_the_report_is_one_file_that_loads_nothing(page: Any, tmp_path: Path) -> None:
    choose(page, FLOAT)
    page.set_input_files("#files", [BRIGHT])
    run(page)
    with page.expect_download() as saved:
        page.click("#export-html")
    report = tmp_path / "report.html"
    saved.value.save_as(report)
    alone = page.context.new_page()
    asked: list[str] = []
    alone.on("request", lambda sent: asked.append(sent.url))
    alone.goto(report.as_uri())

    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]
    assert "<script" not in report.read_text(encoding="utf-8")
    assert "For research only" in alone.locator("main > .research").inner_text()
    assert alone.locator(".result tbody tr").count() == 1
    assert min(alone.locator(".frame img").evaluate_all("all => all.map((image) => image.naturalWidth)")) > 0


def test_a_server_that_is_gone_is_said_on_the_film(page: Any) -> None:
    choose(page, FLOAT)
    page.route("**/parts/result**", lambda route: route.abort())
    page.set_input_files("#files", [BRIGHT])
    run(page)
    assert "does not answer" in card(page, "bright.png").inner_text()


def test_a_full_queue_is_waited_for(page: Any) -> None:
    turns = []

    def answer(route: Any) -> None:
        turns.append(route)
        if len(turns) == 1:
            route.fulfill(status=503, headers={"Retry-After": "1"}, body="{}")
        else:
            route.continue_()

    choose(page, FLOAT)
    page.route("**/parts/result**", answer)
    page.set_input_files("#files", [BRIGHT])
    run(page)
    assert (len(turns), card(page, "bright.png").locator("tbody tr").count()) == (2, 1)


def test_a_run_can_be_stopped(page: Any) -> None:
    choose(page, FLOAT)
    # No answer comes.
    page.route("**/parts/result**", lambda route: None)
    page.set_input_files("#files", [BRIGHT, FILM])
    page.click("#run")
    page.click("#stop")
    page.locator("#status", has_text="stopped").wait_for()
    assert page.locator("#list .result").count() == 0
    assert page.locator("#run").is_enabled()


def test_a_film_over_the_limit_is_left_out_before_it_is_sent(page: Any) -> None:
    page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(65 * 2 ** 20)], "huge.dcm"));
            document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }"""
    )
    assert page.locator("#status").inner_text() == "Left out, over 64 MiB: huge.dcm"
    assert page.locator("#own").is_hidden()


def test_the_threshold_moves_sensitivity_specificity_and_the_table(page: Any, server: Server) -> None:
    choose(page, FLOAT, INT8)
    page.click("#tab-compare")
    page.locator("#roc svg").wait_for()
    figures = {
        model["key"]: model["figures"][0]
        for bundle in server.ask("api/models").json["bundles"]
        for model in bundle["models"]
    }[FLOAT]
    for threshold in (0.4, 0.6):
        page.locator("#threshold").fill(str(threshold))
        called = [score >= threshold for score in figures["scores"]]
        hits = sum(1 for yes, truth in zip(called, figures["positive"], strict=True) if yes and truth)
        alarms = sum(called) - hits
        cells = page.locator(".confusion").first.locator("tbody td").all_inner_texts()
        assert cells == [str(hits), str(24 - hits), str(alarms), str(24 - alarms)]
        assert page.locator(".confusion dd").first.inner_text().startswith(f"{hits / 24:.3f}")
    assert page.locator("#roc .curve").count() == 2
    assert page.locator("#pareto .mark").count() == 2


def test_the_page_is_used_by_keyboard_alone(page: Any) -> None:
    page.locator("#tab-films").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#panel-compare").is_visible()
    page.keyboard.press("Home")
    assert page.locator("#panel-films").is_visible()
    choose(page, FLOAT)
    page.locator("#offered .tile", has_text="covid").first.focus()
    page.keyboard.press("Space")
    page.locator("#run").focus()
    page.keyboard.press("Enter")
    page.locator("#list .result tbody tr").first.wait_for()
    assert page.evaluate("document.activeElement.id") == "results-title"


def test_every_control_and_picture_has_a_name(page: Any) -> None:
    choose(page, FLOAT, INT8)
    page.set_input_files("#files", [BRIGHT])
    run(page)
    assert page.evaluate(NAMELESS) == []
    page.click("#tab-compare")
    page.locator("#roc svg").wait_for()
    assert page.evaluate(NAMELESS) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_phone(page: Any, scheme: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme=scheme)
    choose(page, FLOAT, INT8)
    page.set_input_files("#files", [BRIGHT, FILM])
    run(page)
    wide = "document.documentElement.scrollWidth"
    assert page.evaluate(wide) == 360
    page.click("#tab-compare")
    page.locator("#roc svg").wait_for()
    assert page.evaluate(wide) == 360
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground))) < 200) == (scheme == "dark")


def test_a_model_is_uploaded_used_and_removed(page: Any) -> None:
    page.click(".upload summary")
    page.set_input_files(
        ".upload input[type=file]",
        {"name": "brought.tflite", "mimeType": "application/octet-stream", "buffer": models.tflite()},
    )
    page.click(".upload button")
    page.locator("#models input[value='brought/model_uploaded.tflite']:checked").wait_for()
    choose(page, "brought/model_uploaded.tflite")
    page.set_input_files("#files", [BRIGHT])
    run(page)
    assert card(page, "bright.png").locator(".label").inner_text() == "covid"

    page.once("dialog", lambda dialog: dialog.accept())
    page.click("[data-remove=brought]")
    page.locator("[data-bundle=brought]").wait_for(state="detached")


def test_a_refused_model_is_told_with_its_reason(page: Any) -> None:
    page.click(".upload summary")
    page.set_input_files(
        ".upload input[type=file]", {"name": "bad.zip", "mimeType": "application/zip", "buffer": b"PK damaged"}
    )
    page.click(".upload button")
    said = page.locator("#upload-form [role=status].failed")
    said.wait_for()
    assert "Refused: bad.zip" in said.inner_text()
