"""The evaluate stage, with a small real ONNX model, its baselines, tables and report."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks import storage
from tasks.errors import PromiseError, RecipeError
from tasks.evaluate import words
from tasks.evaluate.answers import Answers, class_numbers
from tasks.evaluate.baselines import baselines, majority, tfidf, vader
from tasks.evaluate.charts import Dots, dot_plot
from tasks.evaluate.classify_text import LONGEST, shortened, shown, statistics
from tasks.evaluate.reference import reference_window, text_statistics
from tasks.evaluate.run import run
from tasks.evaluate.scores import rounded
from tasks.evaluate.worst import worst_errors
from tasks.fingerprint.sections import view
from tasks.paths import Paths
from tasks.recipe import Evaluate, Recipe
from tasks.statistics import Interval

CLASSES = ("negative", "neutral", "positive")
WORDS = {
    "bad": (3.0, 0.0, 0.0), "awful": (4.0, 0.0, 0.0), "table": (0.0, 2.0, 0.0),
    "works": (0.0, 1.0, 1.0), "good": (0.0, 0.0, 3.0), "great": (0.0, 0.0, 4.0),
}  # fmt: skip
"""The small model's whole knowledge: what each word adds to each class."""

SCRIPT = "<script>alert('good')</script> & great"
FILES = ("metrics.json", "predictions.parquet", "reference.parquet", "report.html", "card.md")


def recipe(**evaluate: Any) -> Recipe:
    settings = {"baselines": ("majority", "tfidf", "vader"), "bootstrap_samples": 100, **evaluate}
    origin = {"url": "file:model"}
    content = {
        "name": "small",
        "title": "Small & <quick>",
        "kind": "classify_text",
        "sources": [{"name": "texts", "url": "file:texts.csv", "columns": {"text": 0}}],
        "labels": {"classes": CLASSES, "ratings": {"low": -4, "high": 4, "cuts": [-0.5, 0.5]}, "consensus": "mean"},
        "train": {"base_model": origin, "max_tokens": 16},
        "drift": {"reference_rows": 25},
    }
    return Recipe.model_validate(content).model_copy(update={"evaluate": Evaluate(**settings)})


def split_rows(count: int, first: int = 0) -> pd.DataFrame:
    """Rows of a split: seeded sentences of the model's words, every tenth label contrary to the words."""
    rng = np.random.default_rng(first)
    rows = []
    for number in range(first, first + count):
        picked = rng.choice(list(WORDS), 3 + number % 20)
        label = int(np.sum([WORDS[word] for word in picked], axis=0).argmax())
        label = (label + 1) % 3 if number % 10 == 0 else label
        shares = np.full(3, 0.1 + (number % 3) * 0.1)
        shares[label] = 1 - 2 * shares[0]
        rows.append((f"{number:064x}", " ".join(picked), ("films", "tweets")[number % 2], CLASSES[label], *shares))
    columns = ["record_id", "text", "domain", "label", *(f"share_{name}" for name in CLASSES)]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(agreement=table[columns[4:]].max(axis=1), n_labels=4, rating=0.0)


def label_rows(test: pd.DataFrame) -> pd.DataFrame:
    """Four ratings for each record: three for its label, one neutral."""
    rating = {"negative": "-3", "neutral": "0", "positive": "3"}
    rows = [(row.record_id, value) for row in test.itertuples() for value in [rating[row.label]] * 3 + ["0"]]
    table = pd.DataFrame(rows, columns=["record_id", "label"]).astype("str")
    return table.assign(annotator=pd.Series(None, index=table.index, dtype="str"),
                        labelled_at=pd.Series(pd.NaT, index=table.index, dtype="datetime64[us, UTC]"))  # fmt: skip


