"""One Chromium for all tests of pages, which are slow: a page is the same on each Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.view.browser import Browser, browsing

Show: TypeAlias = Callable[..., Browser]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and "browser" in item.fixturenames:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with browsing() as found:
        yield found


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Show:
    """Return a function that opens what has a page, in a window of a size."""

    def shown(page: Any, width: int = 1200, height: int = 800, dark: bool = False) -> Browser:
        path = tmp_path / "page.html"
        path.write_text(page.html, encoding="utf-8")
        browser.resize(width, height, dark)
        browser.open(path)
        return browser

    return shown
