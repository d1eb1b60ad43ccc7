"""The page in a real browser: by keyboard, on a phone, in two languages, and clean by axe's rules for screen readers.

Without Chromium these tests are skipped.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import NEEDED, chromium, complaints, violations
from endpoint import Endpoint, champion_endpoint, register
from tiny_project import Servers

from tasks import ledger, tracking

pytest_plugins = ["endpoint", "small_model", "tiny_project"]

pytestmark = [pytest.mark.slow, NEEDED]

PHONE, DESK = {"width": 360, "height": 740}, {"width": 1100, "height": 900}


@pytest.fixture(scope="module")
def endpoint(
    small_versions: list[Path], live_servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Endpoint]:
    home = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", live_servers.urls["mlflow"])
        old, new = (register("page", folder) for folder in small_versions)
        tracking.set_alias("page", tracking.CHAMPION, old)
        tracking.set_alias("page", tracking.CHALLENGER, new)
        ledger.append(home, "page", "promotion", old, {"reason": "it is the first version"})
        settings = {"trial": {"mode": "shadow"}, "follow_s": 0.2}
        with champion_endpoint("page", home, live_servers.urls["mlflow"], serve=settings) as started:
            yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with chromium() as started:
        yield started


@pytest.fixture(params=[PHONE, DESK], ids=["phone", "desk"])
def page(browser, endpoint: Endpoint, request: pytest.FixtureRequest):
    context = browser.new_context(viewport=request.param, locale="en-GB")
    opened = context.new_page()
    opened.asked = []
    opened.on("request", lambda asked: opened.asked.append(asked.url))
    opened.complaints = complaints(opened)
    opened.goto(endpoint.url)
    opened.wait_for_selector("#version:has-text('in service')")
    yield opened
    context.close()


def classify(page, text: str) -> None:
    page.fill("#content", text)
    page.click("#send")
    page.wait_for_selector("#answer:not([hidden])")
    page.locator("#recent td", has_text=text[:10]).first.wait_for()


def test_a_text_is_classified_explained_and_corrected(page, endpoint: Endpoint) -> None:
    classify(page, "bad bell cood gust")
    assert page.text_content("#class").startswith(endpoint.predict("bad bell cood gust")["class"])
    assert page.locator("#parts mark").all_text_contents() == ["bad", "bell", "cood", "gust"]
    assert "Zeiler and Fergus" in page.text_content("#method")
    page.click("#classes button:has-text('neutral')")
    page.wait_for_selector("#thanks:has-text('Thank you')")
    page.wait_for_selector("#recent td:has-text('corrected: neutral')")
    assert page.get_attribute("#classes button:has-text('neutral')", "aria-pressed") == "true"
    assert page.complaints == []


def test_a_key_is_asked_for_only_where_one_is_needed(page) -> None:
    assert not page.is_visible("#key")
    page.route("**/v1/predict", lambda route: route.fulfill(status=401, body='{"error": "no valid API key"}'))
    page.fill("#content", "bad")
    page.click("#send")
    page.wait_for_selector("#key:visible")
    assert page.text_content("#error") == "no valid API key"


def test_everything_comes_from_this_server_and_fits_the_screen(page, endpoint: Endpoint) -> None:
    classify(page, "bad " * 60)
    assert all(url.startswith((endpoint.url, "data:")) for url in page.asked)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_axe_finds_nothing_in_either_language_light_or_dark(page) -> None:
    classify(page, "bad bell cood gust")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert violations(page) == []
    page.click("#language")
    page.wait_for_selector("h2:has-text('试用模型')")
    assert page.get_attribute("html", "lang") == "zh-Hans"
    assert violations(page) == []
    assert "置信度" in page.text_content("thead")


def test_the_keyboard_alone_is_enough(page) -> None:
    page.focus("#content")
    page.keyboard.type("good dine")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#answer:not([hidden])")
    page.wait_for_function("document.activeElement.id === 'answer-heading'")
    for _ in range(3):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('#classes') !== null"):
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("#thanks:has-text('Thank you')")
    assert page.evaluate("document.activeElement.closest('#classes') !== null"), "the focus stays where the user is"


def test_history_and_trial_are_shown(page) -> None:
    page.wait_for_selector("#trial:not([hidden])")
    assert "2 against 1" in page.text_content("#trial-facts")
    assert "it is the first version" in page.text_content("#history")


def test_what_the_user_types_is_never_markup(page) -> None:
    classify(page, "<img src=x onerror=document.title=1> bad")
    assert page.title() == "A small recipe"
    assert page.locator("#recent img, #parts img").count() == 0


def test_a_refusal_is_told_in_words(page) -> None:
    page.route("**/v1/predict", lambda route: route.fulfill(status=429, headers={"Retry-After": "3"}, body="{}"))
    page.fill("#content", "bad")
    page.click("#send")
    page.wait_for_selector("#error:has-text('Busy; try again in 3 s.')")


def test_the_interface_page_lists_every_route(browser, endpoint: Endpoint) -> None:
    opened = browser.new_page()
    opened.goto(f"{endpoint.url}/docs")
    opened.wait_for_selector("h2:has-text('POST /v1/predict')")
    assert violations(opened) == []
    opened.close()
