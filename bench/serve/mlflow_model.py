"""The same ONNX file as an MLflow model; served by `mlflow models serve`."""

import os
from pathlib import Path

import mlflow
import pandas as pd


class Classify(mlflow.pyfunc.PythonModel):
    """Scores of each text."""

    def load_context(self, context: object) -> None:  # noqa: ARG002 (MLflow's signature)
        """Load the model in a worker."""
        from tasks import inference, storage

        folder = Path(os.environ["BENCH_MODEL"])
        self.model = inference.load(folder, storage.read_json(folder / "model.json")["served"], 2)

    def predict(self, context: object, model_input: pd.DataFrame) -> list[list[float]]:  # noqa: ARG002
        """Rows by classes."""
        return self.model.probabilities(model_input["text"].tolist()).tolist()


mlflow.models.set_model(Classify())
