"""A head of its own for each silo, pulled towards the shared one as far as its validation records want it.

Ditto (Li, Hu, Beirami and Smith 2021): minimise the silo's loss plus half of lambda times the squared distance to the
shared head, from there. The shared head itself and one of the silo alone are candidates too.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from tasks.federate import array_file, head
from tasks.federate.head import Encoded
from tasks.federate.local import Local
from tasks.federate.messages import Arrays, Ask, Facts

PULLS = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3)
RATES = (0.1, 0.033)
"""Learning rates that are tried, whatever the plan's is: that one is made for short rounds."""
EPOCHS = 20.0
FILE = "personal_head.safetensors"


def fitted(home: Path, question: Ask, examples: dict[str, Encoded], local: Local) -> Facts:
    """How good the silo's own head is on its test records; the head stays in its home."""
    chosen = best(question.arrays, examples["train"], examples["validation"], local)
    array_file.save(home / FILE, chosen, {"run": question.run})
    return {"personal_test_right": head.right(chosen, examples["test"])}


def best(shared: Arrays, train: Encoded, validation: Encoded, local: Local) -> Arrays:
    """The candidate with the least cross-entropy on the validation records, which tells more than their right answers."""
    nowhere = {name: np.zeros_like(values) for name, values in shared.items()}
    alone = head.trained(nowhere, train, replace(local, epochs=EPOCHS, proximal=0.0, learning_rate=RATES[0]))
    pulled = [
        head.trained(shared, train, replace(local, epochs=EPOCHS, proximal=pull, learning_rate=rate))
        for pull in PULLS
        for rate in RATES
    ]
    return min([shared, alone, *pulled], key=lambda candidate: float(head.losses(candidate, validation).mean()))
