"""A model in a sandbox answers as it does outside, is held to its limits, and cannot make the parent believe it."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cxr_edge.errors import MissingExtraError, RuntimeFailure, SandboxError
from cxr_edge.processes.limits import Limits
from cxr_edge.processes.messages import pack, to_npy
from cxr_edge.runtimes.base import Runtime
from cxr_edge.runtimes.registry import open_content
from cxr_edge.sandbox import worker as sandbox_worker
from cxr_edge.sandbox.runtime import Sandbox, run_in_sandbox
from tests.support import models

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)
FORMATS: dict[str, Callable[[], bytes]] = {"tflite": models.tflite, "onnx": models.onnx}
# In the place of the real one: says what it is, and then does what the test wants.
WORKER = """
import os, sys, time
sys.path[:0] = {path!r}
from cxr_edge.processes.messages import pack, to_npy
from cxr_edge.processes.limits import Limits, impose
impose(Limits(cpu_s={cpu_s}))
def send(*parts):
    os.write(1, pack(*parts))
def answer():
    sys.stdin.buffer.readline()
send({{"load_s": 0.0, "cpu_s": 0.0, "info": ["library", "1", 1, "none"]}})
{code}
time.sleep(60)
"""


@pytest.mark.parametrize("format", FORMATS)
def test_a_sandbox_answers_what_the_runtime_answers(format: str) -> None:
    content = FORMATS[format]()
    plain = open_content(content, format).run(PIXELS)
    done = run_in_sandbox(content, format, PIXELS, name="model")

    assert list(done.outputs) == list(plain)
    for name, values in plain.items():
        np.testing.assert_allclose(done.outputs[name], values, rtol=1e-6)
    assert len(done.times_s) == 3
    assert min(done.load_s, *done.times_s) > 0


@pytest.mark.parametrize("format", FORMATS)
def test_both_runtimes_fit_into_512_mib(format: str) -> None:
    limits = Limits(memory_bytes=2**29)

    assert len(run_in_sandbox(FORMATS[format](), format, PIXELS[:1], name="model", limits=limits).times_s) == 1


def test_a_sandbox_is_a_runtime_that_goes_on() -> None:
    with Sandbox(models.tflite(), "tflite", name="model") as opened:
        runtime: Runtime = opened
        first, second = runtime.run(PIXELS[:1]), runtime.run(PIXELS[1:2])

    assert first["typicality"].shape == second["typicality"].shape == (1, 1)
    assert first["typicality"] != second["typicality"]
    assert runtime.info.details == {"sandbox": True}


def test_a_process_that_used_half_of_its_time_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[float] = []
    start = Sandbox._start

    def count(self: Sandbox) -> None:
        starts.append(0.0)
        start(self)

    monkeypatch.setattr(Sandbox, "_start", count)
    with Sandbox(models.tflite(), "tflite", name="model") as opened:
        opened.run(PIXELS)
        opened._cpu_s = 6.0
        opened.run(PIXELS)

    assert len(starts) == 2


@pytest.mark.parametrize("pixels", [PIXELS[0], PIXELS.astype(np.float32), PIXELS[:, :5], PIXELS[:0]])
def test_pixels_of_another_contract_never_reach_the_sandbox(pixels: Any) -> None:
    with Sandbox(models.tflite(), "tflite", name="model") as opened, pytest.raises(RuntimeFailure, match="it takes"):
        opened.run(pixels)


def test_a_runtime_that_refuses_the_file_is_quoted() -> None:
    with pytest.raises(
        SandboxError, match=r"bad: LiteRT cannot load it \(The model is not a valid Flatbuffer buffer\)"
    ):
        run_in_sandbox(b"\x1c\0\0\0TFL3 and no more", "tflite", PIXELS, name="bad")


def test_a_runtime_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"running \.onnx files"):
        Sandbox(b"", "onnx", name="model")


def test_too_little_memory_ends_the_process_and_not_the_parent() -> None:
    with pytest.raises(SandboxError, match=r"model: "):
        run_in_sandbox(models.tflite(), "tflite", PIXELS, name="model", limits=Limits(memory_bytes=2**26))


def worker(monkeypatch: pytest.MonkeyPatch, code: str, **limits: Any) -> Sandbox:
    """Return a sandbox whose process runs `code` in the place of a runtime, after saying that it is ready."""
    script = WORKER.format(path=sys.path, code=code, cpu_s=limits.get("cpu_s", 10))
    start = subprocess.Popen

    def popen(command: list[str], **options: Any) -> Any:
        assert command[1:3] == ["-I", "-c"]
        assert command[3].endswith("; from cxr_edge.sandbox.worker import main; main()")
        assert options["env"] == {}
        return start([command[0], "-c", script, *command[4:]], **options)

    monkeypatch.setattr(subprocess, "Popen", popen)
    return Sandbox(b"", "tflite", name="model", limits=Limits(**limits))


ANSWERS = {
    "no JSON": "os.write(1, b'no JSON\\n')",
    "no end": "os.write(1, b'x' * 100_000)",
    "a list": "os.write(1, b'[]\\n')",
    "deep JSON": "os.write(1, b'[' * 60_000 + b'\\n')",
    "a blob of 4 GiB": "os.write(1, b'{\"sizes\": [4294967296]}\\n')",
    "a blob of no size": "os.write(1, b'{\"sizes\": [-1]}\\n')",
    "a pickle": "import pickle; send({'cpu_s': 0, 'time_s': 0, 'outputs': ['probabilities']}, pickle.dumps([1]))",
    "an object array": (
        "import io, numpy; b = io.BytesIO(); numpy.save(b, numpy.array([print], object), allow_pickle=True);"
        "send({'cpu_s': 0, 'time_s': 0, 'outputs': ['probabilities']}, b.getvalue())"
    ),
    "a shape that is not there": (
        "b = to_npy(__import__('numpy').zeros((1, 2), 'f4')).replace(b'(1, 2)', b'(9, 9)');"
        "send({'cpu_s': 0, 'time_s': 0, 'outputs': ['probabilities']}, b)"
    ),
    "another name": (
        "send({'cpu_s': 0, 'time_s': 0, 'outputs': ['evil']}, to_npy(__import__('numpy').zeros((1, 2), 'f4')))"
    ),
    "no outputs": "send({'cpu_s': 0, 'time_s': 0, 'outputs': []})",
    "a time of nothing": "send({'cpu_s': float('nan'), 'time_s': 0, 'outputs': []})",
}


@pytest.mark.parametrize("what", ANSWERS)
def test_an_answer_out_of_form_is_not_believed(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    with worker(monkeypatch, ANSWERS[what]) as opened, pytest.raises(SandboxError, match="model: its sandbox"):
        opened.run(PIXELS[:1])


@pytest.mark.parametrize(
    ("code", "limits", "fact"),
    [
        ("pass", {"wall_s": 0.5}, "gave no answer in 0.5 s"),
        ("os.abort()", {}, "was killed by SIGABRT"),
        ("os.kill(os.getpid(), 11)", {}, "was killed by SIGSEGV"),
        ("while True: pass", {"cpu_s": 1, "wall_s": 60.0}, "used the 1 s of processor time"),
        ("sys.exit('out of luck')", {}, r"ended with code 1 \(out of luck\)"),
        # It lives on for a minute, as all that do not end: one that is waited for would say "gave no answer in 10 s".
        ("os.close(1)", {}, "stopped answering"),
    ],
)
def test_how_a_process_failed_is_said(monkeypatch: pytest.MonkeyPatch, code: str, limits: Any, fact: str) -> None:
    with worker(monkeypatch, code, **limits) as opened, pytest.raises(SandboxError, match=fact):
        opened.run(PIXELS[:1])


def has_ended(pid: int, *, within_s: float) -> bool:
    """Return whether a process is gone, or waits for the system's first process to take note."""
    state = Path(f"/proc/{pid}/stat")
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not state.exists() or state.read_text().split()[2] == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system does not say what runs")
def test_what_a_dying_process_started_is_killed_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    child = tmp_path / "child"
    code = (
        f"pid = os.fork()\nif pid: open({str(child)!r}, 'w').write(str(pid)); os._exit(1)\nos.close(1); time.sleep(60)"
    )
    with worker(monkeypatch, code) as opened, pytest.raises(SandboxError, match="ended with code 1"):
        opened.run(PIXELS[:1])

    assert has_ended(int(child.read_text()), within_s=10)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system does not say what runs")
