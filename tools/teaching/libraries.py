"""What runs in the pages: reveal.js for slides, MathJax for formulas."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

import mathjax

from adhelpers.export.npm import Package

#: MIT licensed.
_REVEAL = Package(
    "reveal.js", "6.0.2", "2f0c20bfb02447a198a1ebe8a8c097a5437d035caa38f2820bf4ba887a3eac91"
)
_REVEAL_FILES = ("LICENSE", "dist/reset.css", "dist/reveal.css", "dist/reveal.js")
_NOTES = "dist/plugin/notes.js"

#: Apache-2.0; the copy that the site has, too.
_MATHJAX = Path(mathjax.__file__).parent / "static/mathjax/es5/tex-svg.js"


def reveal() -> tuple[str, str]:
    """Return reveal.js for the head and the end of a page.

    Raises
    ------
    UserError
        If it is neither in the cache nor can be fetched.
    """
    licence, *styles, script, notes = (
        content.decode() for content in _REVEAL.files(*_REVEAL_FILES, _NOTES)
    )
    head = f"<!-- reveal.js {_REVEAL.version}\n{escape(licence)}\n-->" + _styles(styles)
    return head, _script(script) + _script(notes)


def formulas() -> str:
    """Return MathJax for a page; it draws what stands between ``\\(`` and ``\\)`` when it loads."""
    settings = "window.MathJax = {options: {enableMenu: false}};"
    return f"<!-- MathJax, Apache-2.0 -->{_script(settings)}{_script(_MATHJAX.read_text('utf-8'))}"


def _styles(styles: Sequence[str]) -> str:
    return "".join(f"<style>{style}</style>" for style in styles)


def _script(code: str) -> str:
    """Return a script element; by a data address, as code may hold what would end it."""
    content = base64.b64encode(code.encode()).decode()
    return f'<script src="data:text/javascript;base64,{content}"></script>'
