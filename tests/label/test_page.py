# SPDX-License-Identifier: Apache-2.0
"""The page at /lsms/ in a real browser: Debian's Chromium, without a window."""

import re
import shutil

import nibabel
import numpy as np
import pytest
from scenes import SHAPE, dice, scene

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect
expect.set_options(timeout=120_000)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CONTOUR = "const [r, g, b] = [255, 221, 0]"  # the first colour of page.js
# Where the contour's colour lies on the canvas: mean x and y in 0..1, and number of pixels.
FIND_CONTOUR = f"""() => {{
    const canvas = document.getElementById('canvas');
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    {CONTOUR};
    let [x, y, n] = [0, 0, 0];
    for (let i = 0; i < data.length; i += 4) {{
        if (data[i] === r && data[i + 1] === g && data[i + 2] === b) {{
            x += (i / 4) % canvas.width; y += Math.floor(i / 4 / canvas.width); n += 1;
        }}
    }}
    return {{x: x / n / canvas.width, y: y / n / canvas.height, n}};
}}"""


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed; apt-get install chromium")
    with playwright.sync_playwright() as run:
        opened = run.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(params=[(1280, 800), (390, 844)], ids=["wide", "narrow"])
def page(browser, server, request):
    """The page with the study "oblique" open; an error of its script fails the test."""
    width, height = request.param
    opened = browser.new_page(viewport={"width": width, "height": height})
    opened.set_default_timeout(120_000)
    errors, elsewhere = [], []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("request", lambda sent: elsewhere.append(sent.url))
    opened.goto(f"{server.address}/lsms/")
    choose(opened, "oblique")
    yield opened
    opened.close()
    assert errors == []
    assert [url for url in elsewhere if not url.startswith((server.address, "data:"))] == []


def choose(page, study):
    page.select_option("#study", study)
    expect(page.locator("#status")).to_have_text("")


def position(page):
    return page.locator("#position").text_content()


def ask(page, prompt):
    page.fill("#prompt", prompt)
    page.press("#prompt", "Enter")
    page.wait_for_selector("#answers li, #error:not([hidden])")


def contour(page):
    """What `FIND_CONTOUR` finds, once the slice that was gone to is on the canvas."""
    for _ in range(300):  # the page forbids `eval`, which `wait_for_function` needs from its second look on
        if page.evaluate("document.getElementById('canvas').getContext('2d').getImageData(0, 0, 1, 1).data[3] > 0"):
            return page.evaluate(FIND_CONTOUR)
        page.wait_for_timeout(100)
    raise AssertionError("the slice must be on the canvas after half a minute, but is not")


def expected_place(word):
    """Middle of a lesion in the picture, 0..1."""
    mask = scene()[1][word]
    return [float(np.mean(np.nonzero(mask)[axis]) + 0.5) / SHAPE[axis] for axis in (0, 1)]


def test_an_expression_shows_its_contour_and_another_one_moves_it(page):
    for word, side in (("dark", "right"), ("bright", "left")):
        ask(page, f"the {word} lesion")
        shown = contour(page)
        assert shown["n"] > 50
        assert [shown["x"], shown["y"]] == pytest.approx(expected_place(word), abs=0.05)
        text = page.locator("#answers").inner_text()
        assert re.search(r"Found: 1 lesion, [\d.]+ ml, longest axial diameter \d+ mm", text)
        assert f"On the patient's {side} side" in text
    assert contour(page)["x"] > 0.5  # the patient's left is on the right of the picture


def test_keys_and_wheel_scroll_through_the_slices(page):
    expect(page.locator("#position")).to_have_text("5 / 9")
    page.focus("#stage")
    for key, expected in (("ArrowUp", 6), ("PageUp", 9), ("Home", 1), ("End", 9), ("ArrowDown", 8), ("PageDown", 3)):
        page.keyboard.press(key)
        assert position(page) == f"{expected} / 9"
    page.hover("#canvas")
    page.mouse.wheel(0, 120)
    expect(page.locator("#position")).to_have_text("2 / 9")


def test_keys_typed_into_the_expression_do_not_scroll(page):
    expect(page.locator("#position")).to_have_text("5 / 9")
    page.focus("#prompt")
    page.keyboard.press("Home")
    assert position(page) == "5 / 9"


def test_the_mask_that_is_downloaded_is_the_answer(page, tmp_path):
    ask(page, "the dark lesion")
    with page.expect_download() as downloading:
        page.click("text=Download the mask")
    path = tmp_path / downloading.value.suggested_filename
    downloading.value.save_as(path)
    assert path.name == "oblique_the-dark-lesion_seg.nii.gz"
    mask = nibabel.load(path).get_fdata() > 0
    assert dice(mask, scene()[1]["dark"]) > 0.9


def test_what_is_not_found_is_said_and_draws_nothing(page):
    choose(page, "healthy")
    expect(page.locator("#position")).to_have_text("5 / 9")
    ask(page, "the dark lesion")
    assert "Not found" in page.locator("#answers").inner_text()
    assert contour(page)["n"] == 0


def test_an_error_is_shown_as_text(page):
    ask(page, "  ")
    assert "prompt must name a lesion in words" in page.locator("#error").inner_text()
    choose(page, "broken")
    expect(page.locator("#error")).to_contain_text("broken cannot be shown")


def test_what_a_person_types_is_shown_as_text_and_never_run(page):
    ask(page, "<img src=x onerror=document.title='run'> dark")
    assert "<img src=x" in page.locator("#answers h2").inner_text()
    assert page.title() != "run"


def test_nothing_is_wider_than_the_screen(page):
    ask(page, "the dark lesion; the bright lesion; " + "x" * 300)
    assert page.locator("#answers li").count() == 3
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_hiding_the_contour_takes_it_off_the_slice(page):
    ask(page, "the dark lesion")
    page.click("text=Hide the contour")
    assert contour(page)["n"] == 0
    page.click("text=Show the contour")
    assert contour(page)["n"] > 50
