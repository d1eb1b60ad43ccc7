"""DVC's advice on git and pushing, which is right at its own command line and noise between a stage's lines."""

STARTS = (
    "To track the changes with git, run:",
    "git add ",
    "To enable auto staging, run:",
    "dvc config core.autostage true",
    "Use `dvc push` to send your updates",
    "Updating lock file",
    "Generating lock file",
)


def is_hint(line: str) -> bool:
    """Whether the line is advice of DVC's, or blank."""
    return not line.strip() or line.strip().startswith(STARTS)
