"""The stage: the test rows and the compressed model in, metrics, predictions, reference window and report out."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from threadpoolctl import threadpool_limits

from tasks import storage
from tasks.errors import PromiseError
from tasks.evaluate import words
from tasks.evaluate.answers import FILES, Answers, Probabilities, class_numbers, predictions
from tasks.evaluate.baselines import baselines
from tasks.evaluate.card import card
from tasks.evaluate.humans import humans, leave_one_out
from tasks.evaluate.reference import reference_window, with_embeddings
from tasks.evaluate.report import Subject, report
from tasks.evaluate.scores import Figures, metrics
from tasks.evaluate.worst import Explained, worst_errors
from tasks.paths import Paths
from tasks.progress import progress
from tasks.recipe import Recipe
from tasks.records import CONTENT_COLUMN
from tasks.slices import slices
from tasks.statistics import Resampling


@dataclass(frozen=True)
class Evaluation:
    """What the stage found, before anything is written."""

    figures: Figures
    predictions: pd.DataFrame
    reference: pd.DataFrame
    report: str
    card: str


def evaluate(
    test: pd.DataFrame, labels: pd.DataFrame, answers: Answers, recipe: Recipe, subject: Subject, explained: Explained
) -> Evaluation:
    """Everything that follows from the answers to the test rows and the label rows of all records."""
    resampling = Resampling(subject.samples, subject.confidence, recipe.seed)
    kind = importlib.import_module(f"tasks.evaluate.{recipe.kind}")
    parts = slices(test)
    pairs = leave_one_out(labels, recipe.labels, test["record_id"].tolist())
    people = humans(pairs, answers.predicted, parts["domain"], len(answers.classes), resampling)
    figures = metrics(answers, parts, people, subject.sizes, resampling)
    table = predictions(test, answers)
    return Evaluation(
        figures,
        table,
        reference_window(kind.statistics(test), table, recipe.drift.reference_rows),
        report(subject, figures, answers, worst_errors(test, answers, kind.shown, explained)),
        card(figures, subject.confidence, subject.noun),
    )


def probabilities(folder: Path, file: str, contents: Sequence[Any], recipe: Recipe) -> Probabilities:
    """The model's answers, rows by classes. Raises PromiseError when its classes are not the recipe's."""
    from tasks import inference

    model = inference.load(folder, file, recipe.threads)
    if model.classes != recipe.labels.classes:
        raise PromiseError(
            f"{folder / 'model.json'}: classes are {', '.join(model.classes)}, the recipe's are "
            f"{', '.join(recipe.labels.classes)}; train again: python -m tasks train {recipe.name}"
        )
    with progress(f"apply {file}", len(contents)) as report_progress:
        return model.probabilities(contents, report_progress)


def served_form(folder: Path) -> str:
    """The key of FILES that model.json says is served. Raises PromiseError when that file is not there."""
    file = storage.read_json(folder / "model.json").get("served")
    for form, name in FILES.items():
        if file == name and (folder / name).is_file():
            return form
    known = " or ".join(FILES.values())
    raise PromiseError(f"{folder / 'model.json'}: served is {file!r}, not a {known} beside it; run compress again")


def read_test(path: Path) -> pd.DataFrame:
    """The test rows. Raises PromiseError when there are none."""
    test = storage.read_table(path)
    if test.empty:
        raise PromiseError(
            f"{path}: has no rows, so nothing can be said about the model; "
            "raise split.test in the recipe or collect more records, then run the split again"
        )
    return test


def read_labels(folder: Path) -> pd.DataFrame:
    """The label rows of all shards, in their order."""
    columns = ["record_id", "annotator", "label", "labelled_at"]
    shards = [storage.read_table(path, columns) for path in sorted(folder.glob("*.parquet"))]
    filled = [shard for shard in shards if len(shard)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=columns, dtype="str")


def run(recipe: Recipe, paths: Paths) -> None:
    """Write metrics.json, predictions.parquet, reference.parquet, report.html and card.md."""
    from tasks import inference

    test = read_test(paths.stage("split") / "test.parquet")
    truth = class_numbers(test["label"], recipe.labels.classes)
    column = CONTENT_COLUMN[recipe.kind]
    train = storage.read_table(paths.stage("split") / "train.parquet", [column, "label"])
    contents = test[column].tolist()
    simple = baselines(train, contents, recipe)
    models = paths.stage("compress")
    files = {form: file for form, file in FILES.items() if (models / file).is_file()}
    forms = {form: probabilities(models, file, contents, recipe) for form, file in files.items()}
    answers = Answers(recipe.labels.classes, truth, forms, served_form(models), simple)
    sizes = {file: (models / file).stat().st_size for file in files.values()}
    kind = importlib.import_module(f"tasks.evaluate.{recipe.kind}")
    subject = Subject(recipe.title, kind.NOUN, sizes, recipe.evaluate.confidence, recipe.evaluate.bootstrap_samples)
    served = inference.load(models, FILES[answers.served], recipe.threads)

    def explained(record: pd.Series, place: int) -> str:
        return str(kind.attribution(record[column], place, served))

    with threadpool_limits(recipe.threads):
        found = evaluate(test, read_labels(paths.labels), answers, recipe, subject, explained)
    found = replace(found, reference=with_embeddings(found.reference, test.set_index("record_id")[column], served))
    write(found, paths.stage("evaluate"))
    print(words.headline(found.figures, kind.NOUN), flush=True)


def write(found: Evaluation, folder: Path) -> None:
    """The five files, the card last."""
    storage.write_json(folder / "metrics.json", found.figures)
    storage.write_table(folder / "predictions.parquet", found.predictions)
    storage.write_table(folder / "reference.parquet", found.reference)
    storage.write_text(folder / "report.html", found.report)
    storage.write_text(folder / "card.md", found.card)
