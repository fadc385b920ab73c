"""The result of a bench: dataclasses that go to JSON and back, and the words for them in every form.

What belongs here: the schema of bench.json (`bench_result`, `drift_result`, `device_result`), the figures that reports
show (`figures` and the declarations `drift_figures`, `timing_figures`), the words for them, the budget. What does not:
anything that measures or that knows a form of output. It imports no other room of this package.
"""
