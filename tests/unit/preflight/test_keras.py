"""A .keras file is let through only where it is plain layers with their weights, all in the file itself."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from cxr_edge.bundles.bundle import default_bundle_path
from cxr_edge.errors import PreflightError
from cxr_edge.export import pipeline
from cxr_edge.preflight.check import check_artifact
from cxr_edge.preflight.flatbuffer import Malformed
from cxr_edge.preflight.keras import check_weights
from tests.support import models

DENSE = {"module": "keras.layers", "class_name": "Dense", "config": {"activation": "relu"}, "registered_name": None}
FUNCTION = {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}


def weights(write: Callable[[h5py.File], None] = lambda stored: None) -> bytes:
    held = io.BytesIO()
    with h5py.File(held, "w") as stored:
        stored.create_group("layers").create_dataset("0", data=np.zeros(3, np.float32))
        write(stored)
    return held.getvalue()


def keras_file(config: Any = DENSE, **changes: bytes) -> bytes:
    parts = {"metadata.json": b"{}", "config.json": json.dumps(config).encode(), "model.weights.h5": weights()}
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, content in (parts | {key.replace("__", "."): value for key, value in changes.items()}).items():
            archive.writestr(name, content)
    return held.getvalue()


def test_the_shipped_classifier_passes() -> None:
    content = (default_bundle_path() / "model.keras").read_bytes()
    facts = check_artifact(content, "keras", "model.keras")
    check_weights(content)

    assert facts.operators["DepthwiseConv2D"] == 17
    assert facts.weights_bytes > 9e6


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (keras_file(DENSE | {"class_name": "Lambda"}), "keras.layers.Lambda"),
        (keras_file(DENSE | {"module": "os"}), "os.Dense"),
        (keras_file(DENSE | {"config": {"activation": FUNCTION}}), "os.function"),
        (keras_file({"layers": [[{"config": {"deep": FUNCTION}}]]}), "os.function"),
        (keras_file({"module": "builtins"}), "builtins.None"),
        (keras_file({"class_name": ["Dense"]}), "which no classifier of ours uses"),
        (keras_file(evil__py=b"x"), "metadata, configuration and weights alone"),
        (keras_file(config__json=b"{"), "no sound .zip or JSON"),
        (keras_file(config__json=b"[" * 100_000), "nested too deep"),
        # With ids: pytest would name them by their bytes, which hold the time, so that the processes of xdist differ.
        pytest.param(keras_file()[:100], "no sound .zip or JSON", id="cut off"),
        pytest.param(b"", "no sound .zip or JSON", id="empty"),
    ],
)
def test_a_keras_file_is_refused_for(content: bytes, fact: str) -> None:
    with pytest.raises(PreflightError, match=fact):
        check_artifact(content, "keras", "model.keras")


WEIGHTS: dict[str, Callable[[h5py.File], Any]] = {
    "an external link": lambda stored: stored.__setitem__("x", h5py.ExternalLink("/etc/passwd", "/")),
    "a soft link": lambda stored: stored.__setitem__("x", h5py.SoftLink("/layers")),
    "a circle": lambda stored: stored["layers"].__setitem__("x", stored["/"]),
    "external values": lambda stored: stored.create_dataset(
        "x", (3,), "f4", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)]
    ),
    "a virtual data set": lambda stored: stored.create_virtual_dataset("x", h5py.VirtualLayout((3,), "f4")),
}


@pytest.mark.parametrize("what", WEIGHTS)
def test_weights_that_lead_out_of_the_file_are_refused(what: str) -> None:
    with pytest.raises(Malformed):
        check_weights(keras_file(**{"model__weights__h5": weights(WEIGHTS[what])}))


def test_weights_that_are_no_hdf5_are_refused() -> None:
    with pytest.raises(Malformed, match="cannot be read"):
        check_weights(keras_file(**{"model__weights__h5": b"no HDF5"}))


@pytest.mark.usefixtures("nothing_made_here")
def test_export_refuses_a_strangers_classifier_that_names_other_classes(tmp_path: Path) -> None:
    bundle = models.write_bundle(tmp_path / "evil", {"model.keras": keras_file({"class_name": "Lambda"})})
    with pytest.raises(PreflightError, match=r"model\.keras: refused before it was opened.*Lambda"):
        pipeline.export(bundle, pipeline.ExportOptions(), tmp_path / "out")

    assert not (tmp_path / "out").exists()
