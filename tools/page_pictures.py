# SPDX-License-Identifier: Apache-2.0
"""Take the pictures of docs/monai_label.md from a running server: the page, wide and narrow, and an error.

Needs `make test-label` once, for its environment, and Chromium; start `make label` first:

    .venv-label/bin/python tools/page_pictures.py --study phantom_00000 --prompt "the cyst in the left lobe"
"""

import argparse
import shutil
from pathlib import Path

SCREENS = {"wide": (1280, 800), "narrow": (390, 844)}


def take_pictures(address: str, study: str, prompt: str, folder: Path) -> list[Path]:
    """Open the page, ask, and keep what it shows.

    Args:
        address: of the server, without a path.
        study: name of the study to choose.
        prompt: what to ask.
        folder: for the pictures; made if need be.

    Returns:
        The pictures.
    """
    from playwright.sync_api import expect, sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    with sync_playwright() as run:
        browser = run.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, (width, height) in SCREENS.items():
            page = browser.new_page(viewport={"width": width, "height": height})
            page.goto(f"{address}/lsms/")
            page.select_option("#study", study)
            expect(page.locator("#status")).to_have_text("")
            page.fill("#prompt", prompt)
            page.press("#prompt", "Enter")
            page.wait_for_selector("#answers li", timeout=120_000)
            page.wait_for_timeout(500)
            pictures.append(folder / f"page_{name}.png")
            page.screenshot(path=pictures[-1], full_page=name == "narrow")
            page.close()
        browser.close()
    return pictures


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--address", default="http://127.0.0.1:8000")
    parser.add_argument("--study", required=True)
    parser.add_argument("--prompt", required=True)
    parser.add_argument("--folder", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    take_pictures(options.address, options.study, options.prompt, options.folder)


if __name__ == "__main__":
    main()