def test_a_process_whose_parent_was_killed_ends_by_itself(tmp_path: Path) -> None:
    code = (
        "import os, sys; from cxr_edge.sandbox.runtime import Sandbox; from cxr_edge.processes.limits import Limits\n"
        "from tests.attacks.endless_loop import make_model; import numpy as np\n"
        "opened = Sandbox(make_model(), 'onnx', name='model', limits=Limits(cpu_s=2))\n"
        "print(opened._child.pid, flush=True)\n"
        "opened.run(np.zeros((1, 224, 224, 3), np.uint8))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()

    assert has_ended(child, within_s=30)


def limited(code: str, **limits: Any) -> SandboxError:
    """Return how a process ends that imposes limits on itself and then runs `code`."""
    script = f"import sys; sys.path[:0] = {sys.path!r}\nfrom cxr_edge.processes.limits import *\n"
    script += f"impose(Limits(**{limits}))\n{code}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    return SandboxError(f"{done.returncode} {done.stderr}")


@pytest.mark.parametrize(
    ("code", "limits", "fact"),
    [
        ("while True: pass", {"cpu_s": 1}, f"-{signal.SIGXCPU.value}"),
        ("bytearray(2**31)", {}, "MemoryError"),
        ("open('big', 'wb').write(bytes(2**21))", {}, "File too large"),
        ("[open('/dev/null') for _ in range(40)]", {}, "Too many open files"),
        ("import resource; resource.setrlimit(resource.RLIMIT_AS, (-1, -1))", {}, "not allowed to raise maximum limit"),
    ],
)
def test_a_limit_holds(code: str, limits: Any, fact: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "setrlimit" in code and os.geteuid() == 0:
        pytest.skip("root may lift every limit")
    monkeypatch.chdir(tmp_path)

    assert fact in str(limited(code, **limits))


def test_the_process_has_a_folder_and_a_session_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "send({'error': f'{os.getcwd()} {os.getsid(0) == os.getpid()} {dict(os.environ)}'})"
    with worker(monkeypatch, code) as opened, pytest.raises(SandboxError, match="True") as caught:
        opened.run(PIXELS[:1])
    folder, _, environment = str(caught.value).split(maxsplit=2)

    assert folder != os.getcwd()
    assert not Path(folder).exists()
    # Python itself sets the first where there is no locale.
    assert set(json.loads(environment.replace("'", '"'))) <= {"LC_CTYPE"}


def test_a_message_is_served_and_answered_in_npy() -> None:
    opening = {"task": "open", "format": "tflite", "name": "model", "threads": 1}
    requests = pack(opening, models.tflite()) + pack({"task": "run"}, to_npy(PIXELS[:1]))
    answers = io.BytesIO()
    sandbox_worker._serve(io.BytesIO(requests), answers, 10.0)
    opened, answered = answers.getvalue().split(b"\n", 2)[0], answers.getvalue().split(b"\n", 1)[1]

    assert json.loads(opened)["load_s"] > 0
    assert json.loads(answered.partition(b"\n")[0])["outputs"] == list(models.OUTPUTS)
    assert answered.count(b"\x93NUMPY") == 3
