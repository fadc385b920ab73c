"""What `export` makes of every backbone passes the check, or a user's own model would be refused on another machine."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from cxr_edge.export import recipes
from cxr_edge.imaging import decoder
from cxr_edge.phantom.radiograph import render
from cxr_edge.preflight.check import check_artifact


@pytest.mark.skipif(not os.environ.get("CXR_EDGE_LONG"), reason="takes minutes; 'make fuzz' runs it")
@pytest.mark.parametrize("backbone", ["mobilenetv2", "inceptionv3", "resnet50v2", "xception"])
def test_exports_of_every_backbone_pass_the_check(backbone: str, tmp_path: Path) -> None:
    from PIL import Image

    from cxr_edge.export.convert.registry import open_converter
    from cxr_edge.export.graph.deployment import Deployment
    from cxr_edge.training.network.model import build_classifier

    classifier = build_classifier(backbone, weights="none", labels=2, dropout=0.2)
    classifier.save(tmp_path / "model.keras")
    check_artifact((tmp_path / "model.keras").read_bytes(), "keras", "model.keras")
    deployment = Deployment(classifier, None)
    films = np.stack([decoder.to_contract(Image.fromarray(render(seed, "covid").pixels)) for seed in range(4)])
    for format in recipes.FORMATS:
        converter = open_converter(format)
        plain = converter.convert_float(deployment)
        check_artifact(plain, format, f"model_float32.{format}")
        for name, recipe in recipes.RECIPES.items():
            if name != "float32" and format in recipe.formats:
                content = converter.quantize(plain, recipe, films if recipe.calibrated else None)
                check_artifact(content, format, f"model_{name}.{format}")
