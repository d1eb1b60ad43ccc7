"""When the work happens: Prefect flows and the `tidemill` command line."""
