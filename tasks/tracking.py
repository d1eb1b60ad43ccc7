"""The one module that touches MLflow: live metrics, registered versions and their aliases."""

import contextlib
import json
import os
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks import checksums, storage
from tasks.errors import ServerError

if TYPE_CHECKING:
    from mlflow import MlflowClient

Log = Callable[[int, dict[str, float]], None]

CHAMPION, CHALLENGER = "champion", "challenger"
LINEAGE_TAG, GATE_TAG, RELEASED_TAG, CHECKSUMS_TAG = "lineage", "gate", "released", "checksums"
FORGOTTEN_TAG, TAINTED_TAG = "forgotten", "tainted"
"""A version whose data held a record that was forgotten since (value: the certificate's id), and whether it was
trained or tuned on it ("true") or not ("false")."""

LONGEST_DESCRIPTION = 5000
"""Characters: the width of MLflow's column, which PostgreSQL insists on."""


@dataclass(frozen=True)
class Version:
    """A registered model version: its number, MLflow run, aliases and tags."""

    number: int
    run_id: str
    aliases: tuple[str, ...]
    tags: Mapping[str, str]

    @property
    def gone(self) -> bool:
        """Whether a record of its data was forgotten since, so that it cannot be made again."""
        return FORGOTTEN_TAG in self.tags

    @property
    def tainted(self) -> bool:
        """Whether it learned from a record that was forgotten since."""
        return self.tags.get(TAINTED_TAG) == "true"


def uri() -> str | None:
    """Where MLflow is (MLFLOW_TRACKING_URI), or None when nobody asked for it."""
    return os.environ.get("MLFLOW_TRACKING_URI") or None


@contextlib.contextmanager
def training_run(recipe: str) -> Iterator[Log]:
    """A function that logs figures of a step to a fresh MLflow run; to nowhere when there is no MLflow.

    A server that goes away in the middle costs the later points of the curves, never the training.
    """
    if uri() is None:
        yield _nowhere
        return
    try:
        client = _client()
        run_id = client.create_run(_experiment(client, recipe), run_name="train", tags={"step": "train"}).info.run_id
    except ServerError as error:
        print(f"no live metrics: {error}", flush=True)
        yield _nowhere
        return
    status = "FAILED"
    try:
        yield lambda step, figures: _log(client, run_id, step, figures)
        status = "FINISHED"
    finally:
        with contextlib.suppress(ServerError), _reachable():
            client.set_terminated(run_id, status)


def _nowhere(step: int, figures: Mapping[str, float]) -> None:
    """Log nothing: there is no MLflow."""


def _log(client: "MlflowClient", run_id: str, step: int, figures: Mapping[str, float]) -> None:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    with contextlib.suppress(ServerError), _reachable():
        client.log_batch(run_id, metrics=[Metric(name, value, now, step) for name, value in figures.items()])


def released_version(model: str, tags: Mapping[str, str]) -> int | None:
    """The version of `model` with these tags whose release was finished and whose data are all there, or None.

    One small request: MLflow itself is not imported. Raises ServerError when the server does not answer.
    """
    where, wanted = uri(), {**tags, RELEASED_TAG: "true"}
    if where is None or not where.startswith("http"):
        return min((v.number for v in versions(model) if not v.gone and wanted.items() <= v.tags.items()), default=None)
    finished = " AND ".join(f"tags.{name} = '{value}'" for name, value in wanted.items())
    query = urllib.parse.urlencode({"filter": f"name = '{model}' AND {finished}"})
    answer = _asked(f"model-versions/search?{query}") or {}
    found = [version for version in answer.get("model_versions", []) if FORGOTTEN_TAG not in _tags(version)]
    return min((int(version["version"]) for version in found), default=None)


def versions(model: str) -> list[Version]:
    """All versions of `model`, oldest first; none if it was never registered. Raises ServerError."""
    client = _client()
    with _reachable():
        found = client.search_model_versions(f"name = '{model}'")
        if not found:
            return []
        # The search leaves the aliases of a version empty; the model knows them.
        aliases = client.get_registered_model(model).aliases
    numbered = sorted((int(v.version), v) for v in found)
    return [
        Version(number, str(v.run_id), tuple(sorted(a for a, at in aliases.items() if int(at) == number)), dict(v.tags))
        for number, v in numbered
    ]


