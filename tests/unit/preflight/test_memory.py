"""A file that passed the check is not read again where its hash is proved."""

from __future__ import annotations

import pytest

from cxr_edge.errors import PreflightError
from cxr_edge.preflight.check import check_artifact
from cxr_edge.system.files import sha256_bytes
from tests.support import models


def test_a_file_of_a_proved_hash_that_passed_is_not_read_again() -> None:
    content = models.tflite()
    facts = check_artifact(content, "tflite", "model.tflite", sha256=sha256_bytes(content))

    # Bytes that would be refused show that nothing is read.
    assert check_artifact(b"", "tflite", "model.tflite", sha256=sha256_bytes(content)) is facts


def test_a_file_that_was_refused_is_read_again_and_refused_again() -> None:
    for name in ("first.tflite", "second.tflite"):
        with pytest.raises(PreflightError, match=name):
            check_artifact(b"no model", "tflite", name, sha256=sha256_bytes(b"no model"))


def test_what_passed_as_one_format_is_read_as_another() -> None:
    content = models.tflite()
    check_artifact(content, "tflite", "model.tflite", sha256=sha256_bytes(content))

    with pytest.raises(PreflightError, match=r"model\.onnx: refused"):
        check_artifact(content, "onnx", "model.onnx", sha256=sha256_bytes(content))


def test_without_a_hash_every_file_is_read() -> None:
    content = models.tflite()
    check_artifact(content, "tflite", "model.tflite", sha256=sha256_bytes(content))

    with pytest.raises(PreflightError, match="empty"):
        check_artifact(b"", "tflite", "empty.tflite")
