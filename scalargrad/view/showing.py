"""Showing a page: in a notebook's cell, or in the browser."""

from __future__ import annotations

import sys
import tempfile
import webbrowser
from html import escape
from pathlib import Path


class ShownPage:
    """A page that is shown. In a notebook it is what its cell shows, else `file` has its text.

    `opened` says whether a browser was found.
    """

    def __init__(self, html: str) -> None:
        self._html = html
        self.file = ""
        self.opened = False
        if "ipykernel" not in sys.modules:
            with tempfile.NamedTemporaryFile(
                "w", suffix=".html", encoding="utf-8", delete=False
            ) as file:
                file.write(html)
            self.file = file.name
            self.opened = webbrowser.open(Path(file.name).as_uri())

    def _repr_html_(self) -> str:
        page = escape(self._html)
        return f'<iframe srcdoc="{page}" width="100%" height="640" style="border:0"></iframe>'

    def __repr__(self) -> str:
        return f"<page in {self.file}>" if self.file else "<page>"
