"""Measure our own speed as ratios within one run: training, classify and a folder of films, each against bare code.

    python scripts/bench_self.py [--films N]

Prints a table and writes build/bench-self.json. Repeat on an idle machine; ratios move less than times do.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from cxr_edge.bundles.bundle import default_bundle_path
from cxr_edge.data.dataset import open_dataset
from cxr_edge.system import files
from cxr_edge.training.network.frozen_backbone import Front
from cxr_edge.training.network.model import build_classifier, freeze, split
from cxr_edge.training.options import PRESETS
from cxr_edge.training.training_set import Batches, Films, TrainingSet

# What an epoch of the paper preset shows of 1,201 training films, the smaller class augmented.
RUN_FILMS = 1448

# The shortest honest script that classifies one film: what `cxr-edge classify` is compared with.
BARE = """
import sys
import numpy as np
from PIL import Image
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(model_path=sys.argv[1], num_threads=1)
interpreter.allocate_tensors()
film = Image.open(sys.argv[2]).convert("RGB").resize((224, 224), Image.Resampling.BILINEAR)
interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.asarray(film)[None])
interpreter.invoke()
print(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
"""


def load_films(count: int) -> Films:
    """Return `count` simulated training films, a class each in turn."""
    part = open_dataset("phantom").select(split="train")
    part = part.__class__(part.name, part.items[:count], part.labels, part.positive)
    one_hot = np.eye(2, dtype=np.float32)[part.targets()]
    return Films(part.pixels(), one_hot, tuple(item.source for item in part.items))


def measure_training(count: int) -> dict[str, Any]:
    """Time plain `fit` and the paper preset's cached training, a film and epoch, at the same layers unfrozen.

    Both see a validation film for every eight training films. The ratios are of runs with `RUN_FILMS` films an epoch.
    """
    options = PRESETS["paper"]
    stage = options.stages[0]
    films = load_films(count)
    training = TrainingSet(films, balance="none", augmentation=options.augmentation, seed=0)
    held_out = films.pixels[: count // 8]

    plain = build_classifier(weights="none")
    freeze(plain, stage.unfreeze)

    def read_films(rows: Any, start: int) -> tuple[Any, Any]:
        return training.batch(0, rows, start), films.targets[rows]

    def read_cached(rows: Any, start: int) -> tuple[Any, Any]:
        return stored[start : start + len(rows)], films.targets[rows]

    plain_s = _time_epochs(plain, training, read_films, held_out) / count

    cached = build_classifier(weights="none")
    parts = split(cached, freeze(cached, stage.unfreeze))
    start = time.perf_counter()
    front = Front(parts.front)
    conversion_s = time.perf_counter() - start
    start = time.perf_counter()
    rows = training.order(0)
    pieces = [front.run(training.batch(0, rows[at : at + 64], at)) for at in range(0, len(rows), 64)]
    caching_s = (time.perf_counter() - start) / count
    stored = np.concatenate(pieces)
    tail_s = _time_epochs(parts.tail, training, read_cached, front.run(held_out)) / count

    ratios = {}
    for epochs in (stage.patience + 1, 20, stage.epochs):
        ours_s = conversion_s / RUN_FILMS + stage.copies * caching_s + epochs * tail_s
        ratios[epochs] = epochs * plain_s / ours_s
    return {
        "films": count,
        "unfreeze": stage.unfreeze,
        "plain_ms": plain_s * 1e3,
        "conversion_s": conversion_s,
        "caching_ms": caching_s * 1e3,
        "cached_ms": tail_s * 1e3,
        "copies": stage.copies,
        "speedup_by_epochs": ratios,
    }


def measure_cold_start(runs: int = 9) -> dict[str, Any]:
    """Time `cxr-edge classify FILM` and the bare script as whole processes, in turns."""
    model = default_bundle_path() / "model_int8.tflite"
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.png"
        from PIL import Image

        Image.fromarray(open_dataset("phantom").items[0].pixels()).save(film)
        ours = [sys.executable, "-m", "cxr_edge", "classify", str(film)]
        bare = [sys.executable, "-c", BARE, str(model), str(film)]
        times: dict[str, list[float]] = {"ours": [], "bare": []}
        for _ in range(runs):
            for name, command in (("ours", ours), ("bare", bare)):
                start = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True)
                times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {
        "classify_s": medians["ours"],
        "bare_script_s": medians["bare"],
        "ratio": medians["ours"] / medians["bare"],
        "runs": runs,
    }


def measure_batch() -> dict[str, Any]:
    """Compare a folder of films with inference alone, in a process of its own, without TensorFlow's threads."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "batch.json"
        command = [sys.executable, str(Path(__file__).with_name("bench_batch.py")), "--out", str(out)]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        result: dict[str, Any] = files.read_json(out)
    return result


def _time_epochs(model: keras.Model, training: TrainingSet, read: Any, held_out: Any, repeats: int = 3) -> float:
    """Return the seconds of an epoch of `fit` and its validation, after one that warms up: the best of `repeats`."""
    model.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy", jit_compile=False)
    times = []
    for _ in range(repeats + 1):
        batches = Batches(training, 0, 32, read)
        start = time.perf_counter()
        model.fit(batches, verbose=0, shuffle=False)
        model.predict(held_out, batch_size=64, verbose=0)
        times.append(time.perf_counter() - start)
    return min(times[1:])


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--films", type=int, default=256, help="training films to time (default: 256)")
    arguments = parser.parse_args()
    machine = {"cpus": os.cpu_count(), "machine": platform.machine(), "load_before": os.getloadavg()[0]}
    cold = measure_cold_start()
    print(f"classify one film: {cold['classify_s']:.2f} s, bare script {cold['bare_script_s']:.2f} s: "
          f"ratio {cold['ratio']:.2f} (goal 1.3 at most)")  # fmt: skip
    batch = measure_batch()
    training = measure_training(arguments.films)
    print(
        f"training, {training['unfreeze']:.0%} unfrozen: plain fit {training['plain_ms']:.1f} ms a film, cached "
        f"{training['cached_ms']:.1f} ms after {training['copies']} x {training['caching_ms']:.1f} ms of caching"
    )
    for epochs, ratio in training["speedup_by_epochs"].items():
        print(f"  {epochs} epochs: {ratio:.2f} times as fast as plain fit (goal 2)")
    report = {"machine": machine, "cold_start": cold, "batch": batch, "training": training}
    files.write_json(Path("build/bench-self.json"), report)


if __name__ == "__main__":
    main()
