"""Record and label shards rewritten in their places: other bytes, the same name, a manifest that says so."""

from pathlib import Path

from tasks import storage
from tasks.forget import contents
from tasks.forget.target import Target


def rewrite(shard: Path, target: Target) -> None:
    """Take the rows of forgotten records out, then bring the manifest up to date.

    The name stays: collect tells by it what it has read. Cut off between the two files, the next call mends the
    manifest, for it counts the rows that are missing.
    """
    content = contents.cleaned(shard.read_bytes(), target, shard.name)
    if content is not None and contents.file_hits(shard, target):
        storage.write_bytes(shard, content)
    _mend(shard)


def _mend(shard: Path) -> None:
    path = shard.with_suffix(".json")
    manifest = storage.read_json(path)
    digest = storage.sha256_file(shard)
    if manifest["sha256"] == digest:
        return
    rows = len(storage.read_table(shard, ["record_id"]))
    gone = manifest.get("forgotten", 0) + manifest["rows"] - rows
    storage.write_json(path, {**manifest, "sha256": digest, "rows": rows, "forgotten": gone})
