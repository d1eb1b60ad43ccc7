"""How far the labelling is, and how far the annotators agree."""

from tasks import shards, storage
from tasks.label.pool import labelled_ids, pool, prepared
from tasks.label.push import mark
from tasks.label.review import open_tasks
from tasks.label.studio import exchange, projects
from tasks.label.studio.connection import connected
from tasks.label_rows import newest_answers
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.records import CORRECTED, STUDIO


def run(recipe: Recipe, paths: Paths) -> None:
    """Print it. Raises ServerError when Label Studio does not answer, or has no project of the recipe."""
    with connected() as studio:
        project = projects.required(studio, mark(recipe.name), recipe.name)
        asked = {key for _, key in exchange.task_keys(studio, project) if key is not None}
        labelling, review = projects.counts(studio, project), open_tasks(studio, recipe)
        address = projects.page(studio, project)
    left = len(pool(prepared(recipe, paths), labelled_ids(paths), asked, recipe.label.enough))
    landed = newest_answers(shards.landed(paths.labels, shards.LABEL_KEY))
    people = landed.loc[landed["source"] == STUDIO, "annotator"]
    corrected = int((landed["source"] == CORRECTED).sum())
    print(f"label     {_counts(labelling)}; {address}")
    print(f"review    {_counts(review) if review else 'nothing was ever in dispute'}")
    print(
        f"pulled    {len(people):,} answers of {people.nunique()} people, {corrected:,} corrections of the endpoint's users"
    )
    print(f"pool      {left:,} records are neither labelled nor in Label Studio")
    file = paths.stage("annotate") / "agreement.json"
    if file.is_file():
        ours = storage.read_json(file)["sources"].get(STUDIO, {"alpha": None})
        alpha = "not defined yet" if ours["alpha"] is None else f"{ours['alpha']:.3f}"
        print(f"agreement Krippendorff's alpha of what was labelled here: {alpha}")


def _counts(counts: dict[str, int]) -> str:
    return (
        f"{counts['finished']:,} of {counts['tasks']:,} tasks finished, {counts['annotations']:,} answers,"
        f" {counts['skipped']:,} skipped"
    )
