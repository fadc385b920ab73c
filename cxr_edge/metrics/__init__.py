"""Statistics of predictions: ROC, operating points, calibration, paired tests and budgets. numpy only."""
