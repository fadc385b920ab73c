"""Put the web application under load and hold it to its promises; docs/results/web.md has a result.

python scripts/load_web.py [--clients 50] [--seconds 120] [--json FILE]

Clients of several processes ask for pages, pictures and answers, and some of them mean ill: bodies that never end, stop
or lie about their size, damaged films, foreign hosts, paths that lead out. Meanwhile a model that computes for minutes
is classified with and uploaded, over and over. It ends with 1 where a promise is not kept: a 5xx other than the
deliberate 503, a 99th percentile of the health route of 200 ms or more, memory that grows by 10 % or more.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.client
import io
import json
import multiprocessing
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
import numpy.typing as npt
from PIL import Image

from cxr_edge.benchmarks.measure import machine
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import Artifact, Manifest
from cxr_edge.contract import InputContract
from cxr_edge.phantom.radiograph import render
from cxr_edge.processes.cores import count_cores
from cxr_edge.system.files import sha256_bytes, write_json

MODEL = "default/model_int8.tflite"
SLOW = "slow/model_float32.onnx"
PROCESSES = 2
THINK_S = (0.1, 0.5)
PROBE_S = 0.05
HEALTH_P99_MS = 200
GROWTH = 0.10
# The part at the start, in which models are opened and pools fill, before memory is noted for the first time.
WARM_UP = 0.25
_MATRIX = 3072


def slow_onnx(layers: int = 3000) -> bytes:
    """Return an .onnx file, sound in structure and contract, of `layers` large matrix products of 0.9 GFLOP each."""
    from onnx import TensorProto, helper, numpy_helper

    rows = 224 * 224 * 3 // _MATRIX
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["pixels", "shape"], ["x0"]),
        *(helper.make_node("MatMul", [f"x{layer}", "weights"], [f"x{layer + 1}"]) for layer in range(layers)),
        helper.make_node("ReduceMean", [f"x{layers}"], ["mean"], axes=[0, 1], keepdims=0),
        helper.make_node("Reshape", ["mean", "one"], ["row"]),
        helper.make_node("MatMul", ["row", "last"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    constants: dict[str, npt.NDArray[Any]] = {
        "shape": np.array([rows, _MATRIX], np.int64),
        "one": np.array([1, 1], np.int64),
        "weights": np.eye(_MATRIX, dtype=np.float32),
        "last": np.ones((1, 2), np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "slow",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, 224, 224, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(value, key) for key, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())


def write_slow_bundle(folder: Path) -> None:
    """Write a bundle of that model."""
    folder.mkdir(parents=True)
    content = slow_onnx()
    name = "model_float32.onnx"
    (folder / name).write_bytes(content)
    artifact = Artifact(name, "onnx", "float32", sha256_bytes(content), len(content), ("probabilities",))
    labels = ("covid", "noncovid")
    Bundle(
        folder, Manifest("slow", "products", labels, labels[0], 0.5, InputContract(), {name: artifact})
    ).write_manifest()


@functools.cache
def draw_films() -> tuple[list[bytes], bytes]:
    """Return some films of about 200 kB, and one of 4 megapixels."""
    large = Image.fromarray(render(9, "none", size_px=512).pixels).resize((2048, 2048))
    return [_encode(render(seed, "covid", size_px=512).pixels) for seed in range(6)], _encode(np.asarray(large))


class Client:
    """One client's ways to ask. Every method does one thing and returns the status, 0 where the server hung up."""

    def __init__(self, address: str, seed: int) -> None:
        self.netloc = urlsplit(address).netloc
        self.random = random.Random(seed)
        self.films, self.large = draw_films()

    def good_film(self) -> int:
        """A film of about 200 kB."""
        return self._classify(self.random.choice(self.films))

    def large_film(self) -> int:
        """A film of 4 megapixels, with the card of its result."""
        return self._classify(self.large, path="/parts/result")

    def page(self) -> int:
        """The page and what it lists."""
        return max(self._send("GET", path) for path in ("/", "/static/app.css", "/api/models", "/parts/films"))

    def picture(self) -> int:
        """A thumbnail and an answer for an offered film."""
        key = f"phantom_test_{self.random.choice((0, 1, 2, 3)):05d}"
        return max(
            self._send("GET", f"/films/{key}"), self._send("POST", f"/api/classify?model={quote(MODEL)}&film={key}")
        )

    def damaged_film(self) -> int:
        """A film that is cut short, or claims to be enormous, or is none."""
        film = self.random.choice(self.films)
        bomb = film[:16] + (60_000).to_bytes(4, "big") * 2 + film[24:]
        return self._classify(self.random.choice((film[:2000], bomb, os.urandom(5000), b"\xff\xd8\xff" + bytes(900))))

    def endless_body(self) -> int:
        """A body that does not state its length and does not stop before 72 MiB."""
        return self._classify(bytes(1 << 20) for _ in range(72))

    def lie_of_size(self) -> int:
        """A request that states 10 GB."""
        return self._raw(b"Content-Length: 10000000000\r\n\r\n" + bytes(1000), wait_s=4)

    def stopped_body(self) -> int:
        """A client that goes away within its film."""
        return self._raw(b"Content-Length: 100000\r\n\r\n" + bytes(1000), wait_s=0)

    def foreign_host(self) -> int:
        """A name that is not this machine's."""
        return self._send("GET", "/api/models", headers={"Host": "evil.example"})

    def leading_out(self) -> int:
        """Paths that lead out of what is served."""
        way = self.random.choice(("/static/../app.py", "/static/%2e%2e/site.py", "/films/..%2f..%2fetc%2fpasswd"))
        return self._send("GET", way)

    def no_http(self) -> int:
        """Bytes that are no request."""
        with contextlib.suppress(OSError), socket.create_connection(self._place(), timeout=4) as sock:
            sock.sendall(os.urandom(300) + b"\r\n\r\n")
            return int([*sock.recv(100).split(b" "), b"0"][1])
        return 0

    def slow_model(self) -> int:
        """The model that computes for minutes."""
        return self._send("POST", f"/api/classify?model={quote(SLOW)}", body=self.films[0])

    def slow_upload(self, content: bytes) -> int:
        """The same model, uploaded."""
        form = "labels=covid,noncovid&positive=covid&threshold=0.5"
        return self._send("POST", f"/api/models?name=slow.onnx&{form}", body=content)

    def _classify(self, body: bytes | Iterator[bytes], path: str = "/api/classify") -> int:
        return self._send("POST", f"{path}?model={quote(MODEL)}&name=film.png", body=body)

    def _send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> int:
        connection = http.client.HTTPConnection(self.netloc, timeout=180)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            chunked = body is not None and not isinstance(body, bytes)
            connection.request(method, path, body=body, headers=headers or {}, encode_chunked=chunked)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        return 0

    def _raw(self, rest: bytes, wait_s: float) -> int:
        head = f"POST /api/classify?model={quote(MODEL)} HTTP/1.1\r\nHost: {self.netloc}\r\n".encode()
        with contextlib.suppress(OSError), socket.create_connection(self._place(), timeout=5) as sock:
            sock.sendall(head + rest)
            if wait_s:
                sock.settimeout(wait_s)
                return int([*sock.recv(100).split(b" "), b"0"][1])
        return 0

    def _place(self) -> tuple[str, int]:
        host, port = self.netloc.split(":")
        return host, int(port)


