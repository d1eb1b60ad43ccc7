"""Label Studio's page for each kind in a real browser: seen, refused while it is empty, answered, and the answer read.

Without Chromium these tests are skipped.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from chromium import NEEDED, chromium
from real_studio import RealStudio

from flows import studio_access
from tasks.annotations import label_rows
from tasks.label import page
from tasks.label.studio import exchange, projects
from tasks.label.studio.connection import Studio
from tasks.recipe import Labels, Ratings

pytest_plugins = ["tiny_project", "real_studio"]

pytestmark = [pytest.mark.slow, NEEDED]

CHINESE, ARABIC, HEBREW, EMOJI = "这部电影非常好看", "هذا المنتج رائع", "קצר וטוב", "so good 🎉👍🏽 — <b>“&”</b>"
DOT = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAIAAAACUFjqAAAAEklEQVR4nGP8z4APMOGVHbHSAEEsAROxCnMTAAAAAElFTkSuQmCC"
PAIR = Labels(classes=("ham", "spam 垃圾"))
SCALE = Labels(classes=("bad", "good"), ratings=Ratings(low=-2, high=2, cuts=(0,)))

KINDS: dict[str, tuple[str, Labels, dict[str, str], str]] = {
    "text": ("classify_text", PAIR, {"text": f"{CHINESE}\n{ARABIC}\n{HEBREW}\n{EMOJI}"}, "spam 垃圾"),
    "scale": ("classify_text", SCALE, {"text": HEBREW}, "-1"),
    "image": ("classify_image", PAIR, {"image": DOT}, "spam 垃圾"),
    "translation": ("translate", PAIR, {"source_text": CHINESE, "target_text": ARABIC}, f"{HEBREW} 👋"),
    "preference": ("generate", PAIR, {"prompt": CHINESE, "answer_a": ARABIC, "answer_b": EMOJI}, "right"),
    "rating": ("recommend", PAIR, {"text": f"{HEBREW} 🎬"}, "4"),
}


@pytest.fixture(scope="module")
def browser(live_studio: RealStudio) -> Iterator[Any]:
    """Chromium, in which the administrator has signed in."""
    admin = studio_access.administrator(live_studio.home)
    with chromium() as started:
        opened = started.new_context(viewport={"width": 1300, "height": 900}).new_page()
        opened.goto(f"{live_studio.url}/user/login/")
        opened.fill("input[name=email]", admin.email)
        opened.fill("input[name=password]", admin.password)
        opened.click("button[type=submit]")
        opened.wait_for_url(f"{live_studio.url}/")
        yield opened


def give(browser: Any, kind: str, answer: str) -> None:
    """Answer as a person does."""
    if kind == "translate":
        browser.locator("[data-testid=textarea-control] textarea").first.fill(answer)
    elif kind == "recommend":
        browser.locator(".ant-rate-star").nth(int(answer) - 1).click()
    else:
        browser.locator(".lsf-choice", has_text=answer).click()


@pytest.mark.parametrize("case", KINDS)
def test_a_person_sees_the_record_answers_it_and_is_understood(case: str, studio: Studio, browser: Any) -> None:
    kind, scheme, data, answer = KINDS[case]
    project = projects.ensured(studio, f"[{case}]", {"title": case, "label_config": page.page(kind, scheme)})
    exchange.add_tasks(studio, project, [{"data": {**data, "record_id": "x"}}])
    ((task, _),) = exchange.task_keys(studio, project)
    browser.goto(f"{studio.url}/projects/{project}/data?task={task}")
    submit = browser.locator("button", has_text="Submit")
    submit.wait_for()
    shown = browser.locator(".lsf-main-content")
    for name, content in data.items():
        for line in content.splitlines():
            if name == "image":
                picture = shown.locator("img").first
                assert picture.evaluate("image => image.naturalWidth") == 10
            elif name == "target_text":
                assert browser.locator("[data-testid=textarea-control] textarea").first.input_value() == line
            else:
                text = shown.locator(".lsf-richtext", has_text=line)
                text.wait_for()
                styles = "element => { const found = []; for (let e = element; e; e = e.parentElement) found.push(getComputedStyle(e).unicodeBidi); return found }"
                assert "plaintext" in text.evaluate(styles), "each line runs in the direction of its first letter"
    if kind != "translate":
        submit.click()
        browser.get_by_text("Please answer first").wait_for()
        browser.locator(".ant-modal-confirm button, .ant-modal-content button").first.click()
        assert studio.ask("GET", f"/api/tasks/{task}/")["total_annotations"] == 0
    give(browser, kind, answer)
    with browser.expect_response(lambda told: "/annotations" in told.url and told.request.method == "POST") as sent:
        submit.click()
    assert sent.value.ok
    rows, refused = label_rows(exchange.exported(studio, project, [task]), page.CONTROL)
    assert ([row["label"] for row in rows], refused) == ([answer], ())
