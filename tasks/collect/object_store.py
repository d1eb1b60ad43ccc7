"""A file from an object store, through fsspec and the store's own package."""

import errno
import shutil
from pathlib import Path

from tasks.errors import SourceError
from tasks.recipe import Origin

EXTRAS = {"s3": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure", "abfss": "azure"}
"""Which extra of tidemill brings the package for a URL scheme."""


def download(origin: Origin, target: Path) -> None:
    """Write the object's bytes to `target`; credentials come from where the store's own tools look for them.

    Raises SourceError: no package for the scheme, no such object, no access, an object cut short.
    """
    import fsspec

    scheme = origin.url.partition(":")[0]
    try:
        files, path = fsspec.core.url_to_fs(origin.url)
        promised = files.info(path)["size"]
        with files.open(path, "rb") as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
    except ImportError as error:
        extra = EXTRAS.get(scheme, scheme)
        raise SourceError(
            f"{scheme}: needs a package that is not installed: pip install 'tidemill[{extra}]'"
        ) from error
    except FileNotFoundError as error:
        raise SourceError("there is no such object; check bucket and path") from error
    except Exception as error:  # each store has exceptions of its own
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise SourceError(f"cannot be read ({type(error).__name__}); check bucket, path and credentials") from error
    if target.stat().st_size != promised:
        raise SourceError(f"{target.stat().st_size} bytes came, {promised} were promised; run it again")
