"""Every format has a converter, and it says which."""

from __future__ import annotations

import pytest

from cxr_edge.errors import UsageError
from cxr_edge.export.convert.registry import open_converter
from cxr_edge.export.recipes import FORMATS


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_has_a_converter(format: str) -> None:
    assert open_converter(format).format == format


def test_another_format_is_refused_with_the_choices() -> None:
    with pytest.raises(UsageError, match="no converter writes the format 'coreml'; choose from tflite, onnx"):
        open_converter("coreml")
