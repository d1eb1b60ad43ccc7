"""Questions and answers as Flower's records."""

import json
from typing import TYPE_CHECKING

from tasks.errors import TidemillError
from tasks.federate.messages import Answer, Arrays, Ask

if TYPE_CHECKING:
    from flwr.app import RecordDict


def question_record(question: Ask) -> "RecordDict":
    """The question as Flower sends it."""
    said = {name: getattr(question, name) for name in ("what", "run", "round", "plan", "peers", "protocol")}
    return _record(question.arrays, {"question": json.dumps(said)})


def question(record: "RecordDict") -> Ask:
    """The question in a record. Raises TidemillError when it is of a form that this silo does not know."""
    try:
        return Ask(arrays=_arrays(record), **json.loads(str(record["words"]["question"])))
    except (KeyError, TypeError, ValueError) as error:
        raise TidemillError(
            "the server's question has a form that this silo does not know: install the same version of Tidemill"
        ) from error


def answer_record(answer: Answer) -> "RecordDict":
    """The answer as Flower sends it. The name is not in it: the server knows its silos by their keys."""
    return _record(answer.arrays, {"facts": json.dumps(answer.facts), "error": answer.error})


def answer(record: "RecordDict", silo: str) -> Answer:
    """The answer in a record from that silo; one that cannot be read is an error."""
    try:
        words = record["words"]
        return Answer(silo, _arrays(record), dict(json.loads(str(words["facts"]))), str(words["error"]))
    except (KeyError, TypeError, ValueError) as error:
        return Answer(silo, error=f"sent an answer that cannot be read ({type(error).__name__})")


def _record(arrays: Arrays, words: dict[str, str]) -> "RecordDict":
    from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict

    packed = ArrayRecord({name: Array(values) for name, values in sorted(arrays.items())})
    return RecordDict({"arrays": packed, "words": ConfigRecord(dict(words))})


def _arrays(record: "RecordDict") -> Arrays:
    return {name: values.numpy().copy() for name, values in record["arrays"].items()}  # type: ignore[union-attr]