def write_model(folder: Path, file: str, strength: float) -> None:
    """An ONNX model that sums the words' votes, and its tokenizer."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from tokenizers import Tokenizer, models, pre_tokenizers

    votes = np.array([(0, 0, 0), (0, 0, 0), *WORDS.values()], dtype=np.float32) * strength
    constants = [numpy_helper.from_array(votes, "votes"), numpy_helper.from_array(np.array([1]), "tokens")]
    nodes = [
        helper.make_node("Gather", ["votes", "input_ids"], ["each"]),
        helper.make_node("ReduceSum", ["each", "tokens"], ["sums"], keepdims=0),
        helper.make_node("Softmax", ["sums"], ["probabilities"], axis=-1),
        helper.make_node("Identity", ["attention_mask"], ["unused"]),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "m"]) for name in ("input_ids", "attention_mask")
    ]
    outputs = [
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 3]),
        helper.make_tensor_value_info("unused", TensorProto.INT64, ["n", "m"]),
    ]
    graph = helper.make_graph(nodes, "small", inputs, outputs, constants)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), folder / file)
    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))


def project(root: Path, test: pd.DataFrame | None = None, classes: tuple[str, ...] = CLASSES) -> Paths:
    """A project whose split and compress stages have run."""
    paths = Paths(root, "small")
    rows = split_rows(80) if test is None else test
    storage.write_table(paths.stage("split") / "test.parquet", rows)
    storage.write_table(paths.stage("split") / "train.parquet", split_rows(120, 1000))
    storage.write_table(paths.labels / "0001-aaaaaaaa.parquet", label_rows(rows))
    models = paths.stage("compress")
    write_model(models, "model.onnx", 0.5)
    write_model(models, "model.int8.onnx", 0.4)
    storage.write_json(models / "model.json", {"classes": list(classes), "max_tokens": 16, "served": "model.int8.onnx"})
    return paths


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A project that was evaluated once, with the recipe as the stage may see it; one text is a script."""
    test = split_rows(80)
    # The model is sure that it is good, the raters are sure that it is not.
    hostile = {"text": SCRIPT, "label": "negative", "share_negative": 1.0, "share_neutral": 0.0, "share_positive": 0.0}
    test.loc[3, list(hostile)] = list(hostile.values())
    paths = project(tmp_path_factory.mktemp("evaluated"), test)
    run(view(recipe(), "evaluate"), paths)
    return paths


def figures_of(paths: Paths) -> Any:
    return storage.read_json(paths.stage("evaluate") / "metrics.json")


def page_of(paths: Paths) -> str:
    return (paths.stage("evaluate") / "report.html").read_text(encoding="utf-8")


def test_the_stage_writes_its_five_files_and_leaves_its_inputs_alone(tmp_path: Path) -> None:
    paths = project(tmp_path)
    before = {name: contents(folder) for name, folder in inputs(paths).items()}
    run(recipe(), paths)
    assert sorted(contents(paths.stage("evaluate"))) == sorted(FILES)
    assert {name: contents(folder) for name, folder in inputs(paths).items()} == before


def inputs(paths: Paths) -> dict[str, Path]:
    return {"split": paths.stage("split"), "compress": paths.stage("compress"), "labels": paths.labels}


def test_the_same_inputs_give_the_same_bytes_anywhere(tmp_path: Path) -> None:
    one, two = project(tmp_path / "one"), project(tmp_path / "two")
    run(recipe(), one)
    run(recipe(), two)
    assert contents(one.stage("evaluate")) == contents(two.stage("evaluate"))
    assert str(tmp_path) not in page_of(one)


def test_figures_agree_with_the_predictions(done: Paths) -> None:
    from sklearn.metrics import f1_score

    figures = figures_of(done)
    table = storage.read_table(done.stage("evaluate") / "predictions.parquet")
    for name, column in (("model", "predicted"), ("fp32", "fp32_predicted"), ("vader", "baseline_vader")):
        theirs = f1_score(table["label"], table[column], average="weighted", zero_division=0)
        assert figures["overall"][name]["weighted_f1"]["estimate"] == pytest.approx(theirs, abs=1e-6)
        mark = figures["overall"][name]["accuracy"]
        assert mark["low"] <= mark["estimate"] <= mark["high"]
    for slices in figures["slices"].values():
        assert sum(part["rows"] for part in slices.values()) == figures["rows"] == len(table)
    assert sum(cell["rows"] for row in figures["confusion"].values() for cell in row.values()) == len(table)
    assert figures["bytes"]["model.onnx"] == (done.stage("compress") / "model.onnx").stat().st_size
    assert set(figures["differences"]["domain"]) == {"films", "tweets"}


