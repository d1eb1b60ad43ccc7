"""Personal data is found and masked; ordinary numbers are left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from tasks.errors import RecipeError
from tasks.prepare.finders import accounts, cards, emails, phones
from tasks.prepare.personal_data import actions_by_kind, cleaned, finders, found_in
from tasks.recipe import PersonalData


def masked(text: str, **actions: str) -> str:
    wanted = PersonalData.model_validate(actions)
    return cleaned(text, finders(wanted), actions_by_kind(wanted)).text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to jane.doe+x@mail.example.com.", "write to [EMAIL]."),
        ("<a href='mailto:a@b.org'>", "<a href='mailto:[EMAIL]'>"),
        ("jörg@müller.de schreibt", "[EMAIL] schreibt"),
        ("call (212) 566-8082 today", "call [PHONE] today"),
        ("call 423 521 0367", "call [PHONE]"),
        ("fax +39 0323 586672 > http", "fax [PHONE] > http"),
        ("mobile +33 609 843217", "mobile [PHONE]"),
        ("card 4111 1111 1111 1111 123 exp", "card [CARD] 123 exp"),
        ("card 4111-1111-1111-1111, thanks", "card [CARD], thanks"),
        ("amex 378282246310005", "amex [CARD]"),
        ("card:2223003122003222", "card:[CARD]"),
        ("pay DE89 3704 0044 0532 0130 00 now please", "pay [ACCOUNT] now please"),
        ("pay gb82west12345698765432", "pay [ACCOUNT]"),
        ("two@a.org and two@b.org", "[EMAIL] and [EMAIL]"),
    ],
)
def test_personal_data_is_masked_and_the_words_around_it_stay(text: str, expected: str) -> None:
    assert masked(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "troubleshooting ad-2500 and ad-2600 no picture",
        "repost from january 13, 2004 at 20:15, 1999-2004",
        "it cost $1,299.99 and 4111.1111111111 more",
        "see http://209.236.57.11/c.php?cid=181 or 10.97.5.1",
        "http://x.org/4111111111111111/5105105105105100",
        "http://x.org/call/212-566-8082",
        "devices.example.net (216.46.231.87) by host",
        "30 32 55 54 30 38 32 33 32 33 34 33 20 53",
        "sizes 600x600 36 800 824 896 1024",
        "a run of 0000 0000 0000 0000 or 6666666666666",
        "order 20020822123456789 and 4111 1111 1111 1112",
        "DE89 3704 0044 0532 0130 01 fails its check",
        "twitter.com/@anonymous @ noon, a@b",
        "version 3.14.159 build 2653589",
    ],
)
def test_ordinary_numbers_and_product_names_are_left_alone(text: str) -> None:
    assert masked(text) == text


def test_a_flagged_kind_is_noted_and_not_masked_and_a_kept_one_is_not_looked_for() -> None:
    wanted = PersonalData.model_validate({"email": "flag", "phone": "keep"})
    result = cleaned("a@b.org, (212) 566-8082, 378282246310005", finders(wanted), actions_by_kind(wanted))
    assert result.text == "a@b.org, (212) 566-8082, [CARD]"
    assert result.kinds == ("email", "card")


def test_of_two_that_overlap_the_kind_with_the_better_proof_wins() -> None:
    both = {"card": lambda _: [(0, 8)], "phone": lambda _: [(4, 12), (20, 24)]}
    assert found_in("x" * 30, both) == {(0, 8): "card", (20, 24): "phone"}


def test_the_region_decides_how_numbers_without_a_country_code_are_read() -> None:
    assert phones("Tel. 030 901820", "DE")
    assert not phones("Tel. 030 901820", "US")


def test_names_without_the_library_end_in_a_sentence_that_says_what_to_install() -> None:
    wanted = PersonalData.model_validate({"name": "mask", "spacy_pipeline": "xx_no_such_pipeline"})
    with pytest.raises(RecipeError, match=r"personal_data\.name.*xx_no_such_pipeline.*install.*name: keep"):
        finders(wanted)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=300))
def test_masking_a_text_twice_is_masking_it_once(text: str) -> None:
    once = masked(text)
    assert masked(once) == once


@given(st.integers(min_value=10**11, max_value=10**17 - 1), st.sampled_from("3456"))
def test_every_number_with_a_right_check_digit_is_a_card_and_with_a_wrong_one_is_none(body: int, first: str) -> None:
    digits = f"{first}{body}"
    right = luhn.calc_check_digit(digits)
    wrong = (int(right) + 1) % 10
    assert cards(f"no. {digits}{right}!") == [(4, 5 + len(digits))]
    assert not cards(f"no. {digits}{wrong}!")


@pytest.mark.parametrize(
    "text", ["a" * 50_000, "1" * 50_000, "1 " * 25_000, "@" * 20_000, "DE89 " * 5_000, "a.b@" * 9_000]
)
def test_no_text_takes_the_patterns_longer_than_it_is(text: str) -> None:
    assert [*emails(text), *accounts(text), *cards(text)] == []
