"""The train stage of a recipe whose silos have trained together: their model is taken as it is."""

from tasks import federated, storage
from tasks.markdown import table
from tasks.paths import Paths
from tasks.recipe import Recipe


def taken(recipe: Recipe, paths: Paths) -> bool:
    """Whether there is a federated model, which then lies in the stage's folder with its history and a card."""
    if federated.manifest(paths) is None:
        return False
    folder = paths.stage("train")
    told = federated.take(paths, folder, recipe.labels.classes)
    words = federated.summary(told)
    print(f"taking the federated model: {words['federated']}", flush=True)
    storage.write_json(folder / "history.json", storage.read_json(paths.federated / federated.ROUNDS))
    rows = [(name, silo["records"], silo["rounds"], silo["data_sha256"][:12]) for name, silo in told["silos"].items()]
    page = f"Trained by silos elsewhere: {words['federated']}.\n\n"
    storage.write_text(folder / "card.md", page + table(["silo", "records", "rounds", "data"], rows))
    return True
