"""What lies before a silo when a question comes."""

from dataclasses import dataclass
from pathlib import Path

from tasks.federate.plan import Plan
from tasks.federate.rules import Rules
from tasks.federate.silo_data import Records


@dataclass(frozen=True)
class Desk:
    """All that a silo needs to answer one question."""

    home: Path
    rules: Rules
    plan: Plan
    records: Records
