"""The headless Chromium of the system, for the tests and for what is drawn with it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")


def program() -> str | None:
    """Where it is; None if it is not installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def started() -> Iterator[Any]:
    """A browser of Playwright's, closed at the end."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Chromium's sandbox does not work for root, in a container.
        browser = playwright.chromium.launch(
            executable_path=program(), args=["--no-sandbox"]
        )
        yield browser
        browser.close()
