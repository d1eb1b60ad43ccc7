"""What an origin is called in messages, what it declares, and whether it can ever bring something else."""

import hashlib
import json
import re
from pathlib import Path

from tasks.recipe import Origin

_COMMIT = re.compile(r"@[0-9a-f]{40}(#|$)")


def shown(url: str) -> str:
    """The URL without user, password, query and fragment: fit for messages and manifests."""
    scheme, _, rest = url.partition(":")
    before, slashes, place = rest.partition("//")
    if not slashes or scheme == "file":
        return url
    userinfo = r"^[^/?#@:]*(:[^@]*)?@" if scheme == "sql" else r"^[^/?#]*@"
    named = re.split(r"[?#&]", re.sub(userinfo, "", place))[0]
    return f"{scheme}:{before}//{named}"


def named(origin: Origin, member: str | None = None) -> str:
    """The origin and its member as one name: `pypi:six==1.17.0!six.py`."""
    inside = member or origin.member
    return f"{shown(origin.url)}!{inside}" if inside else shown(origin.url)


def declaration(*origins: Origin | None) -> str:
    """Hexadecimal sha256 of all that the recipe says about these origins, their secrets left out."""
    said = [
        origin.model_dump(mode="json", exclude_defaults=True) | {"url": shown(origin.url)}
        for origin in origins
        if origin is not None
    ]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def pinned(origin: Origin) -> bool:
    """Whether the origin names its bytes for ever: by sha256, a hub's commit, or a version's number."""
    if origin.url.startswith("registry:"):
        return origin.url.rpartition("@")[2].isdigit()
    return origin.sha256 is not None or (origin.url.startswith("hf:") and _COMMIT.search(origin.url) is not None)


def stamp(path: Path) -> tuple[int, int]:
    """Size in bytes and time of the last change in ns, of a file or of all files right inside a folder."""
    found = [file.stat() for file in (path.iterdir() if path.is_dir() else [path]) if file.is_file()]
    return sum(status.st_size for status in found), max((status.st_mtime_ns for status in found), default=0)


def own_path(origin: Origin, root: Path) -> Path:
    """The path of a `file:` origin; a relative one starts at the project's root."""
    return root / origin.url.partition(":")[2].removeprefix("//")
