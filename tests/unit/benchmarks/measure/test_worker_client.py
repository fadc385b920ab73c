"""The process that an artifact runs in: how it ends, and what its end is called."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cxr_edge.benchmarks.measure import machine, memory, worker_client
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.errors import RuntimeFailure
from cxr_edge.processes.commands import list_imports
from tests.support import models


def _ask(code: str, request: dict[str, object] | None = None, timeout_s: float = 30.0) -> dict[str, object]:
    """Ask a process that runs `code`, which may use `request` and answers by `answer(...)`."""
    start = (
        f"import sys; sys.path[:0] = {list_imports()!r}\n"
        "from cxr_edge.processes.messages import pack, receive\n"
        "request = dict(receive(sys.stdin.buffer).header)\n"
        "def answer(**facts): sys.stdout.buffer.write(pack(facts))\n"
    )
    command = (sys.executable, "-c", start + code)
    return worker_client.ask(request or {}, name="model_int8.tflite", command=command, timeout_s=timeout_s)


def test_ask_returns_the_answer_to_the_request() -> None:
    assert _ask("answer(got=request)", {"task": "x"}) == {"got": {"task": "x"}}


def test_ask_turns_telemetry_off_and_passes_the_thread_count() -> None:
    names = ("ORT_DISABLE_TELEMETRY", "TF_CPP_MIN_LOG_LEVEL", "TF_NUM_INTRAOP_THREADS")
    answer = _ask(f"import os; answer(**{{name: os.environ[name] for name in {names}}})", {"threads": 3})
    assert [answer[name] for name in names] == ["1", "3", "3"]


def test_ask_runs_in_an_empty_folder() -> None:
    assert _ask("import os; answer(files=[name for name in os.listdir() if name != 'stderr'])") == {"files": []}


def test_ask_raises_the_error_of_the_answer() -> None:
    with pytest.raises(RuntimeFailure, match=r"^m\.onnx: broken$"):
        _ask("answer(error='m.onnx: broken')")


def test_ask_names_the_signal_of_a_crash_and_its_complaint() -> None:
    code = "import os; os.write(2, b'free(): invalid pointer\\nmore\\n'); os.kill(os.getpid(), 11)"
    with pytest.raises(RuntimeFailure, match=r"model_int8\.tflite: .* SIGSEGV \(free\(\): invalid pointer\)"):
        _ask(code)


def test_ask_gives_the_exception_of_a_traceback() -> None:
    with pytest.raises(RuntimeFailure, match=r"ended with code 1 \(KeyError: 'x'\)"):
        _ask("{}['x']")


def test_ask_ends_a_process_that_hangs() -> None:
    with pytest.raises(RuntimeFailure, match="gave no answer in 1 s"):
        _ask("import time; time.sleep(60)", timeout_s=1.0)


def test_child_reports_a_missing_bundle_as_its_answer() -> None:
    request = {"task": "predict", "bundle": "/nowhere", "artifact": "m.tflite", "threads": 1, "films": "films.npy"}
    with pytest.raises(RuntimeFailure, match="/nowhere: not a bundle folder"):
        worker_client.ask(request, name="m.tflite")


def test_child_leaves_heat_maps_and_typicality_where_it_is_told(brightness_bundle: Bundle, tmp_path: Path) -> None:
    films = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)
    np.save(tmp_path / "films.npy", films)
    request = {
        "task": "predict",
        "bundle": str(brightness_bundle.path),
        "artifact": "model_float32.tflite",
        "threads": 1,
        "films": str(tmp_path / "films.npy"),
    }
    answer = worker_client.ask(request | {"arrays": str(tmp_path)}, name="m")
    wanted = models.expected(films)
    assert sorted(answer["arrays"]) == ["heatmap", "typicality"]
    for name, path in answer["arrays"].items():
        assert np.load(path, allow_pickle=False) == pytest.approx(wanted[name], rel=1e-5)
    assert np.array(answer["probabilities"]) == pytest.approx(wanted["probabilities"], rel=1e-5)
    assert "arrays" not in worker_client.ask(request, name="m")


def test_peak_memory_of_a_child_is_its_own() -> None:
    ballast = bytearray(os.urandom(1 << 20)) * 200
    code = "from cxr_edge.benchmarks.measure.memory import peak_mib; print(peak_mib())"
    peak_mib = float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert 3 < peak_mib < 60
    assert memory.peak_mib() > len(ballast) / 2**20


def test_describe_machine_names_cores_and_versions() -> None:
    found = machine.describe()
    assert found.libraries["numpy"]
    assert 1 <= found.usable_cores <= found.cores


def test_activity_warns_when_another_process_works() -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        try:
            activity = machine.Activity()
            subprocess.run([sys.executable, "-c", "import time; time.sleep(1.2)"], check=True)
            warning = activity.warning()
        finally:
            other.kill()
    assert warning is not None
    assert "repeat on an idle machine" in warning
