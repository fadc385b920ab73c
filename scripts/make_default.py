"""Make the bundle that ships in cxr_edge/zoo/default: train, export to int8, keep what a Pi and an exporter need.

    python scripts/make_default.py FILMS WEIGHTS [--out build/zoo] [--seed 0]

FILMS is the folder of real films with its manifest.csv, WEIGHTS the ImageNet weights without the top. Training goes on
where an earlier run stopped. An hour on two cores.
"""

from __future__ import annotations

import argparse
import dataclasses
import shutil
from pathlib import Path

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import MANIFEST_NAME
from cxr_edge.contract import KERAS_NAME, TYPICALITY_NAME, artifact_name
from cxr_edge.data.dataset import open_dataset
from cxr_edge.export import pipeline
from cxr_edge.metrics.budget import Budget
from cxr_edge.system import files
from cxr_edge.training import options
from cxr_edge.training.train import train

NAME = "cxr-edge-default"
SHIPPED = Path(__file__).resolve().parent.parent / "cxr_edge" / "zoo" / "default"
# Half of what the default allows: this one is everybody's first, and is held against nothing else.
BUDGET = Budget(flips=0.005, auc_change=0.0025)
ARTIFACTS = (KERAS_NAME, artifact_name("tflite", "int8"))
FILES = ("MODEL_CARD.md", "golden.npz", "history.json", "repair.json", TYPICALITY_NAME)
SOURCES = """
## Sources and licences

The model is ours, under the project's licence. No film is part of it or of the package. It was trained on

- `ieee8023`: COVID-19 image data collection, Cohen et al. 2020; every film has its own licence, most CC BY, CC BY-NC-SA
  or not stated by the publication it comes from.
- `covid-cxnet`: COVID-CXNet, Haghanifar et al. 2020; the collection says CC BY 4.0, the films come from publications.
- `nih-cxr14`: ChestX-ray14, Wang et al. 2017, NIH Clinical Center; free to use, with this attribution.
- `phantom-a`, `-b`, `-c`: simulated films of this project.

It began from Google's ImageNet weights of MobileNetV2 (Apache-2.0); every layer was trained further.
"""


def make(films: Path, weights: Path, out: Path, seed: int) -> Bundle:
    """Return the bundle made in `out` and copied to the package."""
    trained = out / "trained"
    if not (trained / MANIFEST_NAME).is_file():
        data = open_dataset(films).join(open_dataset("phantom"))
        train(data, options.build(weights=str(weights), seed=seed), trained, name=NAME, resume=trained.exists())
    exporting = pipeline.ExportOptions(formats=("tflite",), quantize=("int8",), data=str(films), budget=BUDGET)
    ours = Bundle.read(trained)
    provenance = {**ours.manifest.provenance, "licence": "Apache-2.0"}
    ours = Bundle(ours.path, dataclasses.replace(ours.manifest, provenance=provenance))
    exported = pipeline.export(ours, exporting, out / "exported")
    with files.staged_folder(SHIPPED) as staged:
        for name in (*ARTIFACTS, *FILES):
            shutil.copyfile(exported.path / name, staged / name)
        card = staged / "MODEL_CARD.md"
        files.write_text(card, card.read_text(encoding="utf-8") + SOURCES)
        manifest = dataclasses.replace(
            exported.manifest,
            artifacts={name: exported.manifest.artifacts[name] for name in ARTIFACTS},
            files={name: files.sha256_file(staged / name) for name in FILES},
        )
        Bundle(staged, manifest).write_manifest()
    return Bundle.read(SHIPPED)


def main() -> None:
    """Make the bundle and say what it reached."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("films", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--out", type=Path, default=Path("build/zoo"))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    bundle = make(arguments.films, arguments.weights, arguments.out, arguments.seed)
    print(f"{bundle.path}: test AUC {bundle.manifest.metrics['test']['auc']:.3f}")


if __name__ == "__main__":
    main()