def champion(model: str) -> Version | None:
    """The version with the alias `champion`, or None."""
    return at_alias(model, CHAMPION)


def at_alias(model: str, alias: str) -> Version | None:
    """The version of `model` that the alias points to, or None. Raises ServerError.

    One small request: MLflow itself is not imported, so that a server can ask every second.
    """
    where = uri()
    if where is None or not where.startswith("http"):
        return next((version for version in versions(model) if alias in version.aliases), None)
    found = _asked(f"registered-models/alias?{urllib.parse.urlencode({'name': model, 'alias': alias})}")
    if found is None:
        return None
    at = found["model_version"]
    return Version(int(at["version"]), str(at["run_id"]), (alias,), _tags(at))


def _tags(version: Mapping[str, Any]) -> dict[str, str]:
    """The tags of a version as MLflow's REST interface gives it."""
    return {tag["key"]: tag.get("value", "") for tag in version.get("tags", [])}


def _asked(question: str) -> Any:
    """What MLflow's REST interface answers to a GET; None when there is no such thing. Raises ServerError."""
    where = uri()
    try:
        with urllib.request.urlopen(f"{where}/api/2.0/mlflow/{question}", timeout=30) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            if b"RESOURCE_DOES_NOT_EXIST" in (said := error.read()) or b"alias" in said:
                return None
        raise ServerError(f"{where}: MLflow answers {error.code} to {question.partition('?')[0]}") from error
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise ServerError(f"{where}: MLflow does not answer ({error}); start it with: tidemill up") from error


@dataclass(frozen=True)
class Release:
    """What is registered: files to keep, figures to compare, and what the version is tagged with."""

    model: str
    title: str
    description: str
    files: Path
    parameters: Mapping[str, str]
    figures: Mapping[str, float]
    tags: Mapping[str, str]


def register(release: Release) -> Version:
    """A new version with everything in the folder `release.files` as its artifacts, sealed. Raises ServerError.

    The version is made last: a run that was cut off before leaves no version, and the next try makes its own run.
    """
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.exceptions import MlflowException

    client = _client()
    sealed = {**release.tags, CHECKSUMS_TAG: checksums.write(release.files)}
    with _reachable():
        tags = {**sealed, "step": "release"}
        run = client.create_run(_experiment(client, release.model), run_name="release", tags=tags)
        run_id, now = run.info.run_id, int(time.time() * 1000)
        metrics = [Metric(name, value, now, 0) for name, value in release.figures.items()]
        params = [Param(name, value) for name, value in release.parameters.items()]
        client.log_batch(run_id, metrics=metrics, params=params, tags=[RunTag("title", release.title)])
        client.log_artifacts(run_id, str(release.files), "model")
        with contextlib.suppress(MlflowException):
            client.create_registered_model(release.model, description=release.title)
        version = client.create_model_version(
            release.model,
            source=f"runs:/{run_id}/model",
            run_id=run_id,
            tags=sealed,
            description=release.description[:LONGEST_DESCRIPTION],
        )
        client.set_terminated(run_id)
    return Version(int(version.version), run_id, (), sealed)


def set_alias(model: str, alias: str, number: int) -> None:
    """Let `alias` point to version `number`; a champion is no challenger any more. Raises ServerError."""
    client = _client()
    with _reachable():
        client.set_registered_model_alias(model, alias, str(number))
        if alias == CHAMPION and int(client.get_registered_model(model).aliases.get(CHALLENGER, 0)) == number:
            client.delete_registered_model_alias(model, CHALLENGER)


def tag_version(model: str, number: int, tags: Mapping[str, str]) -> None:
    """Add tags to a version. Raises ServerError."""
    client = _client()
    with _reachable():
        for name, value in tags.items():
            client.set_model_version_tag(model, str(number), name, value)


def describe(model: str, number: int, text: str) -> None:
    """Let `text` (markdown) stand above everything else on the version's page. Raises ServerError."""
    client = _client()
    with _reachable():
        client.update_model_version(model, str(number), text[:LONGEST_DESCRIPTION])


