"""What a silo's operator has laid down: where the records are, and what may leave."""

from dataclasses import asdict, dataclass
from pathlib import Path

from tasks import storage
from tasks.errors import PromiseError, TidemillError
from tasks.federate.messages import PROTOCOL, Ask
from tasks.federate.plan import Plan

FILE, VETO = "silo.json", "veto"


@dataclass(frozen=True)
class Rules:
    """One silo on its own machine."""

    name: str
    data: str
    """A folder of Parquet files."""
    base_model: str
    threads: int = 1
    allow: tuple[str, ...] = ("head", "lora", "full")
    """What of a model may leave."""
    max_rounds: int | None = None
    max_epsilon: float | None = None
    """Of its records, all federations together; with it, a plan without privacy is refused."""
    masked: bool = False
    """Refuse plans without secure aggregation."""


def write(home: Path, rules: Rules) -> None:
    """Lay the rules down in the silo's home."""
    storage.write_json(home / FILE, asdict(rules))


def read(home: Path) -> Rules:
    """The rules in the silo's home. Raises TidemillError when there are none."""
    found = storage.read_json(home / FILE)
    try:
        return Rules(**{**found, "allow": tuple(found["allow"])})
    except (TypeError, KeyError) as error:
        raise TidemillError(
            f"{home / FILE}: is not a silo's rules ({error}); start it with: tidemill silo start"
        ) from error


def require_speakable(question: Ask) -> None:
    """Raises TidemillError when the server speaks another protocol."""
    if question.protocol != PROTOCOL:
        raise TidemillError(
            f"the server speaks protocol {question.protocol}, this silo {PROTOCOL}: install the same version of Tidemill"
        )


def require_allowed(home: Path, rules: Rules, plan: Plan) -> None:
    """Raises PromiseError with the rule that the plan would break."""
    veto = home / VETO
    if veto.exists():
        raise PromiseError(f"its operator vetoes: {veto.read_text(encoding='utf-8').strip() or 'no reason given'}")
    if plan.federate.partial not in rules.allow:
        raise PromiseError(f"its operator lets only {' and '.join(rules.allow)} leave, not {plan.federate.partial}")
    if rules.max_rounds is not None and plan.federate.rounds > rules.max_rounds:
        raise PromiseError(f"its operator allows {rules.max_rounds} rounds, and the plan has {plan.federate.rounds}")
    if rules.masked and not plan.federate.secure_aggregation:
        raise PromiseError("its operator lets only masked updates leave, and the plan has no secure_aggregation")
    if rules.max_epsilon is not None and plan.federate.privacy is None:
        raise PromiseError(f"its operator allows an epsilon of {rules.max_epsilon:g}, and the plan has no privacy")
