"""LitServe over the same ONNX file, with its dynamic batching. `python litserve_onnx.py MODEL_FOLDER PORT`.

Two workers of one thread each: on two cores that was faster than one worker of two threads.
"""

import sys
from pathlib import Path

import litserve
import numpy as np

from tasks import inference, storage


class Classify(litserve.LitAPI):
    """The model behind LitServe's request loop."""

    def setup(self, device: str) -> None:  # noqa: ARG002 (LitServe's signature)
        """Load the model in a worker."""
        folder = Path(sys.argv[1])
        served = storage.read_json(folder / "model.json")["served"]
        self.model = inference.load(folder, served, 1)

    def decode_request(self, request: dict) -> str:
        """The text of a request."""
        return request["text"]

    def predict(self, texts: list[str]) -> list[list[float]]:
        """Scores of a batch."""
        rows = self.model.encoder.rows(texts)
        return np.asarray(self.model.answers(rows).probabilities).tolist()

    def encode_response(self, scores: list[float]) -> dict:
        """Scores by class."""
        return dict(zip(self.model.classes, scores, strict=True))


if __name__ == "__main__":
    api = Classify(max_batch_size=16, batch_timeout=0.002)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=2, timeout=60)
    server.run(host="127.0.0.1", port=int(sys.argv[2]), log_level="error", access_log=False, generate_client_file=False)
