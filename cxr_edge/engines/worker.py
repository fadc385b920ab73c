"""The process that the local engine starts: opens the work that it is sent, then does task after task.

The first message brings the work and a task, each later one a task; an answer brings the result, or the error that the
work raised. All are pickles, from this package to itself.
"""

from __future__ import annotations

import os
import pickle
import queue
import sys
import threading
from typing import Any

from cxr_edge.errors import CxrEdgeError
from cxr_edge.processes.messages import Message, claim_stdout, pack, receive

__all__ = ["main"]


def main() -> None:
    """Do tasks until stdin ends."""
    answers = claim_stdout()
    requests: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
    idle = threading.Event()
    threading.Thread(target=_follow_stdin, args=(requests, idle), daemon=True).start()
    work: Any = None
    while True:
        idle.set()
        message = requests.get()
        idle.clear()
        if message is None:
            return
        brought = [pickle.loads(blob) for blob in message.blobs]
        try:
            if len(brought) == 2:
                work = brought[0]
                work.open()
            answer = pack({}, pickle.dumps(work.run(brought[-1])))
        except CxrEdgeError as error:
            answer = pack({"raised": True}, pickle.dumps(error))
        answers.write(answer)
        answers.flush()


def _follow_stdin(requests: queue.SimpleQueue[Message | None], idle: threading.Event) -> None:
    """Hand on the messages; when they end, so did whoever asked, and a task at hand is of no more use."""
    while (message := receive(sys.stdin.buffer)) is not None:
        requests.put(message)
    if not idle.is_set():
        os._exit(1)
    requests.put(None)


if __name__ == "__main__":
    main()
