"""Near duplicates: what is near, what is not, and that later records never change the fate of earlier ones."""

import itertools

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.prepare.classify_text import compared
from tasks.prepare.near_duplicates import PERMUTATIONS, bands, originals
from tasks.recipe import Prepare
from tasks.similarity import LONGEST_WORDS, jaccard, shingles

WORDS = st.sampled_from(["the", "cat", "sat", "on", "a", "mat", "with", "its", "hat", "and", "bat"])
TEXTS = st.lists(st.lists(WORDS, max_size=30).map(" ".join), max_size=25)


def sifted(records: pd.DataFrame, similarity: float | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    return compared(records, Prepare(near_duplicate_similarity=similarity), lambda _done, _note="": None)


def table(texts: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"record_id": [f"{n:064x}" for n in range(len(texts))], "text": texts}).astype("str")


def test_case_and_punctuation_make_no_difference() -> None:
    texts = ["Damn. We just lost power.", "other words entirely", "DAMN! we just lost POWER!!"]
    assert originals(texts, 0.85) == [None, None, 0]


def test_texts_without_words_are_near_only_when_they_are_equal() -> None:
    assert originals([":-)", ":-(", ":-)", "* ;"], 0.85) == [None, None, 0, None]


def test_a_single_word_is_compared_as_a_word() -> None:
    assert originals(["wow", "nightmare", "Wow!"], 0.85) == [None, None, 0]


def test_one_changed_word_of_fifteen_is_near_and_two_are_not() -> None:
    words = [f"w{n}" for n in range(15)]
    one, two = ["x", *words[1:]], ["x", "y", *words[2:]]
    assert originals([" ".join(words), " ".join(one)], 0.85) == [None, 0]
    assert originals([" ".join(words), " ".join(two)], 0.85) == [None, None]


def test_of_two_kept_texts_that_are_near_the_earlier_one_is_named() -> None:
    assert originals(["a b c d", "c d e f", "b c d e"], 0.5) == [None, None, 0]


def test_the_order_of_words_counts_in_long_texts() -> None:
    words = [f"w{n}" for n in range(60)]
    assert originals([" ".join(words), " ".join(reversed(words))], 0.85) == [None, None]


def test_very_long_texts_are_compared_by_their_first_words() -> None:
    words = [f"w{n}" for n in range(LONGEST_WORDS)]
    assert originals([" ".join(words), " ".join([*words, "and", "more"])], 1.0) == [None, 0]


@pytest.mark.parametrize("similarity", [0.31, 0.5, 0.7, 0.85, 0.95, 1.0])
def test_the_bands_meet_nearly_every_pair_that_is_just_similar_enough(similarity: float) -> None:
    count, rows = bands(similarity)
    assert count * rows <= PERMUTATIONS
    assert 1 - (1 - similarity**rows) ** count >= 0.999


@settings(max_examples=40, deadline=None)
@given(TEXTS, TEXTS, st.sampled_from([0.4, 0.7, 0.85, 1.0]))
def test_further_texts_never_change_the_fate_of_earlier_ones(texts: list[str], more: list[str], least: float) -> None:
    assert originals([*texts, *more], least)[: len(texts)] == originals(texts, least)


@settings(max_examples=40, deadline=None)
@given(TEXTS, st.sampled_from([0.4, 0.7, 0.85, 1.0]))
def test_a_dropped_text_is_truly_near_the_first_kept_one_that_is(texts: list[str], least: float) -> None:
    found = originals(texts, least)
    for position, original in enumerate(found):
        if original is not None:
            assert original < position
            assert found[original] is None
            assert jaccard(shingles(texts[original]), shingles(texts[position])) >= least


@settings(max_examples=40, deadline=None)
@given(TEXTS)
def test_no_two_kept_texts_say_the_same_words_in_the_same_order(texts: list[str]) -> None:
    kept, _ = sifted(table(texts), 0.85)
    assert not any(one == other for one, other in itertools.combinations(kept["text"], 2))


def test_each_dropped_record_has_its_reason_and_names_the_kept_one() -> None:
    records = table(["hello big world", "", "Hello, big world!", "something else"])
    again = pd.concat([records, records.iloc[[2, 3]]], ignore_index=True)
    kept, dropped = sifted(again, 0.85)
    identities = records["record_id"]
    assert kept["text"].tolist() == ["hello big world", "something else"]
    assert dropped["reason"].tolist() == ["empty text", "near duplicate", "exact duplicate", "exact duplicate"]
    assert dropped["of"].fillna("none").tolist() == ["none", identities[0], identities[0], identities[3]]


def test_without_a_similarity_near_duplicates_stay() -> None:
    kept, dropped = sifted(table(["hello", "Hello!"]), None)
    assert len(kept) == 2
    assert dropped.empty
