"""A head of its own for each silo, pulled towards the shared one as far as its validation records want it.

Ditto (Li, Hu, Beirami and Smith 2021): minimise the silo's loss plus half of lambda times the squared distance to the
shared head. Lambda 0 is the silo alone; the shared head itself is a candidate too.
"""

from dataclasses import replace
from pathlib import Path

from tasks.federate import array_file, head
from tasks.federate.head import Encoded
from tasks.federate.local import Local
from tasks.federate.messages import Arrays, Ask, Facts

PULLS = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3)
SLOWER = (1.0, 3.0)
"""What the plan's learning rate is divided by."""
EPOCHS = 20.0
FILE = "personal_head.safetensors"


def fitted(home: Path, question: Ask, examples: dict[str, Encoded], local: Local) -> Facts:
    """How good the silo's own head is on its test records; the head stays in its home."""
    chosen = best(question.arrays, examples["train"], examples["validation"], local)
    array_file.save(home / FILE, chosen, {"run": question.run})
    return {"personal_test_right": head.right(chosen, examples["test"])}


def best(shared: Arrays, train: Encoded, validation: Encoded, local: Local) -> Arrays:
    """The candidate with the least cross-entropy on the validation records, which tells more than their right answers."""
    pulled = [
        head.trained(
            shared, train, replace(local, epochs=EPOCHS, proximal=pull, learning_rate=local.learning_rate / slow)
        )
        for pull in PULLS
        for slow in SLOWER
    ]
    return min([shared, *pulled], key=lambda candidate: float(head.losses(candidate, validation).mean()))
