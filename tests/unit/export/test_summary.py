"""What export prints: a line an artifact, with its size and what it loses."""

from __future__ import annotations

import dataclasses

from cxr_edge.bundles.bundle import DEFAULT, Bundle, open_bundle
from cxr_edge.export.summary import describe


def test_describe_gives_the_size_of_each_artifact_and_the_flips_of_a_repaired_one() -> None:
    shipped = open_bundle(DEFAULT)
    assert describe(shipped).splitlines() == [
        str(shipped.path),
        "  model.keras         10.02 MB  Keras           the reference",
        "  model_int8.tflite    3.06 MB  TFLite int8     0 of 150 test images flip; P changes by 0.35 at most",
    ]


def test_describe_gives_the_largest_change_where_nothing_was_repaired() -> None:
    shipped = open_bundle(DEFAULT)
    plain = Bundle(shipped.path, dataclasses.replace(shipped.manifest, files={}))
    assert describe(plain).splitlines()[-1].endswith("TFLite int8     P changes by 0.02 at most on 8 images")
