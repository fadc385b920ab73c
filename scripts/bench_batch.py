"""Measure a folder of films against inference alone: how much of the model's throughput reading the films costs.

    python scripts/bench_batch.py [--films N] [--side PX]

Both sides run the shipped int8 model on one thread and take turns, a hundred films at a time; the fastest turns of each
are those that other processes disturbed least. The whole is what `classify --json` does: read, decode, run, make a row.
It needs an idle machine with a second core: decoding has to have somewhere to run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cxr_edge import classify, files, images, phantom, rows, runtimes
from cxr_edge.ahead import count_cores
from cxr_edge.bundle import Bundle, default_bundle_path

TURN = 100
DIFFERENT = 50


def write_films(folder: Path, count: int, side_px: int) -> list[Path]:
    """Write simulated films as JPEG, `side_px` a side, and return them; there are fifty different ones."""
    films: list[Path] = []
    for index in range(count):
        path = folder / f"{index:05}.jpg"
        if index < DIFFERENT:
            film = Image.fromarray(phantom.render(index, "covid" if index % 2 else "none").pixels)
            film.resize((side_px, side_px), Image.Resampling.BICUBIC).save(path, quality=90)
        else:
            path.write_bytes(films[index % DIFFERENT].read_bytes())
        films.append(path)
    return films


def measure_batch(count: int = 1000, side_px: int = 320) -> dict[str, Any]:
    """Time inference alone and the whole on the same films, in turns; the ratio is that of their throughputs."""
    bundle = Bundle.read(default_bundle_path())
    runtime = runtimes.open_artifact(bundle, classify.choose_artifact(bundle))
    alone, whole, processor_s = [], [], 0.0
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w", encoding="utf-8") as sink:
        films = write_films(Path(folder), count, side_px)
        pixels = [images.read(film).pixels[np.newaxis] for film in films[:DIFFERENT]]
        for film in pixels:
            runtime.run(film)
        for at in range(0, count, TURN):
            turn = films[at : at + TURN]
            start = time.perf_counter()
            for index in range(len(turn)):
                runtime.run(pixels[index % DIFFERENT])
            alone.append((time.perf_counter() - start) / len(turn))
            start, used = time.perf_counter(), time.process_time()
            sink.writelines(rows.format_json(classify.predict_all(runtime, bundle.manifest, turn)))
            whole.append((time.perf_counter() - start) / len(turn))
            processor_s += time.process_time() - used
    return {
        "films": count,
        "side_px": side_px,
        "cores": count_cores(),
        "inference_ms": min(alone) * 1e3,
        "film_ms": min(whole) * 1e3,
        "processor_ms": processor_s / count * 1e3,
        "ratio": min(alone) / min(whole),
        "median_ratio": statistics.median(alone) / statistics.median(whole),
    }


def describe(result: dict[str, Any]) -> str:
    """Return the result as one line."""
    return (
        f"{result['films']} films of {result['side_px']} px on {result['cores']} cores: {result['film_ms']:.2f} ms a "
        f"film ({result['processor_ms']:.2f} ms of processor), inference alone {result['inference_ms']:.2f} ms: "
        f"{result['ratio']:.0%} of its throughput by the fastest turns, {result['median_ratio']:.0%} by the medians "
        "(goal 85 %)"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--films", type=int, default=1000, help="how many (default: 1000)")
    parser.add_argument("--side", type=int, default=320, help="their size in pixels (default: 320)")
    parser.add_argument("--out", type=Path, help="write the figures to this file as JSON, too")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    result = measure_batch(arguments.films, arguments.side) | {"load_before": load}
    print(f"{describe(result)}, load before {load:.1f}")
    if arguments.out is not None:
        files.write_json(arguments.out, result)


if __name__ == "__main__":
    main()
