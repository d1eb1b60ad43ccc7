"""Federating a head: the encoder stays as it was pretrained, only the linear layer is trained and sent."""

from pathlib import Path
from typing import TYPE_CHECKING

from tasks.federate import head
from tasks.federate.head import BIAS, WEIGHT, Encoded
from tasks.federate.local import Local
from tasks.federate.messages import Arrays
from tasks.federate.model_folder import save_classifier
from tasks.federate.plan import Plan
from tasks.federate.silo_data import Coding, states

if TYPE_CHECKING:
    from tasks.federate.desk import Desk


def initial(plan: Plan, base_model: Path) -> Arrays:
    """A head of zeros."""
    return head.initial(base_model, len(plan.classes), plan.seed)


def examples(desk: "Desk") -> dict[str, Encoded]:
    """Each part as mean states of the frozen encoder."""
    rules, plan = desk.rules, desk.plan
    coding = Coding(Path(rules.base_model), plan.base_model, plan.max_tokens, plan.classes, rules.threads)
    return states(desk.records, coding, desk.home)


def trained(desk: "Desk", start: Arrays, examples: Encoded, local: Local) -> Arrays:
    """The head after one round."""
    del desk
    return head.trained(start, examples, local)


def right(desk: "Desk", arrays: Arrays, examples: Encoded) -> int:
    """How many records the head puts into their class."""
    del desk
    return head.right(arrays, examples)


def save(arrays: Arrays, plan: Plan, base_model: Path, folder: Path) -> None:
    """The pretrained encoder with the trained head."""
    import torch

    from tasks import text_model

    model = text_model.from_base(base_model, len(plan.classes))
    named = {WEIGHT: torch.from_numpy(arrays[WEIGHT]), BIAS: torch.from_numpy(arrays[BIAS])}
    model.load_state_dict(named, strict=False)
    save_classifier(model, plan, base_model, folder)