GOOD = ("good_film", "good_film", "good_film", "large_film", "page", "picture")
HOSTILE = ("damaged_film", "endless_body", "lie_of_size", "stopped_body", "foreign_host", "leading_out", "no_http")


def run_clients(address: str, first: int, count: int, seconds: float, gate: Any, results: Any) -> None:
    """Run `count` clients on threads from the opening of `gate` on, and put what they counted into `results`."""
    counts: Counter[tuple[str, int]] = Counter()
    lock = threading.Lock()
    draw_films()
    gate.wait()
    until = time.time() + seconds

    def live(seed: int) -> None:
        client = Client(address, seed)
        while time.time() < until:
            name = client.random.choice(GOOD if client.random.random() < 0.6 else HOSTILE)
            status = getattr(client, name)()
            with lock:
                counts[name, status] += 1
            time.sleep(client.random.uniform(*THINK_S))

    _join([threading.Thread(target=live, args=(first + number,)) for number in range(count)])
    results.put(dict(counts))


def run_slow_models(address: str, seconds: float, gate: Any, results: Any) -> None:
    """Keep the model that never ends running: two clients classify with it, one uploads it."""
    counts: Counter[tuple[str, int]] = Counter()
    content = slow_onnx()
    draw_films()
    gate.wait()
    until = time.time() + seconds

    def live(name: str, act: Callable[[Client], int]) -> None:
        client = Client(address, 0)
        while time.time() < until:
            counts[name, act(client)] += 1
            time.sleep(0.2)

    ways: list[tuple[str, Callable[[Client], int]]] = [
        ("slow_model", Client.slow_model),
        ("slow_model", Client.slow_model),
        ("slow_upload", lambda client: client.slow_upload(content)),
    ]
    _join([threading.Thread(target=live, args=way) for way in ways])
    results.put(dict(counts))


