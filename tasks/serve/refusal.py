"""Why a request is not answered, as the caller reads it."""

from tasks.errors import TidemillError


class Refusal(TidemillError):  # noqa: N818 (the server is well, it refuses)
    """An HTTP status with its reason, and after how many seconds another try makes sense."""

    def __init__(self, status: int, reason: str, retry_after_s: int | None = None) -> None:
        super().__init__(reason)
        self.status, self.retry_after_s = status, retry_after_s