def test_predictions_hold_every_answer_of_everybody(done: Paths) -> None:
    table = storage.read_table(done.stage("evaluate") / "predictions.parquet")
    probabilities = table[[f"p_{name}" for name in CLASSES]].to_numpy()
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert (np.array(CLASSES)[probabilities.argmax(axis=1)] == table["predicted"]).all()
    assert (probabilities.max(axis=1) == table["confidence"]).all()
    assert (table["fp32_predicted"] == table["predicted"]).all()  # the int8 stand-in is the same, less sure
    assert {"baseline_majority", "baseline_tfidf", "baseline_vader"} <= set(table)


def test_one_human_is_compared_on_every_record(done: Paths) -> None:
    overall = figures_of(done)["humans"]["overall"]
    assert (overall["records"], overall["ratings"]) == (80, 320)


def test_the_report_fetches_nothing_and_says_no_time(done: Paths) -> None:
    page = page_of(done)
    assert len(page.encode()) < 1_500_000
    namespaces = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert set(re.findall(r"https?://[^\"'\s<]+", page)) <= namespaces
    assert not re.search(r"\bsrc=|@import|<link|<iframe|\b20\d\d-\d\d-\d\d", page)


def test_a_hostile_text_is_shown_and_not_run(done: Paths) -> None:
    page = page_of(done)
    assert "&lt;script&gt;alert(" in page
    assert "<script" not in page
    assert "Small &amp; &lt;quick&gt;" in page


