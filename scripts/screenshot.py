"""
Takes docs/page.png: a real thread of the demo, as Debian's chromium shows it.

`make screenshot` runs it. The demo takes the likeliest token, so the words are the same again.
"""

import sys
from pathlib import Path
from typing import Final

from playwright.sync_api import sync_playwright

from demo.__main__ import FIRST
from demo.page_client import CHANNEL, PERSON, Page, Reply
from demo.processes import REPOSITORY
from demo.stack import Stage

PICTURE: Final = REPOSITORY / "docs" / "page.png"
CHROMIUM: Final = "/usr/bin/chromium"
SIZE: Final = {"width": 1280, "height": 800}


def main(question: str) -> None:
    """Run the demo, ask, and take the picture of the thread."""
    with Stage(REPOSITORY / ".demo", port=0) as stage:
        page = stage.start(lambda what: print(what, file=sys.stderr))
        *_, reply = page.ask(question, stage.check)
        _shoot(page, reply)
    print(PICTURE.relative_to(REPOSITORY), file=sys.stderr)


def _shoot(page: Page, reply: Reply) -> None:
    thread = reply.messages[0]["thread_ts"]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=Path(CHROMIUM), args=["--no-sandbox"])
        window = browser.new_page(viewport={"width": SIZE["width"], "height": SIZE["height"]})
        window.goto(f"{page.address}/#/{PERSON}/{CHANNEL}/{thread}")
        window.get_by_text("It may be wrong").last.wait_for()
        window.evaluate("document.fonts.ready")
        window.mouse.move(0, 0)
        window.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or FIRST)
