"""The web application: choose models and films, see what each model says of them and where it looked.

One process, one event loop that only reads and answers requests; films are decoded and models run on the threads of
bounded lanes (work_queue.py), uploaded models in a process of their own. What a browser sends is held in memory until
its answer is made, and nowhere else. docs/adr/0013-web-application.md has the reasons. What opens and asks a
classifier belongs to other rooms.
"""

from __future__ import annotations

__all__: list[str] = []
