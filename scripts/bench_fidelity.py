"""Time the same files by our harness and by the tools of the runtimes' own makers, in turns within one run.

    python scripts/bench_fidelity.py BUNDLE [--threads N] [--turns N]

A .tflite is timed by Google's `litert-benchmark`, which ai-edge-litert brings, an .onnx by a bare loop over ONNX
Runtime's session. Prints the p50 of both, each from its least disturbed turn, and their ratio, which should be within
5 % of 1, and beside it the ratio of the fastest runs, which other programs disturb least. Writes
build/bench-fidelity.json. Repeat on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cxr_edge.benchmarks.measure import worker_client
from cxr_edge.bundles.bundle import Bundle, default_bundle_path
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.system import files

Times = tuple[float, float]

RUNS = 200
WARMUP_RUNS = 20

# The loop of onnxruntime_perf_test: one session, one input, the time of `run` alone.
ONNX_LOOP = """
import json, os, sys, time
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import numpy as np, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads, options.inter_op_num_threads = int(sys.argv[2]), 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
film = np.load(sys.argv[3])[:1]
for _ in range(int(sys.argv[4])):
    session.run(None, {"image": film})
times = []
for _ in range(int(sys.argv[5])):
    start = time.perf_counter_ns()
    session.run(None, {"image": film})
    times.append((time.perf_counter_ns() - start) / 1e6)
print(json.dumps([sorted(times)[len(times) // 2], min(times)]))
"""


def time_ours(bundle: Bundle, artifact: Artifact, films: Path, threads: int) -> Times:
    """Return the p50 and the fastest run of one of our turns, in ms."""
    request = {
        "task": "time",
        "bundle": str(bundle.path.resolve()),
        "artifact": artifact.name,
        "format": artifact.format,
        "threads": threads,
        "films": str(films),
        "warmup_runs": WARMUP_RUNS,
        "runs": RUNS,
        "time_s": 0.0,
    }
    times_ms = worker_client.ask(request, name=artifact.name)["times_ms"]
    return statistics.median(times_ms), min(times_ms)


def time_litert(bundle: Bundle, artifact: Artifact, films: Path, threads: int) -> Times:
    """Return the median and the minimum that litert-benchmark reports, in ms."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, "-m", "ai_edge_litert.tools.benchmark_litert_model"]
        command += [f"--model={bundle.path / artifact.name}", f"--num_threads={threads}", f"--num_runs={RUNS}"]
        command += [f"--warmup_runs={WARMUP_RUNS}", f"--result_json={result}"]
        subprocess.run(command, check=True, capture_output=True)
        latency = json.loads(result.read_text())["latency"]
        return latency["median_ms"], latency["min_ms"]


def time_onnx(bundle: Bundle, artifact: Artifact, films: Path, threads: int) -> Times:
    """Return the median and the minimum of a bare loop over the session, in ms."""
    command = [sys.executable, "-c", ONNX_LOOP, str(bundle.path / artifact.name)]
    command += [str(value) for value in (threads, films, WARMUP_RUNS, RUNS)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    median, fastest = json.loads(done.stdout.splitlines()[-1])
    return median, fastest


THEIRS: dict[str, tuple[str, Callable[[Bundle, Artifact, Path, int], Times]]] = {
    "tflite": ("litert-benchmark", time_litert),
    "onnx": ("onnxruntime loop", time_onnx),
}


def compare(bundle: Bundle, artifact: Artifact, films: Path, threads: int, turns: int) -> dict[str, Any]:
    """Time an artifact by both, A B A B, and return each one's p50 in its fastest turn, with their ratio."""
    tool, time_theirs = THEIRS[artifact.format]
    ours, theirs = [], []
    for _ in range(turns):
        ours.append(time_ours(bundle, artifact, films, threads))
        theirs.append(time_theirs(bundle, artifact, films, threads))
    # What else runs on the machine only ever adds time, and not to both alike.
    ours_ms, ours_fastest = (min(values) for values in zip(*ours, strict=True))
    theirs_ms, theirs_fastest = (min(values) for values in zip(*theirs, strict=True))
    return {
        "artifact": artifact.name,
        "tool": tool,
        "threads": threads,
        "ours_ms": ours_ms,
        "theirs_ms": theirs_ms,
        "ratio": ours_ms / theirs_ms,
        "fastest_ratio": ours_fastest / theirs_fastest,
        "turns_ms": {"ours": ours, "theirs": theirs},
    }


def main() -> None:
    """Compare, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bundle", nargs="?", type=Path, default=default_bundle_path(), help="default: the shipped one")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=5, help="pairs of turns an artifact (default: 5)")
    arguments = parser.parse_args()
    bundle = Bundle.read(arguments.bundle)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        films = Path(folder) / "films.npy"
        np.save(films, np.random.default_rng(0).integers(0, 256, (16, 224, 224, 3), dtype=np.uint8))
        for artifact in bundle.manifest.artifacts.values():
            if artifact.format in THEIRS:
                row = compare(bundle, artifact, films, arguments.threads, arguments.turns)
                rows.append(row)
                print(
                    f"{row['artifact']:22} ours {row['ours_ms']:.2f} ms, {row['tool']} {row['theirs_ms']:.2f} ms: "
                    f"ratio {row['ratio']:.3f} (goal 0.95 to 1.05), of the fastest runs {row['fastest_ratio']:.3f}"
                )
    facts = {"cpus": os.cpu_count(), "load": os.getloadavg()[0], "runs": RUNS}
    files.write_json(Path("build/bench-fidelity.json"), {"machine": facts, "rows": rows})


if __name__ == "__main__":
    main()
