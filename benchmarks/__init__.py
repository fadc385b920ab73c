"""Measure artifacts: accuracy and its drift, latency, size and memory, by device.

`run` measures a bundle according to a `plan`; `compare` compares two results. The rest is in rooms. An upper room only
imports lower ones, which import-linter checks (pyproject.toml):

    api       `cxr_edge.bench`, a bench as one call
    run       one bench, from its options to its result
    report    a result as terminal text, CSV, Markdown, JUnit and HTML
    compare   what differs between two results
    plan      what a bench measures, checked before it starts
    devices   where an artifact runs: a module for each kind of device
    drift     what an artifact predicts, and how far that is from the reference
    measure   the worker process, latency, memory and the state of the machine
    result    the dataclasses of bench.json, the figures that every report shows, budgets

What does not belong here: statistics of predictions (`metrics`), the look of a page (`report`), opening a model
(`models`, but for the worker, which times the opening itself).
"""
