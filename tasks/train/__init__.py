"""Fine-tuning: one module per kind of problem, with the same function names in each."""