class Outline(HTMLParser):
    """Collects what a screen reader needs."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.headings: list[str] = []
        self.tables = self.captions = self.unlabelled = 0
        self.language: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.headings += [tag] if re.fullmatch("h[1-6]", tag) else []
        self.tables += tag == "table"
        self.captions += tag == "caption"
        self.unlabelled += found.get("role") == "img" and not found.get("aria-label")
        self.language = found.get("lang", self.language) if tag == "html" else self.language


def test_the_report_can_be_read_aloud(done: Paths) -> None:
    outline = Outline()
    outline.feed(page_of(done))
    assert outline.language == "en"
    assert outline.headings[0] == "h1"
    assert outline.headings.count("h1") == 1
    assert outline.tables == outline.captions > 4
    assert outline.unlabelled == 0
    assert len(outline.ids) == len(set(outline.ids))


def test_charts_take_their_colours_from_the_page(done: Paths) -> None:
    page = page_of(done)
    assert "var(--first)" in page.split("<svg", 1)[1]
    drawn = "".join(re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL))
    assert not re.search(r"(fill|stroke): ?(#|black|white)", drawn)


def test_a_name_with_dollars_is_drawn_as_it_is() -> None:
    svg = dot_plot("odd", [Dots("$\\frac$", (Interval(0.5, 0.4, 0.6),))], ["one"], "F1")
    assert svg.startswith("<svg")


def test_without_test_rows_one_clear_line_says_so(tmp_path: Path) -> None:
    paths = project(tmp_path, split_rows(80).iloc[:0])
    with pytest.raises(PromiseError, match=r"test\.parquet: has no rows.*split\.test"):
        run(recipe(), paths)
    assert not paths.stage("evaluate").exists()


def test_a_model_of_other_classes_is_refused(tmp_path: Path) -> None:
    paths = project(tmp_path, classes=("ham", "eggs", "spam"))
    with pytest.raises(PromiseError, match=r"model\.json: classes are ham, eggs, spam"):
        run(recipe(), paths)


def test_fp32_can_be_served_with_int8_measured_beside_it(tmp_path: Path) -> None:
    paths = project(tmp_path)
    description = storage.read_json(paths.stage("compress") / "model.json")
    storage.write_json(paths.stage("compress") / "model.json", {**description, "served": "model.onnx"})
    run(recipe(baselines=("majority",)), paths)
    figures = figures_of(paths)
    assert figures["overall"]["model"] == figures["overall"]["fp32"] != figures["overall"]["int8"]
    assert set(figures["differences"]["overall"]) == {"int8", "majority"}


def test_a_served_model_that_is_not_there_is_refused(tmp_path: Path) -> None:
    paths = project(tmp_path)
    (paths.stage("compress") / "model.int8.onnx").unlink()
    with pytest.raises(PromiseError, match=r"served is 'model\.int8\.onnx'.*run compress again"):
        run(recipe(), paths)


def test_labels_that_are_no_class_are_all_named() -> None:
    with pytest.raises(PromiseError, match=r"(?s)2 faults.*'angry'.*'sad'"):
        class_numbers(pd.Series(["neutral", "sad", "angry", "sad"]), CLASSES)


def test_without_ratings_enough_and_without_baselines_the_page_is_still_whole(tmp_path: Path) -> None:
    paths = project(tmp_path, split_rows(30))
    storage.write_table(paths.labels / "0001-aaaaaaaa.parquet", label_rows(split_rows(0)))
    run(recipe(baselines=()), paths)
    assert figures_of(paths)["humans"] == {}
    assert "One human rater" not in page_of(paths).split("How to read this")[0]
    assert "Right on" in (paths.stage("evaluate") / "card.md").read_text(encoding="utf-8")


def test_the_newest_exam_is_the_reference_once_it_is_large_enough() -> None:
    def window(old: int, tide_1: int, tide_2: int) -> set[str]:
        domains = ["products"] * old + ["tide 1"] * tide_1 + ["tide 2"] * tide_2
        table = pd.DataFrame({"domain": domains, "predicted": "a", "label": "a", "confidence": 0.5})
        table["record_id"] = [str(number) for number in range(len(domains))]
        return set(reference_window(pd.DataFrame(index=table.index), table, 2000)["domain"])

    assert window(300, 0, 0) == {"products"}
    assert window(300, 99, 0) == {"products", "tide 1"}
    assert window(300, 100, 0) == {"tide 1"}
    assert window(300, 200, 100) == {"tide 2"}


def test_the_reference_window_hardly_moves_when_records_arrive(done: Paths) -> None:
    window = storage.read_table(done.stage("evaluate") / "reference.parquet")
    table = storage.read_table(done.stage("evaluate") / "predictions.parquet")
    test = storage.read_table(done.stage("split") / "test.parquet")
    assert len(window) == 25
    fewer = reference_window(statistics(test.iloc[:-1]), table.iloc[:-1], 25)
    assert len(set(fewer["record_id"]) & set(window["record_id"])) >= 24
    shuffled = np.random.default_rng(1).permutation(len(test))
    again = reference_window(statistics(test.iloc[shuffled]), table.iloc[shuffled].reset_index(drop=True), 25)
    pd.testing.assert_frame_equal(again, window.drop(columns="embedding"))


def test_text_statistics_count_what_their_names_say() -> None:
    found = text_statistics(["ab 1!", "", "é"])
    assert found.to_dict("list") == {"characters": [5, 0, 1], "words": [2, 0, 1], "non_letter_share": [0.5, 0, 0]}


def test_vader_answers_as_published_in_the_order_of_the_classes() -> None:
    texts = ["VADER is smart, handsome, and funny.", "The book was terrible.", "The book is on the table."]
    assert vader(texts, CLASSES).tolist() == [2, 0, 1]
    assert vader(texts, ("positive", "neutral", "negative")).tolist() == [0, 2, 1]


def test_vader_needs_its_own_three_classes() -> None:
    with pytest.raises(RecipeError, match=r"evaluate\.baselines: vader .* take vader out"):
        vader(["good"], ("ham", "spam"))


def test_tfidf_learns_words_and_pairs_and_says_when_it_cannot() -> None:
    texts = ["not good at all", "very good indeed"] * 10
    truth = np.array([0, 1] * 10)
    assert tfidf(texts, truth, ["not good", "very good"], 1).tolist() == [0, 1]
    with pytest.raises(PromiseError, match=r"train\.parquet: TF-IDF cannot learn from 2 rows.*take tfidf out"):
        tfidf(["one", "two"], np.array([0, 1]), ["three"], 1)


def test_majority_takes_the_most_frequent_class_of_the_training_rows() -> None:
    assert majority(np.array([0, 2, 2, 1]), 3).tolist() == [2, 2, 2]
    with pytest.raises(PromiseError, match=r"train\.parquet: has no rows"):
        baselines(split_rows(0), ["good"], recipe())


def some_figures(accuracy: float, gaps: dict[str, tuple[float, float, float]]) -> dict[str, Any]:
    """The part of metrics.json that the headline reads."""
    marks = {
        name: {"weighted_f1": {"estimate": mid, "low": low, "high": high}} for name, (low, mid, high) in gaps.items()
    }
    return {"overall": {"model": {"accuracy": {"estimate": accuracy}}}, "differences": {"overall": marks}}


def test_the_headline_claims_no_more_than_was_shown() -> None:
    won, tied = (0.1, 0.2, 0.3), (-0.1, 0.1, 0.2)
    assert words.headline(some_figures(0.784, {"majority": won, "tfidf": won, "fp32": tied})) == (
        "Right on 78 of 100 texts, and better than every baseline."
    )
    assert words.headline(some_figures(0.5, {"majority": won, "tfidf": tied})) == (
        "Right on 50 of 100 texts, but not shown to be better than TF-IDF with logistic regression."
    )
    assert words.headline(some_figures(1.0, {})) == "Right on 100 of 100 texts."


def test_the_strongest_baseline_is_the_one_that_comes_nearest() -> None:
    figures = some_figures(0.7, {"majority": (0.2, 0.3, 0.4), "vader": (-0.03, -0.02, -0.01)})
    assert "2.0 points of weighted F1 below VADER" in words.strongest_gap(figures)
    assert words.verdict(figures["differences"]["overall"]["vader"]["weighted_f1"]) == "worse"


def test_figures_keep_six_digits_and_no_negative_zero() -> None:
    assert (
        json.dumps(rounded({"a": np.float64(-0.00000001), "b": 1 / 3, "c": 7})) == '{"a": 0.0, "b": 0.333333, "c": 7}'
    )


def test_the_worst_error_is_where_model_and_people_are_surest_of_different_things() -> None:
    test = split_rows(4)
    shares = [(1.0, 0.0, 0.0), (0.5, 0.5, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]
    test[[f"share_{name}" for name in CLASSES]] = shares
    surest = np.array([(0.1, 0.8, 0.1), (0.05, 0.9, 0.05), (0.2, 0.6, 0.2), (0.3, 0.3, 0.4)])
    answers = Answers(CLASSES, np.array([0, 0, 1, 2]), {"fp32": surest}, "fp32", {})
    found = worst_errors(test, answers, shown, lambda record, place: "")
    assert [(error.confidence, error.label, error.predicted) for error in found] == [
        (0.8, "negative", "neutral"),
        (0.9, "negative", "neutral"),
    ]
    assert len(worst_errors(test, answers, shown, lambda record, place: "", count=1)) == 1
    assert worst_errors(test, replace(answers, truth=surest.argmax(axis=1)), shown, lambda record, place: "") == []


def test_long_texts_are_cut_where_the_table_ends() -> None:
    assert shortened("short") == "short"
    assert len(shortened("word " * 200)) <= LONGEST
    assert shortened("word " * 200).endswith("word…")
