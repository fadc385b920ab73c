"""Messages and the child that answers them: framing, bounds, clocks and the words for an end."""

from __future__ import annotations

import io
import os
import queue
import sys
import time

import pytest

from cxr_edge.processes.child import Answer, Child, ChildError
from cxr_edge.processes.commands import list_imports
from cxr_edge.processes.messages import Bounds, MalformedError, Message, pack, receive

ECHO = """
import sys
from cxr_edge.processes.messages import claim_stdout, pack, receive
answers = claim_stdout()
print("a library talks")
while (message := receive(sys.stdin.buffer)) is not None:
    answers.write(pack(message.header, *message.blobs)); answers.flush()
"""


def python(code: str) -> list[str]:
    return [sys.executable, "-c", f"import sys; sys.path[:0] = {list_imports()!r}\n{code}"]


def test_a_message_is_received_as_it_was_packed() -> None:
    stream = io.BytesIO(pack({"task": "run"}, b"\n\0", b"") + pack({}))

    assert receive(stream) == Message({"task": "run"}, (b"\n\0", b""))
    assert receive(stream) == Message({})
    assert receive(stream) is None


@pytest.mark.parametrize(
    "content",
    [
        b"no JSON\n",
        b"[]\n",
        b'{"sizes": 1}\n',
        b'{"sizes": [-1]}\n',
        b'{"sizes": [true]}\n',
        b'{"sizes": [2]}\nx',
        b'{"sizes": []',
        b"[" * 60_000 + b"\n",
    ],
)
def test_what_is_no_message_is_malformed(content: bytes) -> None:
    with pytest.raises(MalformedError):
        receive(io.BytesIO(content))


@pytest.mark.parametrize("message", [pack({"a": "x" * 100}), pack({}, b"12345"), pack({}, b"", b"", b"")])
def test_a_message_beyond_the_bounds_is_malformed(message: bytes) -> None:
    bounds = Bounds(header_bytes=64, blob_bytes=4, blobs=2)
    with pytest.raises(MalformedError):
        receive(io.BytesIO(message), bounds)
    assert receive(io.BytesIO(pack({}, b"1234")), bounds) == Message({}, (b"1234",))


def test_a_child_answers_message_after_message() -> None:
    with Child(python(ECHO)) as child:
        # Larger than a pipe holds, both ways at once.
        for size in (0, 1, 3_000_000):
            assert child.ask(pack({"size": size}, bytes(size)), timeout_s=30).blobs == (bytes(size),)


def test_children_share_a_queue_of_answers() -> None:
    answers: queue.Queue[Answer] = queue.Queue()
    children = [Child(python(ECHO), answers=answers) for _ in range(2)]
    try:
        for number, child in enumerate(children):
            child.send(pack({"number": number}))
        got = {answer.child: answer.message for answer in (answers.get(timeout=30) for _ in children)}
        assert [got[child] for child in children] == [Message({"number": 0}), Message({"number": 1})]
    finally:
        for child in children:
            child.close()


@pytest.mark.parametrize(
    ("code", "fact"),
    [
        ("sys.exit('out of luck')", r"ended with code 1 \(out of luck\)"),
        ("raise ValueError('no')", r"ended with code 1 \(ValueError: no\)"),
        ("import os; os.abort()", "was killed by SIGABRT"),
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL, which is also how the system ends a process when memory runs"),
        ("print('no message', flush=True); sys.stdin.read()", "gave no proper answer"),
        ("import time; time.sleep(60)", "gave no answer in 1 s"),
    ],
)
def test_how_a_child_failed_is_said(code: str, fact: str) -> None:
    with Child(python(code)) as child, pytest.raises(ChildError, match=fact):
        child.ask(pack({}), timeout_s=1 if "sleep" in code else 30)


def test_a_closed_child_leaves_no_process_and_no_folder() -> None:
    child = Child(python("import os; print(os.getcwd(), file=sys.stderr, flush=True); import time; time.sleep(60)"))
    folder = os.readlink(f"/proc/{child.pid}/cwd") if os.path.exists("/proc/self/cwd") else None
    child.close()

    assert not child.is_running()
    assert folder is None or not os.path.exists(folder)


def test_a_child_that_waits_ends_by_itself() -> None:
    child = Child(python(ECHO))
    child.ask(pack({}), timeout_s=30)
    start_s = time.monotonic()
    child.end(timeout_s=20)

    assert not child.is_running()
    assert child.exit_code == 0
    assert time.monotonic() - start_s < 20
