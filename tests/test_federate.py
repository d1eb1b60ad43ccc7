"""Rounds, silos and their refusals, in one process: the same code as behind Flower, with a tiny real transformer."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_silos import ENDS, SILOS, table

from tasks import storage, text_model
from tasks.errors import PromiseError, RecipeError, TidemillError
from tasks.federate import (
    aggregation,
    compression,
    content,
    head,
    kinds,
    masking,
    rules,
    server_step,
    silo,
    state,
)
from tasks.federate.aggregation import combined, krum_order
from tasks.federate.head import Encoded
from tasks.federate.here import Here
from tasks.federate.local import Local, Noise
from tasks.federate.messages import PROTOCOL, Answer, Ask
from tasks.federate.plan import plan
from tasks.federate.rounds import federated
from tasks.federate.state import Federation
from tasks.recipe import Federate, load

pytest_plugins = ["tiny_silos"]


def settings(**changes):
    return Federate(**{"rounds": 3, "min_silos": 2, "round_seconds": 0.2, "learning_rate": 1.0, **changes})


def federation(recipe, base_model, folder, **changes):
    described = plan(recipe, base_model).model_copy(update={"federate": settings(**changes)})
    return Federation(described, "a-run", SILOS, folder)


def carried_out(recipe, base_model, folder, fleet, **changes):
    made = federation(recipe, base_model, folder, **changes)
    initial = kinds.of(made.plan.federate.partial).initial(made.plan, base_model)
    return federated(made, initial, fleet)


def accuracy(heard):
    told = heard.silos.values()
    return sum(facts["validation_right"] for facts in told) / sum(facts["validation_rows"] for facts in told)


class Between:
    """A fleet whose answers are changed on their way: what a silo might really send."""

    def __init__(self, fleet, change):
        self.fleet, self.change = fleet, change

    def connected(self):
        return self.fleet.connected()

    def ask(self, question, silos, seconds):
        told = (self.change(question, answer) for answer in self.fleet.ask(question, silos, seconds))
        return [answer for answer in told if answer is not None]


def of_west(change):
    return lambda question, answer: change(question, answer) if answer.silo == "west" else answer


# ---- rounds


@pytest.mark.parametrize("knobs", [{}, {"strategy": "fedprox"}, {"strategy": "fedadam", "server_learning_rate": 0.1}])
def test_silos_learn_together_and_the_same_seed_gives_the_same_bits(recipe, base_model, homes, tmp_path, knobs):
    first = carried_out(recipe, base_model, tmp_path / "a", Here(homes), **knobs)
    second = carried_out(recipe, base_model, tmp_path / "b", Here(tuple(reversed(homes))), **knobs)
    assert aggregation.flat(first.shared).tobytes() == aggregation.flat(second.shared).tobytes()
    assert accuracy(first.rounds[-1]) > 0.8 > accuracy(first.rounds[0])
    assert [list(heard.silos) for heard in second.rounds] == [[*SILOS]] * 4


def test_a_server_that_was_killed_goes_on_from_the_last_round_with_the_same_result(recipe, base_model, homes, tmp_path):
    class KilledError(Exception):
        pass

    def dies(question, answer):
        if question.round == 3:
            raise KilledError
        return answer

    knobs = {"compression": "int8", "strategy": "fedadam"}
    whole = carried_out(recipe, base_model, tmp_path / "whole", Here(homes), **knobs)
    with pytest.raises(KilledError):
        carried_out(recipe, base_model, tmp_path / "cut", Between(Here(homes), dies), **knobs)
    asked = []
    fleet = Between(Here(homes), lambda question, answer: asked.append(question.round) or answer)
    resumed = carried_out(recipe, base_model, tmp_path / "cut", fleet, **knobs)
    assert set(asked) == {3}
    assert aggregation.flat(resumed.shared).tobytes() == aggregation.flat(whole.shared).tobytes()


def test_a_silo_that_is_gone_is_missed_and_one_that_returns_takes_part_again(recipe, base_model, homes, tmp_path):
    fleet = Between(Here(homes), of_west(lambda question, answer: None if question.round == 2 else answer))
    state = carried_out(recipe, base_model, tmp_path, fleet)
    assert [sorted(heard.silos) for heard in state.rounds] == [[*SILOS], ["north", "south"], [*SILOS], [*SILOS]]
    assert state.rounds[1].refused == {"west": "did not answer within 0.2 s"}


def test_a_round_of_errors_fails_the_run_with_every_silos_reason(recipe, base_model, homes, tmp_path):
    for home in homes[1:]:
        (home / "veto").write_text("audit this week")
    with pytest.raises(PromiseError) as caught:
        carried_out(recipe, base_model, tmp_path, Here(homes))
    told = str(caught.value)
    assert "train 1: 1 of 3 silos gave a good answer, and federate.min_silos is 2" in told
    assert "south its operator vetoes: audit this week" in told
    assert "west its operator vetoes: audit this week" in told


def with_arrays(answer, change):
    return Answer(answer.silo, {name: change(values) for name, values in answer.arrays.items()}, answer.facts)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda values: values * np.nan, "sent values that are no finite numbers"),
        (lambda values: values[..., :-1], "sent head.bias with shape"),
    ],
)
def test_an_update_of_nothing_but_nan_or_of_another_shape_is_left_out(
    recipe, base_model, homes, tmp_path, change, reason
):
    bad = of_west(lambda question, answer: with_arrays(answer, change) if question.what == "train" else answer)
    state = carried_out(recipe, base_model, tmp_path, Between(Here(homes), bad))
    assert all(reason in heard.refused["west"] for heard in state.rounds[:-1])
    assert accuracy(state.rounds[-1]) > 0.8


@pytest.mark.parametrize("defence", [{"aggregation": "median"}, {"aggregation": "trimmed_mean"}, {"norm_bound": 1.0}])
def test_a_poisoned_update_ruins_a_mean_and_not_a_defended_one(recipe, base_model, homes, tmp_path, defence):
    def turned(question, answer):
        return with_arrays(answer, lambda values: -30 * values) if question.what == "train" else answer

    fleet = Between(Here(homes), of_west(turned))
    bare = carried_out(recipe, base_model, tmp_path / "bare", fleet)
    defended = carried_out(recipe, base_model, tmp_path / "defended", fleet, **defence)
    assert accuracy(bare.rounds[-1]) < 0.6
    assert accuracy(defended.rounds[-1]) > 0.8


@pytest.mark.parametrize("partial", ["lora", "full"])
def test_the_encoder_can_be_federated_and_the_saved_model_answers_as_the_shared_one(
    recipe, base_model, homes, tmp_path, partial
):
    knobs = {"partial": partial, "rounds": 2, "learning_rate": 0.01, "local_epochs": 1}
    state = carried_out(recipe, base_model, tmp_path / "run", Here(homes), **knobs)
    again = carried_out(recipe, base_model, tmp_path / "again", Here(homes), **knobs)
    assert aggregation.flat(state.shared).tobytes() == aggregation.flat(again.shared).tobytes()
    made = federation(recipe, base_model, tmp_path, **knobs)
    kinds.of(partial).save(state.shared, made.plan, base_model, tmp_path / "model")
    model = text_model.load(tmp_path / "model")
    import torch

    from tasks import tokens

    records = table(1, 50)
    rows = tokens.encoded(tokens.tokenizer(base_model, 32), records["text"].tolist())
    ids, mask = (torch.from_numpy(array) for array in tokens.padded(rows))
    with torch.inference_mode():
        right = [list(ENDS)[i] for i in model(ids, mask).argmax(1)] == records["label"]
    assert right.mean() > 0.8
    assert (state.rounds[0].bytes_up < 30_000) == (partial == "lora")


def test_what_compression_keeps_back_is_sent_later_and_bytes_fall(recipe, base_model, homes, tmp_path):
    plain = carried_out(recipe, base_model, tmp_path / "plain", Here(homes))
    for method, share in (("int8", 0.3), ("topk", 0.15)):
        state = carried_out(recipe, base_model, tmp_path / method, Here(homes), compression=method)
        assert state.rounds[0].bytes_up < share * plain.rounds[0].bytes_up
        assert accuracy(state.rounds[-1]) > 0.8


def test_the_way_down_takes_a_quarter_of_the_bytes_and_what_is_kept_here_is_not_rounded(
    recipe, base_model, homes, tmp_path
):
    plain = carried_out(recipe, base_model, tmp_path / "plain", Here(homes))
    state = carried_out(recipe, base_model, tmp_path / "down", Here(homes), downlink="int8")
    assert state.rounds[0].bytes_down < 0.3 * plain.rounds[0].bytes_down
    assert accuracy(state.rounds[-1]) > 0.8
    np.testing.assert_allclose(state.shared["head.weight"], plain.shared["head.weight"], atol=0.1)


# ---- behind masks


def test_behind_masks_the_server_learns_the_sum_and_no_update(recipe, base_model, homes, tmp_path):
    seen = []
    fleet = Between(Here(homes), lambda question, answer: seen.append((question, answer)) or answer)
    plain = carried_out(recipe, base_model, tmp_path / "plain", Here(homes))
    state = carried_out(recipe, base_model, tmp_path / "masked", fleet, secure_aggregation=True)
    np.testing.assert_allclose(state.shared["head.weight"], plain.shared["head.weight"], atol=1e-5)
    trained = [answer for question, answer in seen if question.what == "train"]
    numbers = np.concatenate([answer.arrays["head.weight"].ravel() for answer in trained]) / 2.0**64
    assert abs(numbers.mean() - 0.5) < 0.05  # uniform: an update's own numbers would lie at 0 and at 1
    assert np.histogram(numbers, bins=4)[0].min() > 0.2 * numbers.size
    assert not any("norm" in answer.facts for answer in trained)
    assert (homes[0] / "mask.key").stat().st_mode & 0o077 == 0


def test_behind_masks_a_silo_that_was_away_is_asked_for_the_very_same_and_one_that_stays_away_ends_the_run(
    recipe, base_model, homes, tmp_path
):
    given = []

    def late(question, answer):
        if question.what == "train" and question.round == 2:
            given.append(answer)
            return answer if len(given) > 1 else None
        return answer

    whole = carried_out(recipe, base_model, tmp_path / "whole", Here(homes), secure_aggregation=True)
    state = carried_out(
        recipe, base_model, tmp_path / "late", Between(Here(homes), of_west(late)), secure_aggregation=True
    )
    assert len(given) == 2
    assert (given[0].arrays["head.weight"] == given[1].arrays["head.weight"]).all()
    np.testing.assert_allclose(state.shared["head.weight"], whole.shared["head.weight"], atol=1e-5)
    gone = of_west(lambda question, answer: None if question.round == 2 else answer)
    with pytest.raises(PromiseError, match="2 of 3 silos gave a good answer, and secure aggregation needs all"):
        carried_out(recipe, base_model, tmp_path / "gone", Between(Here(homes), gone), secure_aggregation=True)


def test_a_silo_hides_only_among_the_silos_that_it_knows(recipe, base_model, homes, tmp_path):
    masked = question(recipe, base_model, secure_aggregation=True)
    keys = {home.name: masking.public(home) for home in homes}
    good = silo.answer(homes[0], dataclasses.replace(masked, peers=keys))
    assert good.arrays["head.weight"].dtype == np.uint64
    for peers, reason in (
        ({}, "would hide among 0 silos, and fewer than 3 give each other away"),
        ({**keys, "north": keys["west"]}, "is told another key of its own than it has"),
        ({**keys, "west": keys["south"]}, "knows another key of west"),
        ({**keys, "east": keys["south"]}, "is asked to hide among other silos than in the rounds before"),
        ({**keys, "west": "what"}, "is told what is no key of west"),
    ):
        refused = silo.answer(homes[0], dataclasses.replace(masked, peers=peers))
        assert reason in refused.error
        assert refused.arrays == {}


# ---- how unlike they are


def test_the_last_look_tells_how_unlike_the_silos_texts_are(recipe, base_model, homes, tmp_path):
    long = pd.DataFrame({"text": [f"{'x z ' * 12}{n}" for n in range(60)], "label": "positive"})
    storage.write_table(homes[2] / "data" / "train.parquet", long)
    told = carried_out(recipe, base_model, tmp_path, Here(homes)).rounds[-1].silos
    for what in ("shift.words", "shift.labels", "shift.embedding"):
        assert told["west"][what] > max(told["north"][what], told["south"][what])
    assert told["west"]["shift.words"] > 0.5
    assert told["west"]["label.positive"] == 60


def test_few_records_are_not_described_and_what_is_no_description_is_left_out():
    assert content.described(table(1, content.SMALLEST - 1), None, tuple(ENDS)) == {}
    sums = content.described(table(1, 60), None, tuple(ENDS))
    assert content.compared({"a": sums, "b": {}, "c": {**sums, "words": np.array([1.0])}}, tuple(ENDS)).keys() == {"a"}


@given(st.integers(0, 39))
def test_one_record_moves_each_sum_by_no_more_than_the_noise_is_made_for(left_out):
    records, states = table(2, 40), np.random.default_rng(1).normal(size=(40, 4)).astype(np.float32)
    kept = np.arange(40) != left_out
    whole = content.described(records, states, tuple(ENDS))
    less = content.described(records[kept], states[kept], tuple(ENDS))
    assert all(np.linalg.norm(whole[name] - less[name]) <= 1 + 1e-5 for name in whole)


# ---- silos


def question(recipe, base_model, **changes):
    described = plan(recipe, base_model).model_copy(update={"federate": settings(**changes)})
    arrays = kinds.of(described.federate.partial).initial(described, base_model)
    return Ask("train", "a-run", 1, described.model_dump_json(), arrays)


@pytest.mark.parametrize(
    ("own", "knobs", "reason"),
    [
        ({"allow": ("head",)}, {"partial": "full"}, "its operator lets only head leave, not full"),
        ({"masked": True}, {}, "its operator lets only masked updates leave, and the plan has no secure_aggregation"),
        ({"max_rounds": 2}, {}, "its operator allows 2 rounds, and the plan has 3"),
        ({"max_epsilon": 8.0}, {}, "its operator allows an epsilon of 8, and the plan has no privacy"),
    ],
)
def test_an_operators_rule_is_a_refusal_in_words_and_nothing_leaves(recipe, base_model, homes, own, knobs, reason):
    rules.write(homes[0], rules.Rules("north", str(homes[0] / "data"), str(base_model), **own))
    told = silo.answer(homes[0], question(recipe, base_model, **knobs))
    assert (told.error, told.arrays, told.facts) == (reason, {}, {})
    assert silo.history(homes[0])[-1]["refused"] == reason


def test_an_old_protocol_an_unknown_plan_and_another_base_model_are_refused_in_one_line(
    recipe, base_model, homes, tmp_path
):
    asked = question(recipe, base_model)
    old = silo.answer(homes[0], Ask("train", "r", 1, asked.plan, asked.arrays, protocol=PROTOCOL + 1))
    assert old.error == (
        f"the server speaks protocol {PROTOCOL + 1}, this silo {PROTOCOL}: install the same version of Tidemill"
    )
    unknown = json.dumps({**json.loads(asked.plan), "colour": "red"})
    strange = silo.answer(homes[0], Ask("train", "r", 1, unknown, asked.arrays))
    assert "the server's plan has colour: extra inputs are not permitted" in strange.error
    other = json.dumps({**json.loads(asked.plan), "base_model": "0" * 64})
    assert "is another base model than the server's" in silo.answer(homes[0], Ask("train", "r", 1, other, {})).error
    for told in (old, strange):
        assert "\n" not in told.error


def test_a_silo_without_files_or_with_foreign_labels_says_which(recipe, base_model, homes, tmp_path):
    (tmp_path / "none").mkdir()
    rules.write(homes[0], rules.Rules("north", str(tmp_path / "none"), str(base_model)))
    assert "holds no Parquet file" in silo.answer(homes[0], question(recipe, base_model)).error
    storage.write_table(tmp_path / "none" / "all.parquet", table(3, 40).replace("neutral", "furious"))
    told = silo.answer(homes[0], question(recipe, base_model)).error
    assert "has labels ['furious'], and the plan's classes are ['negative', 'neutral', 'positive']" in told


def test_rows_in_one_file_are_put_into_parts_by_their_text_and_hashed_whatever_their_order(tmp_path):
    from tasks.federate.silo_data import read

    rows = table(5, 400).drop_duplicates("text")
    storage.write_table(tmp_path / "a" / "all.parquet", rows)
    storage.write_table(tmp_path / "b" / "all.parquet", rows.iloc[::-1])
    first, second = (read(tmp_path / name, tuple(ENDS)) for name in "ab")
    assert first.sha256 == second.sha256
    assert sum(map(len, first.parts.values())) == len(rows)
    assert not set(first.parts["train"]["text"]) & set(first.parts["test"]["text"])


# ---- privacy


@pytest.mark.slow  # the accountant takes its time
def test_privacy_is_spent_as_planned_kept_on_account_and_stopped_at_the_operators_limit(
    recipe, base_model, homes, tmp_path
):
    knobs = {"privacy": {"epsilon": 3.0, "delta": 1e-3}, "rounds": 2}
    state = carried_out(recipe, base_model, tmp_path, Here(homes), **knobs)
    told = state.rounds[-1].silos
    assert all(2.5 < facts["epsilon"] <= 3.0 for facts in told.values())
    assert not any(name.startswith(("label.", "shift.")) for facts in told.values() for name in facts)
    knobs["privacy"]["profile_epsilon"] = 1.0
    for home in homes:
        (home / "privacy.json").unlink()  # the account of the same run under another plan
    described = carried_out(recipe, base_model, tmp_path / "described", Here(homes), **knobs).rounds[-1].silos
    assert all(3.0 < facts["epsilon"] <= 4.0 and "shift.words" in facts for facts in described.values())
    rules.write(homes[0], rules.Rules("north", str(homes[0] / "data"), str(base_model), max_epsilon=3.5))
    asked = question(recipe, base_model, **knobs)
    again = silo.answer(homes[0], Ask("train", "another-run", 1, asked.plan, asked.arrays))
    assert "of all federations, and its operator allows 3.5" in again.error
    assert again.arrays == {}


@pytest.mark.slow  # the accountant takes its time
def test_a_round_asked_twice_has_the_same_noise_and_spends_once(recipe, base_model, homes):
    asked = question(recipe, base_model, privacy={"epsilon": 2.0, "delta": 1e-3})
    first, second = (silo.answer(homes[0], asked) for _ in range(2))
    assert all((first.arrays[name] == second.arrays[name]).all() for name in first.arrays)
    (account,) = storage.read_json(homes[0] / "privacy.json").values()
    assert account["a-run"]["rounds"] == 1
    assert (homes[0] / "noise.key").stat().st_mode & 0o077 == 0
    for number in (2, 3):  # the same round with other arrays is another question, and costs another round
        arrays = {name: values + number for name, values in asked.arrays.items()}
        assert silo.answer(homes[0], dataclasses.replace(asked, arrays=arrays)).error == ""
    arrays = {name: values + 4 for name, values in asked.arrays.items()}
    assert "asked more than 3 questions" in silo.answer(homes[0], dataclasses.replace(asked, arrays=arrays)).error
    changed = asked.plan.replace('"local_epochs":2.0', '"local_epochs":9.0')
    assert "is told another plan" in silo.answer(homes[0], dataclasses.replace(asked, plan=changed)).error
    other = silo.answer(homes[1], asked)
    assert not (first.arrays["head.weight"] == other.arrays["head.weight"]).any()


def test_no_record_moves_a_private_sum_by_more_than_the_clip():
    random = np.random.default_rng(2)
    records = Encoded(100 * random.normal(size=(50, 8)).astype(np.float32), random.integers(0, 3, 50))
    start = {"head.bias": np.zeros(3, np.float32), "head.weight": np.zeros((3, 8), np.float32)}

    def moved(kept, learning_rate=1.0):
        noise = Noise(0.0, 0.5, 1.0, (1,))
        local = Local(1, 50, learning_rate, 0.0, (), noise)
        after = head.trained(start, Encoded(records.states[:kept], records.classes[:kept]), local)
        return kept * np.hstack([after["head.weight"], after["head.bias"][:, None]])

    assert np.linalg.norm(moved(50) - moved(49)) <= 0.5 * (1 + 1e-5)


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ({"secure_aggregation": True, "aggregation": "median"}, "masked updates cannot be looked at"),
        ({"secure_aggregation": True, "norm_bound": 1.0}, "masked updates cannot be looked at"),
        ({"secure_aggregation": True, "compression": "int8"}, "what is masked cannot be compressed"),
        ({"privacy": {"epsilon": 1}, "partial": "full"}, "privacy: covers partial: head only"),
        ({"privacy": {"epsilon": 1}, "compression": "topk"}, "privacy with compression: topk is refused"),
        ({"personal": True, "partial": "lora"}, "personal: fits heads on the frozen encoder"),
    ],
)
def test_a_combination_that_is_not_sound_is_refused_when_the_recipe_is_read(request, tmp_path, section, reason):
    import yaml

    content = yaml.safe_load((request.config.rootpath / "recipes/feedback.yaml").read_text())
    (tmp_path / "feedback.yaml").write_text(yaml.safe_dump({**content, "federate": section}))
    with pytest.raises(RecipeError) as caught:
        load(tmp_path / "feedback.yaml")
    assert reason in str(caught.value)


# ---- pure


arrays_of_numbers = st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=40)


@given(arrays_of_numbers, st.sampled_from(["none", "int8", "topk"]), st.floats(0.01, 1.0))
def test_an_update_arrives_but_for_what_is_kept_for_later(numbers, method, share):
    update = {"a": np.array(numbers, np.float32)}
    sent, lost = compression.with_feedback(update, {}, method, share)
    arrived = compression.decoded(sent, update, method)
    np.testing.assert_allclose(arrived["a"] + lost["a"], update["a"], atol=1e-3)


def test_positions_that_are_none_are_refused():
    like = {"a": np.zeros(4, np.float32)}
    sent = {"a|index": np.array([9], np.int32), "a|value": np.array([1.0], np.float32)}
    with pytest.raises(TidemillError, match="sent a with positions that are none of its 4 values"):
        compression.decoded(sent, like, "topk")


@given(st.lists(st.lists(st.floats(-10, 10), min_size=3, max_size=3), min_size=5, max_size=8))
def test_the_order_of_silos_does_not_matter_and_equal_updates_are_their_own_combination(rows):
    updates = np.array(rows)
    weights = np.ones(len(rows))
    for how in ("mean", "median", "trimmed_mean"):
        forth, back = (combined(u, weights, how, 1) for u in (updates, updates[::-1]))
        np.testing.assert_allclose(forth, back, atol=1e-9)
        np.testing.assert_allclose(combined(np.ones((5, 3)), np.ones(5), how, 1), np.ones(3))


def test_krum_trusts_the_liar_least_and_says_when_it_has_too_few():
    updates = np.array([[1.0, 1.0], [1.1, 1.0], [0.9, 1.1], [1.0, 0.9], [-50.0, 70.0]])
    assert krum_order(updates, 1)[-1] == 4
    np.testing.assert_allclose(combined(updates, np.ones(5), "krum", 1), [1.0, 1.0], atol=0.1)
    with pytest.raises(PromiseError, match="krum against 1 poisoned needs 5 updates, and 4 are good"):
        combined(updates[:4], np.ones(4), "krum", 1)


def test_fedavg_adds_the_mean_and_fedadam_goes_its_way_at_its_own_pace():
    shared, update = np.zeros(3, np.float32), np.array([1.0, -2.0, 0.0], np.float32)
    plain, _ = server_step.moved(shared, update, server_step.start(3), Federate())
    np.testing.assert_allclose(plain, update)
    chosen = Federate(strategy="fedadam", server_learning_rate=0.1)
    adam, moments = server_step.moved(shared, update, server_step.start(3), chosen)
    assert (np.sign(adam) == np.sign(update)).all()
    assert abs(adam).max() <= 0.1 * 0.1 / np.sqrt(0.01) + 1e-6
    assert moments.first[0] == pytest.approx(0.1)


def test_a_round_is_told_in_one_line_with_who_is_missing():
    heard = state.Round(2, {"a": {"validation_rows": 10, "validation_right": 7}}, {"b": "went away"}, 2000, 1000, 3.0)
    line = state.told(heard, 5)
    assert line.startswith("round 2/5: 1 silos; accuracy before it 0.7000 on 10 validation records; 1.0 kB up")
    assert line.endswith("b went away")
