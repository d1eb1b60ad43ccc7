"""How good the model is: metrics with intervals, baselines, slices, one human rater, and a report to read."""
