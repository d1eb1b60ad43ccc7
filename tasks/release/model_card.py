"""What a stranger needs to know before using a version (after Mitchell et al. 2019, Model Cards)."""

from typing import Any

from tasks.markdown import table
from tasks.recipe import Recipe

LATENCY = {"single_ms": "one by one", "batched_ms": "batched"}


def model_card(recipe: Recipe, metrics: dict[str, Any], lineage: dict[str, Any], latency: dict[str, Any] | None) -> str:
    """The card as markdown: use, data, quality by slice, speed, limits, descent."""
    parts = [
        f"# {recipe.title}",
        _use(recipe),
        "## Data\n\n" + _origins(recipe),
        f"## Quality on {metrics['rows']:,} held-out records\n\n" + _quality(metrics),
        "## By slice\n\n" + _slices(metrics, recipe.gate.metric),
        "## Speed and size\n\n" + _speed(metrics, latency),
        "## Limits\n\n" + _limits(recipe),
        "## Descent\n\n" + _descent(lineage),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _use(recipe: Recipe) -> str:
    classes = ", ".join(recipe.labels.classes)
    reads = {
        "classify_text": f"a text of at most {recipe.train.max_tokens} tokens",
        "classify_image": "an image (PNG, JPEG, GIF, WebP or BMP) of any size, fitted into its own",
    }[recipe.kind]
    model = recipe.train.base_model
    origin = f"Fine-tuned from `{model.url}` ({model.licence})." if model else "Trained from nothing."
    return f"Reads {reads} and gives the probability of each of: {classes}. {origin}"


def base_model(recipe: Recipe) -> str:
    """Where the model that training started from came from."""
    return recipe.train.base_model.url if recipe.train.base_model else "none: trained from nothing"


def _origins(recipe: Recipe) -> str:
    rows = [(source.name, source.url, source.licence) for source in (*recipe.sources, *recipe.labels.sources)]
    return table(["source", "origin", "licence"], rows)


def _quality(metrics: dict[str, Any]) -> str:
    names = ("weighted_f1", "macro_f1", "accuracy")
    rows = [
        (who, *(_figure(figures[name]) for name in names), _figure(figures["ece"]) if "ece" in figures else "")
        for who, figures in metrics["overall"].items()
    ]
    return table(["", *(name.replace("_", " ") for name in names), "calibration error"], rows)


def _slices(metrics: dict[str, Any], metric: str) -> str:
    rows = [
        (f"{way}: {name}", f"{figures['rows']:,}", _figure(figures["model"][metric]))
        for way, slices in metrics["slices"].items()
        for name, figures in slices.items()
    ]
    return table(["slice", "records", metric.replace("_", " ")], rows)


def _figure(value: dict[str, float]) -> str:
    return f"{value['estimate']:.3f} ({value['low']:.3f} to {value['high']:.3f})"


def _speed(metrics: dict[str, Any], latency: dict[str, Any] | None) -> str:
    medians = latency["median"] if latency else {}
    rows = [
        (file, f"{size / 1e6:.1f} MB", *(f"{medians[file][how]:.2f} ms" if file in medians else "" for how in LATENCY))
        for file, size in metrics["bytes"].items()
    ]
    return table(["file", "size", *(f"each, {how}" for how in LATENCY.values())], rows)


def _limits(recipe: Recipe) -> str:
    return (
        "Measured only on the sources above; other domains, languages and times were not. The interval of a figure "
        "tells the luck of the test records, not a change of the world. "
        f"Consensus of the annotators: {recipe.labels.consensus}."
    )


def _descent(lineage: dict[str, Any]) -> str:
    tracked = [(f"data: {name}", md5) for name, md5 in lineage["tracked"].items()]
    code = [
        (f"code of {stage}", f"{len(found['code'])} functions, {len(found['packages'])} packages")
        for stage, found in lineage["fingerprints"].items()
    ]
    silos = [
        (f"silo: {name}", f"{silo['data_sha256']} ({silo['records']:,} records, {silo['rounds']} rounds)")
        for name, silo in sorted(lineage.get("federated", {}).get("silos", {}).items())
    ]
    return table(["part", "hash or count"], [("lineage", lineage["id"]), *tracked, *silos, *code])
