"""What this Python can import, by version."""

import platform
import re
import sys
from pathlib import Path
from typing import Any

INFO = ".dist-info"


def environment() -> dict[str, Any]:
    """The exact Python and the version of each installed package, as an import would find them."""
    return {"python": platform.python_version(), "packages": packages(sys.path)}


def packages(path: list[str]) -> dict[str, str]:
    """Version by normalised name (PEP 503); where a package is installed twice, the first on the path counts.

    Read from the names of the folders: asking each package's metadata takes a second.
    """
    found: dict[str, str] = {}
    for folder in path:
        for info in sorted(Path(folder or ".").glob(f"*{INFO}")):
            name, _, version = info.name.removesuffix(INFO).partition("-")
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), version)
    return dict(sorted(found.items()))


def differences(then: dict[str, str], now: dict[str, str]) -> list[str]:
    """One phrase for each package that has another version now, or is there only then or now."""
    names = sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
    return [f"{name} {then.get(name, 'not there')} then, {now.get(name, 'not there')} now" for name in names]
