"""
Screenshot for docs/page.png: a real thread of the demo in Debian's chromium-headless-shell.

`make screenshot` runs it. The demo samples greedily, so every run shows the same words.
"""

import sys
from pathlib import Path
from typing import Final

from playwright.sync_api import sync_playwright

from demo.__main__ import EXAMPLE_QUESTION
from demo.page_client import CHANNEL, USER, PageClient, Reply
from demo.processes import REPOSITORY
from demo.stack import Stack

OUTPUT_FILE: Final = REPOSITORY / "docs" / "page.png"
CHROMIUM_PATH: Final = "/usr/lib/chromium/chromium-headless-shell"
VIEWPORT: Final = {"width": 1280, "height": 800}


def main(question: str) -> None:
    """Run the demo, ask the question and save a screenshot of its thread."""
    with Stack(REPOSITORY / ".demo", port=0) as stack:
        client = stack.start_services(lambda what: print(what, file=sys.stderr))
        *_, reply = client.ask_question(question, stack.check_services)
        _take_screenshot(client, reply)
    print(OUTPUT_FILE.relative_to(REPOSITORY), file=sys.stderr)


def _take_screenshot(client: PageClient, reply: Reply) -> None:
    thread = reply.messages[0]["thread_ts"]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=Path(CHROMIUM_PATH), args=["--no-sandbox"])
        window = browser.new_page(
            viewport={"width": VIEWPORT["width"], "height": VIEWPORT["height"]}
        )
        window.goto(f"{client.address}/#/{USER}/{CHANNEL}/{thread}")
        window.get_by_text("It may be wrong").last.wait_for()
        window.evaluate("document.fonts.ready")
        window.mouse.move(0, 0)
        window.screenshot(path=OUTPUT_FILE)
        browser.close()


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or EXAMPLE_QUESTION)