def probe(address: str, until: float, pid: int) -> tuple[list[float], list[tuple[float, float]]]:
    """Return the times of the health route in ms, and the server's memory as (time, MiB)."""
    times_ms: list[float] = []
    memory: list[tuple[float, float]] = []
    netloc = urlsplit(address).netloc
    while time.time() < until:
        start_s = time.perf_counter()
        connection = http.client.HTTPConnection(netloc, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", "/health")
            answer = connection.getresponse()
            answer.read()
        if answer.status != 200:
            raise SystemExit(f"the health route answered {answer.status}")
        times_ms.append((time.perf_counter() - start_s) * 1e3)
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        memory.append((time.time(), pages * os.sysconf("SC_PAGE_SIZE") / 2**20))
        time.sleep(PROBE_S)
    return times_ms, memory


@contextlib.contextmanager
def start_server(folder: Path) -> Iterator[tuple[str, int]]:
    """Start the application as a user does, in a home of its own; yield its address and process."""
    write_slow_bundle(folder / "models" / "slow")
    environment = os.environ | {f"XDG_{name}_HOME": str(folder / name) for name in ("DATA", "STATE", "CACHE", "CONFIG")}
    command = [sys.executable, "-m", "cxr_edge", "serve", "--port", "0", "--allow-upload", "--models", "models"]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().strip() if server.stdout else "", server.pid
        finally:
            server.terminate()


def measure(clients: int, seconds: float) -> dict[str, Any]:
    """Run the load and return what was counted and measured."""
    with tempfile.TemporaryDirectory() as place, start_server(Path(place)) as (address, pid):
        context = multiprocessing.get_context("spawn")
        results: Any = context.Queue()
        share = -(-clients // PROCESSES)
        groups = [(1 + first, min(share, clients - first)) for first in range(0, clients, share)]
        gate = context.Barrier(len(groups) + 2)
        workers = [
            context.Process(target=run_clients, args=(address, *group, seconds, gate, results)) for group in groups
        ]
        workers.append(context.Process(target=run_slow_models, args=(address, seconds, gate, results)))
        for worker in workers:
            worker.start()
        gate.wait()
        start = time.time()
        until = start + seconds
        times_ms, memory = probe(address, until, pid)
        counts: Counter[tuple[str, int]] = Counter()
        for _ in workers:
            counts.update(results.get())
        for worker in workers:
            worker.join()
    early = [value for at, value in memory if start + WARM_UP * seconds <= at < start + 2 * WARM_UP * seconds]
    late = [value for at, value in memory if at >= until - WARM_UP * seconds]
    return {
        "machine": machine.describe().cpu_model,
        "cores": count_cores(),
        "clients": clients,
        "seconds": seconds,
        "requests": sum(counts.values()),
        "counts": {f"{name} {status}": count for (name, status), count in sorted(counts.items())},
        "unexpected": {
            f"{name} {status}": count for (name, status), count in counts.items() if status >= 500 and status != 503
        },
        "health_probes": len(times_ms),
        "health_ms": {f"p{part}": round(float(np.percentile(times_ms, part)), 1) for part in (50, 90, 99, 100)},
        "memory_mib": {
            "second quarter": round(float(np.median(early)), 1),
            "last quarter": round(float(np.median(late)), 1),
            "most": round(max(value for _, value in memory), 1),
        },
        "growth": round(float(np.median(late) / np.median(early)) - 1, 4),
    }


def judge(found: dict[str, Any]) -> list[str]:
    """Return the promises that were not kept."""
    broken = []
    if found["unexpected"]:
        broken.append(f"answers of 500 and more: {found['unexpected']}")
    if found["health_ms"]["p99"] >= HEALTH_P99_MS:
        broken.append(f"the health route's p99 is {found['health_ms']['p99']} ms, the limit {HEALTH_P99_MS} ms")
    if found["growth"] >= GROWTH:
        broken.append(f"memory grew by {found['growth']:.1%}, the limit is {GROWTH:.0%}")
    return broken


def main() -> None:
    """Run the load, print the result and end with 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(description="Put the web application under load.")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = measure(options.clients, options.seconds)
    print(json.dumps(found, indent=2))
    if options.json is not None:
        write_json(options.json, found)
    broken = judge(found)
    for text in broken:
        sys.stderr.write(f"not kept: {text}\n")
    sys.exit(1 if broken else 0)


def _encode(pixels: npt.NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
