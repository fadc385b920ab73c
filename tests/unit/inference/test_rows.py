"""Predictions as text: what people read, and what machines can read back."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cxr_edge.inference.classify import Prediction
from cxr_edge.inference.rows import FORMATS, format_csv, format_json, format_table, to_json
from cxr_edge.system.about import RESEARCH_ONLY

GOOD = Prediction(
    Path("films/a.png"),
    "covid",
    0.4,
    label="covid",
    probability=0.87654321,
    probabilities={"covid": 0.87654321, "noncovid": 0.12345679},
    typicality=1.25,
    untypical=False,
    decode_ms=12.345,
    inference_ms=23.456,
    heatmap=np.zeros((7, 7), np.float32),
)
BAD = Prediction(Path("films/b.png"), "covid", 0.4, error="films/b.png: the file is empty; copy it again")


def read_csv(*predictions: Prediction) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(format_csv(predictions)), newline="")))


def named(name: str, prediction: Prediction = GOOD) -> Prediction:
    return dataclasses.replace(prediction, path=Path(name))


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_carries_the_research_only_note(form: str) -> None:
    assert RESEARCH_ONLY in "".join(FORMATS[form]([GOOD]))


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_yields_a_row_before_the_next_film_is_classified(form: str) -> None:
    asked = []

    def films() -> Iterator[Prediction]:
        for prediction in (GOOD, BAD):
            asked.append(prediction)
            yield prediction

    chunks = iter(FORMATS[form](films()))
    while "a.png" not in next(chunks):
        pass

    assert asked == [GOOD]


def test_table_has_a_head_a_row_a_film_and_the_note_last() -> None:
    assert "".join(format_table([GOOD, BAD])).splitlines() == [
        "P(covid)  threshold  label        decode      run  film",
        "   0.877      0.400  covid         12 ms    23 ms  films/a.png",
        "       -          -  error             -        -  films/b.png: the file is empty; copy it again",
        RESEARCH_ONLY,
    ]


def test_table_tells_of_an_untypical_film_and_of_warnings() -> None:
    odd = dataclasses.replace(GOOD, untypical=True, warnings=("low resolution (157 x 156 px)",))

    assert "a.png (unlike the training films; low resolution (157 x 156 px))" in "".join(format_table([odd]))


def test_table_shows_control_characters_of_a_name_escaped() -> None:
    row = list(format_table([named("a\x1b[2J\nb\udcff.png")]))[1]

    assert row.endswith("a\\x1b[2J\\nb\\udcff.png\n")


def test_json_is_one_line_that_reads_back() -> None:
    line = to_json(GOOD)

    assert "\n" not in line
    assert json.loads(line) == {
        "path": "films/a.png",
        "label": "covid",
        "positive": "covid",
        "probability": 0.876543,
        "threshold": 0.4,
        "probabilities": {"covid": 0.876543, "noncovid": 0.123457},
        "typicality": 1.25,
        "untypical": False,
        "decode_ms": 12.35,
        "inference_ms": 23.46,
        "warnings": [],
        "error": None,
        "research_only": RESEARCH_ONLY,
    }


def test_json_of_an_error_has_the_same_fields() -> None:
    good, bad = (json.loads(line) for line in format_json([GOOD, BAD]))

    assert good.keys() == bad.keys()
    assert (bad["label"], bad["error"]) == (None, BAD.error)


def test_json_keeps_a_name_that_is_no_utf_8() -> None:
    line = to_json(named("a\udcff.png"))

    assert line.isascii()
    assert json.loads(line)["path"] == "a\udcff.png"


def test_csv_has_a_header_and_crlf_ends() -> None:
    records = list(format_csv([GOOD]))

    assert records[0].startswith("path,label,positive,probability,")
    assert all(record.endswith("\r\n") for record in records)


def test_csv_reads_back_with_every_value() -> None:
    (row,) = read_csv(dataclasses.replace(GOOD, warnings=("first of 3 frames", "colour picture; chest films are grey")))

    assert (row["path"], row["label"], row["probability"], row["untypical"]) == (
        "films/a.png",
        "covid",
        "0.876543",
        "false",
    )
    assert row["warnings"] == "first of 3 frames; colour picture; chest films are grey"


def test_csv_leaves_what_a_failed_film_lacks_empty() -> None:
    (row,) = read_csv(BAD)

    assert (row["label"], row["probability"], row["untypical"], row["decode_ms"]) == ("", "", "", "")
    assert row["error"] == BAD.error


def test_csv_quotes_commas_quotes_and_line_ends() -> None:
    name = 'a,"b"\nc.png'

    assert read_csv(named(name))[0]["path"] == name


@pytest.mark.parametrize("name", ["=1+2.png", "+1.png", "-1.png", "@sum.png", "\tx.png"])
def test_csv_keeps_a_spreadsheet_from_running_a_name(name: str) -> None:
    assert read_csv(named(name))[0]["path"] == f"'{name}"


def test_csv_guards_the_error_of_such_a_name_as_well() -> None:
    assert read_csv(dataclasses.replace(BAD, error="=x.png: the file is empty"))[0]["error"].startswith("'=")


def test_csv_can_be_encoded_for_a_name_that_is_no_utf_8() -> None:
    assert b"a\\udcff.png" in "".join(format_csv([named("a\udcff.png")])).encode()
