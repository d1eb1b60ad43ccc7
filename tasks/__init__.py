"""The work of the lifecycle: plain Python that runs without Prefect (`python -m tasks STAGE RECIPE`)."""
