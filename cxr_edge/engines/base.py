"""What every engine runs: `Work` on tasks, and `Lost` in the place of a result.

    engine.run(work, tasks) -> (task, result) in the order in which they are done

A `Work` is sent to every worker once and opened there; a task is sent to whichever worker is free. Where a worker dies,
its task is given to another one, and so a death costs the time of one task. What a task does must therefore be safe to
do twice. A task whose workers die each time comes back as `Lost`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

__all__ = ["DEATHS", "Lost", "Work"]

DEATHS = 3
"""After how many deaths of its workers a task is lost."""

_TaskIn = TypeVar("_TaskIn", contravariant=True)
_ResultOut = TypeVar("_ResultOut", covariant=True)


class Work(Protocol[_TaskIn, _ResultOut]):
    """What is done with each task. It is pickled, and so are tasks, results and the errors that it raises."""

    def open(self) -> None:
        """Load what all tasks need; called once in each worker."""
        ...

    def run(self, task: _TaskIn) -> _ResultOut:
        """Do one task. A CxrEdgeError ends the whole run with that error."""
        ...


@dataclass(frozen=True)
class Lost:
    """In the place of a result: the workers that had the task died."""

    reason: str
