"""Statistics of predictions: ROC, operating points, calibration, paired tests and budgets.

What belongs here: a figure that follows from scores and truth alone, with numpy and the standard library, for training,
export and bench alike. What does not: how a figure is shown (`report`, `benchmarks.result`), and times or memory
(`benchmarks.measure`).
"""
