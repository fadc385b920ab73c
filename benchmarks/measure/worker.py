"""The process that `worker_client.ask` starts. It reads one request from stdin and writes one answer to stdout.

The tasks are:

- `predict`: the probabilities of all images. If the request names a folder in `arrays`, the artifact's other outputs
  are saved there as .npy files, and the answer's `arrays` has their paths.
- `time`: one turn of timed runs. Like `predict`, it names a bundle, an artifact in it, a thread count and a .npy file
  of pixels, and can name an accelerator.
- `count`: the number of multiplications of a .tflite file.
- `adapters`: the graphics processors that WebGPU finds.

Unless `trusted` is true in a request, the process limits itself before it opens the artifact.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cxr_edge.benchmarks.measure import cpu_state
from cxr_edge.benchmarks.measure.memory import peak_mib

__all__ = ["main"]

# What the runtime's adapter will import, imported beforehand so that loading a model can be timed by itself.
_LIBRARIES = {
    "tflite": ("ai_edge_litert.interpreter", "tflite_runtime.interpreter"),
    "onnx": ("onnxruntime",),
    "keras": ("keras",),
}

# One image at a time, as on a device: dynamic quantisation depends on the other images of a batch.
_BATCHES = {"keras": 32}


def main() -> None:
    """Answer the request on stdin."""
    # Measured before numpy or any runtime is imported: the memory of an idle Python.
    bare_mib = peak_mib()
    from cxr_edge.processes.messages import claim_stdout, pack, receive

    with claim_stdout() as answers:
        message = receive(sys.stdin.buffer)
        if message is not None:
            answers.write(pack(_answer(message.header) | {"bare_mib": bare_mib}))


def _answer(request: Mapping[str, Any]) -> dict[str, Any]:
    from cxr_edge.errors import CxrEdgeError

    tasks: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
        "predict": _predict,
        "time": _time,
        "count": _count,
        "adapters": _adapters,
    }
    try:
        return tasks[request["task"]](request)
    except (CxrEdgeError, MemoryError) as error:
        return {
            "error": str(error) or f"{request.get('artifact')}: ran out of memory; free some or use a smaller artifact"
        }


def _predict(request: Mapping[str, Any]) -> dict[str, Any]:
    import numpy as np

    artifact, runtime = _open(request)
    films = np.load(request["films"], mmap_mode="r", allow_pickle=False)
    batch = _BATCHES.get(artifact.format, 1)
    parts: dict[str, list[Any]] = {}
    for start in range(0, len(films), batch):
        for name, values in runtime.run(np.ascontiguousarray(films[start : start + batch])).items():
            parts.setdefault(name, []).append(values)
    outputs = {name: np.concatenate(values) for name, values in parts.items()}
    answer: dict[str, Any] = {"probabilities": outputs.pop("probabilities").astype(float).tolist()}
    if "arrays" in request:
        paths = {name: str(Path(request["arrays"]) / f"{artifact.name}.{name}.npy") for name in outputs}
        for name, path in paths.items():
            np.save(path, outputs[name], allow_pickle=False)
        answer["arrays"] = paths
    return answer


def _time(request: Mapping[str, Any]) -> dict[str, Any]:
    import numpy as np

    films = [film[None] for film in np.load(request["films"], allow_pickle=False)]
    # A device compiles our own modules from the kit; that is not part of an artifact's load time.
    importlib.import_module("cxr_edge.runtimes")
    start = time.perf_counter()
    _import_library(request["format"])
    imported = time.perf_counter()
    _, runtime = _open(request)
    loaded = time.perf_counter()
    runtime.run(films[0])
    first = time.perf_counter()
    for index in range(request["warmup_runs"]):
        runtime.run(films[index % len(films)])
    times_ms = _time_runs(runtime.run, films, request["runs"], request["time_s"])
    # Before larger batches, which warm the processor and raise the memory.
    condition, peak = cpu_state.read(), peak_mib()
    return {
        "import_ms": (imported - start) * 1e3,
        "load_ms": (loaded - imported) * 1e3,
        "first_ms": (first - loaded) * 1e3,
        "times_ms": times_ms,
        "peak_mib": peak,
        "condition": condition,
        "coverage": _coverage(runtime),
        "batch": request.get("batch", 1),
        "batch_ms": _time_batches(runtime.run, films, request.get("batch", 1)),
        "runtime": f"{runtime.info.library} {runtime.info.version}",
        "delegate": runtime.info.delegate,
        "threads": runtime.info.threads,
    }


def _time_runs(run: Callable[[Any], Any], films: list[Any], runs: int, time_s: float) -> list[float]:
    """Time single images in ms until there are `runs` times and `time_s` has passed."""
    times_ms: list[float] = []
    end = time.perf_counter() + time_s
    while len(times_ms) < runs or time.perf_counter() < end:
        film = films[len(times_ms) % len(films)]
        start_ns = time.perf_counter_ns()
        run(film)
        times_ms.append((time.perf_counter_ns() - start_ns) / 1e6)
    return times_ms


def _time_batches(run: Callable[[Any], Any], films: list[Any], size: int) -> list[float]:
    """Time batches of `size` images in ms for half a second; return none for single images."""
    import numpy as np

    if size < 2:
        return []
    batch = np.concatenate([films[number % len(films)] for number in range(size)])
    run(batch)
    return _time_runs(run, [batch], 3, 0.5)


def _coverage(runtime: Any) -> float | None:
    """Return the share of the graph's operations that the delegate or provider runs; None if unknown."""
    operations = getattr(runtime, "operations", None)
    if operations is None:
        share: float | None = runtime.info.details.get("coverage")
        return share
    from cxr_edge.benchmarks.measure import coverage

    taken, every = coverage.count_delegated(operations())
    return taken / every if every else None


def _count(request: Mapping[str, Any]) -> dict[str, Any]:
    from cxr_edge.benchmarks.measure import coverage

    _, runtime = _open(request)
    return {"macs": coverage.count_macs(runtime.operations(), runtime.shapes())}


def _adapters(request: Mapping[str, Any]) -> dict[str, Any]:
    from cxr_edge.runtimes import gpu

    return {"adapters": gpu.list_adapters(software=request["software"])}


def _import_library(format: str) -> None:
    for name in _LIBRARIES.get(format, ()):
        # A library that is missing is the adapter's to report.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
            return


def _open(request: Mapping[str, Any]) -> tuple[Any, Any]:
    from cxr_edge.bundles.bundle import Bundle
    from cxr_edge.processes.limits import WIDE, impose
    from cxr_edge.runtimes.registry import open_content

    bundle = Bundle.read(Path(request["bundle"]))
    artifact = bundle.artifact(request["artifact"])
    content = bundle.artifact_bytes(artifact)
    if not request.get("trusted"):
        # This process is the sandbox. A second sandbox would add its own time.
        impose(WIDE)
    if request.get("accelerator"):
        from cxr_edge.runtimes import gpu

        software = request.get("software", False)
        return artifact, gpu.open(content, request["accelerator"], name=artifact.name, software=software)
    return artifact, open_content(content, artifact.format, threads=request["threads"], name=artifact.name)


if __name__ == "__main__":
    main()
