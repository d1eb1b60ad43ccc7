"""How good answers are: one module per family, each metric a function of sums over rows."""
