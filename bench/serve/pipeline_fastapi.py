"""The usual way: transformers.pipeline behind FastAPI. `python pipeline_fastapi.py MODEL_FOLDER PORT`.

The model has the recipe's own trained encoder; its head is transformers' own for BERT, which costs the same.
"""

import sys

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from transformers import pipeline


class Ask(BaseModel):
    """One text."""

    text: str


classify = pipeline("text-classification", sys.argv[1], top_k=None, truncation=True, max_length=128)
app = FastAPI()


@app.post("/predict")
def predict(ask: Ask) -> list[dict[str, object]]:
    """Scores of all classes."""
    return classify([ask.text])[0]


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", access_log=False)
