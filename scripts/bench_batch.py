"""Measure a folder of films against inference alone: how much of the model's throughput reading the films costs.

    python scripts/bench_batch.py [--films N] [--side PX]

Both sides run the shipped int8 model on one thread and take turns, a hundred films at a time. The whole is what
`classify --json` does: read, decode, run, make a row. It needs an idle machine with a second core, for decoding has to
have somewhere to run; on a busy one the processor time still tells what is possible at most.
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

from cxr_edge.bundles.bundle import Bundle, default_bundle_path
from cxr_edge.imaging import decoder
from cxr_edge.inference import classify, rows
from cxr_edge.models import open_model
from cxr_edge.phantom.radiograph import render
from cxr_edge.processes.cores import count_cores
from cxr_edge.system import files

TURN = 100
DIFFERENT = 50


def write_films(folder: Path, count: int, side_px: int) -> list[Path]:
    """Write simulated films as JPEG, `side_px` a side, and return them; there are fifty different ones."""
    films: list[Path] = []
    for index in range(count):
        path = folder / f"{index:05}.jpg"
        if index < DIFFERENT:
            film = Image.fromarray(render(index, "covid" if index % 2 else "none").pixels)
            film.resize((side_px, side_px), Image.Resampling.BICUBIC).save(path, quality=90)
        else:
            path.write_bytes(films[index % DIFFERENT].read_bytes())
        films.append(path)
    return films


def measure_batch(count: int = 1000, side_px: int = 320) -> dict[str, Any]:
    """Time inference alone and the whole on the same films, in turns; the ratio is that of their throughputs."""
    bundle = Bundle.read(default_bundle_path())
    runtime = open_model(bundle, classify.choose_artifact(bundle))
    alone, whole, used_s = [], [], {"alone": 0.0, "thread": 0.0, "all": 0.0}
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w", encoding="utf-8") as sink:
        films = write_films(Path(folder), count, side_px)
        pixels = [decoder.read(film).pixels[np.newaxis] for film in films[:DIFFERENT]]
        for film in pixels:
            runtime.run(film)
        for at in range(0, count, TURN):
            turn = films[at : at + TURN]
            start, thread = time.perf_counter(), time.thread_time()
            for index in range(len(turn)):
                runtime.run(pixels[index % DIFFERENT])
            alone.append((time.perf_counter() - start) / len(turn))
            used_s["alone"] += time.thread_time() - thread
            start, thread, process = time.perf_counter(), time.thread_time(), time.process_time()
            sink.writelines(rows.format_json(classify.predict_all(runtime, bundle.manifest, turn)))
            whole.append((time.perf_counter() - start) / len(turn))
            used_s["thread"] += time.thread_time() - thread
            used_s["all"] += time.process_time() - process
    return {
        "films": count,
        "side_px": side_px,
        "cores": count_cores(),
        "inference_ms": statistics.median(alone) * 1e3,
        "film_ms": statistics.median(whole) * 1e3,
        "ratio": statistics.median(alone) / statistics.median(whole),
        "processor_ms": {name: seconds / count * 1e3 for name, seconds in used_s.items()},
        # What idle cores could reach: no film takes less than the thread of the model, or than all work on all cores.
        "bound": used_s["alone"] / max(used_s["thread"], used_s["all"] / count_cores()),
    }


def describe(result: dict[str, Any]) -> str:
    """Return the result as one line."""
    used = result["processor_ms"]
    return (
        f"{result['films']} films of {result['side_px']} px on {result['cores']} cores: {result['film_ms']:.2f} ms a "
        f"film, inference alone {result['inference_ms']:.2f} ms: {result['ratio']:.0%} of its throughput (goal 85 %); "
        f"by processor time ({used['alone']:.2f} ms alone, {used['thread']:.2f} ms in the model's thread, "
        f"{used['all']:.2f} ms in all) at most {result['bound']:.0%}"
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