def attach(version: Version, folder: Path) -> None:
    """Put the folder's files among the version's artifacts, in place of older ones. Raises ServerError."""
    client = _client()
    with _reachable():
        client.log_artifacts(version.run_id, str(folder), "model")


def has(version: Version, file: str) -> bool:
    """Whether `file` (a name below `model/`) is among the version's artifacts. Raises ServerError."""
    client = _client()
    with _reachable():
        return any(found.path == f"model/{file}" for found in client.list_artifacts(version.run_id, "model"))


def download(version: Version, file: str, folder: Path) -> Path:
    """The version's artifact `file` (a path below `model/`), fetched into `folder`. Raises ServerError."""
    if (address := _address(version, file)) is None:
        client = _client()
        with _reachable():
            source = Path(client.download_artifacts(version.run_id, f"model/{file}"))
            storage.write_with(folder / file, lambda out: out.write(source.read_bytes()))
    else:
        _copied(address, folder / file)
    return (folder / file).resolve()


def _address(version: Version, file: str) -> str | None:
    """Where the MLflow server hands the artifact out itself, or None when the artifacts lie elsewhere."""
    where = uri()
    if where is None or not where.startswith("http"):
        return None
    found = _asked(f"runs/get?run_id={urllib.parse.quote(version.run_id)}")
    scheme, _, path = str(found["run"]["info"]["artifact_uri"] if found else "").partition(":/")
    if scheme != "mlflow-artifacts":
        return None
    return f"{where}/api/2.0/mlflow-artifacts/artifacts/{path.strip('/')}/model/{urllib.parse.quote(file)}"


def _copied(address: str, path: Path) -> None:
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310
            storage.write_with(path, lambda out: shutil.copyfileobj(answer, out))
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise ServerError(f"{address}: cannot be fetched ({error}); look at: tidemill status") from error


def run_ids(model: str) -> list[str]:
    """All MLflow runs of a recipe, its trainings and its releases. Raises ServerError."""
    client = _client()
    with _reachable():
        experiment = client.get_experiment_by_name(model)
        if experiment is None:
            return []
        found, token = [], None
        while True:
            page = client.search_runs([experiment.experiment_id], max_results=1000, page_token=token)
            found += [str(run.info.run_id) for run in page]
            token = page.token
            if not token:
                return found


def run_files(run_id: str, folder: str = "") -> list[str]:
    """The paths of all artifacts of a run. Raises ServerError."""
    client = _client()
    with _reachable():
        entries = client.list_artifacts(run_id, folder)
        below = [run_files(run_id, entry.path) for entry in entries if entry.is_dir]
        return [*(entry.path for entry in entries if not entry.is_dir), *(path for paths in below for path in paths)]


def run_file(run_id: str, path: str, folder: Path) -> Path:
    """An artifact of a run, fetched into `folder`. Raises ServerError."""
    with _reachable():
        return Path(_client().download_artifacts(run_id, path, str(folder))).resolve()


def replace_file(run_id: str, path: str, file: Path) -> None:
    """Put the file, which has the same name, in the place of a run's artifact. Raises ServerError."""
    with _reachable():
        _client().log_artifact(run_id, str(file), path.rpartition("/")[0] or None)


def run_url(run_id: str, model: str) -> str | None:
    """The address of a run's artifacts in MLflow's pages, or None without a server."""
    where = uri()
    if where is None or not where.startswith("http"):
        return None
    client = _client()
    with _reachable():
        return f"{where}/#/experiments/{_experiment(client, model)}/runs/{run_id}/artifacts"


def _client() -> "MlflowClient":
    import mlflow

    return mlflow.MlflowClient(tracking_uri=uri())


def _experiment(client: "MlflowClient", name: str) -> str:
    """The id of the experiment `name`, made if need be."""
    from mlflow.exceptions import MlflowException

    with _reachable():
        found = client.get_experiment_by_name(name)
        if found:
            return str(found.experiment_id)
        try:
            return str(client.create_experiment(name))
        except MlflowException:
            again = client.get_experiment_by_name(name)
            if again is None:
                raise
            return str(again.experiment_id)


@contextlib.contextmanager
def _reachable() -> Iterator[None]:
    """MLflow's exceptions as one of ours."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ServerError(f"MLflow at {uri()} failed: {reason}; look at: tidemill status") from error
