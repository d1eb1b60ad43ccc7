"""Three small silos and a tiny real transformer that reads letters (a pytest plugin).

PYTEST_DONT_REWRITE: the test files import it before pytest registers it.
"""

import string

import numpy as np
import pandas as pd
import pytest

from tasks import storage, text_model
from tasks.federate import rules
from tasks.recipe import load

CONFIG = {"model_type": "bert", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
CONFIG |= {"intermediate_size": 64, "vocab_size": 40, "max_position_embeddings": 64}
SILOS = ("north", "south", "west")
ENDS = {"negative": "abc", "neutral": "mno", "positive": "xyz"}


@pytest.fixture(scope="module")
def recipe(request):
    return load(request.config.rootpath / "recipes/feedback.yaml")


@pytest.fixture(scope="module")
def base_model(tmp_path_factory):
    """A random two-layer BERT that reads letters."""
    import torch
    from safetensors.torch import save_file
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("base")
    letters = Tokenizer(models.WordLevel({c: i for i, c in enumerate("?_" + string.ascii_lowercase)}, unk_token="?"))
    letters.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    letters.save(str(folder / "tokenizer.json"))
    storage.write_json(folder / "config.json", CONFIG)
    torch.manual_seed(1)
    save_file(dict(text_model.classifier(CONFIG, 3).encoder.state_dict()), folder / "model.safetensors")
    return folder


def table(seed, n):
    random = np.random.default_rng(seed)
    labels = random.choice(list(ENDS), n)
    texts = ["".join(random.choice(list(ENDS[label]), random.integers(4, 20))) for label in labels]
    return pd.DataFrame({"text": texts, "label": labels})


@pytest.fixture
def homes(tmp_path, base_model):
    """Three silos with records of their own."""
    for number, name in enumerate(SILOS):
        home = tmp_path / "silos" / name
        for part, rows in (("train", 60), ("validation", 20), ("test", 20)):
            storage.write_table(home / "data" / f"{part}.parquet", table(10 * number + rows, rows))
        rules.write(home, rules.Rules(name, str(home / "data"), str(base_model)))
    return tuple(tmp_path / "silos" / name for name in SILOS)
