"""Which labelled records teach, which tune, which test; what belongs together stays together."""
