"""Contents as what a model's file takes: one module per kind, the same for compressing, evaluating and serving."""
