"""Measure the export as ratios within one run: int8 against the stock converter, what the heat map costs, and memory.

    python scripts/bench_export.py [--films N] [--out FILE]

The stock converter is TensorFlow's own, on the same classifier and films; both start from the Keras model.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import os
import statistics
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from cxr_edge.bundles.bundle import Bundle, default_bundle_path
from cxr_edge.contract import KERAS_NAME, Pixels
from cxr_edge.data.dataset import open_dataset
from cxr_edge.export.calibration_set import CALIBRATION_FILMS, choose_films
from cxr_edge.export.convert.litert import LiteRTConverter
from cxr_edge.export.graph.deployment import Deployment, freeze
from cxr_edge.export.recipes import RECIPES
from cxr_edge.export.repair.fitting import fit_layers
from cxr_edge.export.repair.ranges import choose_ranges
from cxr_edge.export.repair.repair import STEPS
from cxr_edge.export.repair.simulation import list_nodes
from cxr_edge.runtimes.keras import load_model
from cxr_edge.runtimes.registry import open_content
from cxr_edge.system import files
from cxr_edge.system.progress import Progress

_RUNS = 200


class Bare(Deployment):
    """The deployment without heat map and typicality."""

    def __init__(self, classifier: Any) -> None:
        super().__init__(classifier, None)
        self.output_names = ("probabilities",)

    def _head(self, features: Any) -> dict[str, Any]:
        return {"probabilities": tf.identity(tf.nn.softmax(self.logits(features)), name="probabilities")}


def convert_stock(deployment: Deployment, films: Pixels) -> bytes:
    """Return TensorFlow's own int8 conversion, calibrated on `films`."""
    converter = tf.lite.TFLiteConverter.from_concrete_functions([freeze(deployment, batch=1)])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([film[None]] for film in films)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return bytes(converter.convert())


def convert_ours(deployment: Deployment, films: Pixels) -> bytes:
    """Return our int8 conversion without repair."""
    converter = LiteRTConverter()
    return converter.quantize(converter.convert_float(deployment), RECIPES["int8"], films)


def measure_conversion(deployment: Deployment, films: Pixels) -> dict[str, float]:
    """Time both conversions once each, after a conversion that loads what both need."""
    LiteRTConverter().convert_float(deployment)
    ours_s = _time(lambda: convert_ours(deployment, films))
    stock_s = _time(lambda: convert_stock(deployment, films))
    return {"ours_s": ours_s, "stock_s": stock_s, "ratio": ours_s / stock_s, "films": len(films)}


def measure_heat_map(classifier: Any, deployment: Deployment, films: Pixels) -> dict[str, Any]:
    """Compare the latency with heat map and typicality to that without, in turns, for float32 and int8."""
    found: dict[str, Any] = {}
    converter = LiteRTConverter()
    contents = [[converter.convert_float(item)] for item in (deployment, Bare(classifier))]
    for pair in contents:
        pair.append(converter.quantize(pair[0], RECIPES["int8"], films))
    for number, name in enumerate(("float32", "int8")):
        runtimes = [open_content(pair[number], "tflite") for pair in contents]
        times: list[list[float]] = [[], []]
        for run in range(_RUNS):
            for place, runtime in enumerate(runtimes):
                start = time.perf_counter()
                runtime.run(films[run % len(films)][None])
                times[place].append((time.perf_counter() - start) * 1e3)
        with_ms, without_ms = (statistics.median(values[10:]) for values in times)
        found[name] = {"with_ms": with_ms, "without_ms": without_ms, "ratio": with_ms / without_ms}
    return found


def measure_fit(deployment: Deployment, films: Pixels) -> dict[str, float]:
    """Compare the most memory that the dearest step of the repair holds to one run's maps of the widest layer."""
    backbone = deployment.backbone
    inputs = np.asarray(deployment.scale(films))
    widest = len(films) * max(4 * math.prod(node.layer.output.shape[1:]) for node in list_nodes(backbone))
    options = STEPS[-1].options
    assert options is not None
    ranges = choose_ranges(backbone, inputs, lambda done, total: None)
    with Progress("fitting", 1) as progress:
        # NumPy's arrays alone: of TensorFlow's, only those of 16 films are there at a time.
        tracemalloc.start()
        fit_layers(backbone, inputs, ranges, options, progress)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return {"peak_mib": peak / 2**20, "widest_mib": widest / 2**20, "ratio": peak / widest, "films": len(films)}


def _time(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--films", type=int, default=CALIBRATION_FILMS, help="calibration films (default: 100)")
    parser.add_argument("--out", type=Path, default=Path("build/bench-export.json"))
    arguments = parser.parse_args()
    bundle = Bundle.read(default_bundle_path())
    classifier = load_model(bundle.artifact_bytes(bundle.artifact(KERAS_NAME)), name=KERAS_NAME)
    from cxr_edge.export.conversion import read_typicality

    deployment = Deployment(classifier, read_typicality(bundle))
    films = choose_films(open_dataset("phantom"), "train", arguments.films).pixels
    conversion = measure_conversion(deployment, films)
    print(
        f"int8 TFLite without repair: {conversion['ours_s']:.1f} s, TensorFlow's converter "
        f"{conversion['stock_s']:.1f} s: ratio {conversion['ratio']:.2f} (goal 0.5 at most)"
    )
    heat = measure_heat_map(classifier, deployment, films)
    for name, item in heat.items():
        print(
            f"heat map and typicality, {name}: {item['with_ms']:.2f} ms, without {item['without_ms']:.2f} ms: "
            f"ratio {item['ratio']:.3f} (goal 1.05 at most)"
        )
    fit = measure_fit(deployment, films)
    print(
        f"repair, dearest step, {fit['films']} films: {fit['peak_mib']:.0f} MiB of arrays, maps of the widest layer "
        f"{fit['widest_mib']:.0f} MiB: ratio {fit['ratio']:.1f}"
    )
    files.write_json(arguments.out, {"conversion": conversion, "heat_map": heat, "fit": fit})


if __name__ == "__main__":
    main()
