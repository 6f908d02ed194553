"""Slides, cheat sheet and feedback form from Markdown: pages that need no other file."""

import re
from html import escape
from pathlib import Path

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

from . import figures, libraries

SOURCES = Path(__file__).parents[2] / "docs" / "teaching"
_BREAK = re.compile(r"^---$", re.MULTILINE)
_NOTE, _SOURCE = re.compile(r"^Note: ", re.MULTILINE), re.compile(r"^Source: (.+)$", re.MULTILINE)
_START = """<script>
MathJax.startup.promise.then(() => Reveal.initialize({
  width: 1280, height: 720, margin: 0.02, center: false, hash: true, slideNumber: "c/t",
  transition: "none", pdfSeparateFragments: false, plugins: [RevealNotes],
}));
</script>"""


def slides() -> str:
    """Return the slides as one HTML page; the key S opens what the teacher says.

    Raises
    ------
    UserError
        If a figure is missing, or reveal.js is not at hand.
    """
    head, scripts = libraries.reveal()
    sections = "\n".join(_slide(part) for part in _parts("slides.md"))
    body = f'<div class="reveal"><div class="slides">\n{sections}\n</div></div>'
    body += libraries.formulas() + scripts + _START
    return _page("Finding what nobody has seen before", head + _style("slides.css"), body)


def sheet(name: str, title: str) -> str:
    """Return a page for printing, on A4: each part of the Markdown begins a new sheet.

    Parameters
    ----------
    name : str
        Of the Markdown file.
    title : str
        Of the page.
    """
    parts = [f'<section class="{name}">{_html(part)}</section>' for part in _parts(f"{name}.md")]
    formulas = libraries.formulas() if any('class="math' in part for part in parts) else ""
    return _page(title, _style("sheet.css"), "<main>" + "\n".join(parts) + "</main>" + formulas)


def _parts(name: str) -> list[str]:
    """Return what stands between the lines ``---`` of a Markdown file."""
    return _BREAK.split((SOURCES / name).read_text("utf-8"))


def _slide(text: str) -> str:
    """Return a slide, with its source below it and the teacher's notes."""
    shown, *notes = _NOTE.split(text)
    source = _SOURCE.search(shown)
    footer = f"<footer>{_html(source[1], inline=True)}</footer>" if source else ""
    aside = f'<aside class="notes">{_html("".join(notes))}</aside>'
    words = _html(_SOURCE.sub("", shown))
    return f'<section><div class="slide">{words}</div>{footer}{aside}</section>'


def _html(text: str, inline: bool = False) -> str:
    markdown = MarkdownIt("commonmark").enable("table")
    dollarmath_plugin(markdown, renderer=_formula, allow_digits=False)
    markdown.add_render_rule("image", _image)
    return markdown.renderInline(text) if inline else markdown.render(text)


def _formula(content: str, options: dict) -> str:
    left, right = ("\\[", "\\]") if options["display_mode"] else ("\\(", "\\)")
    return left + escape(content) + right


def _image(_renderer, tokens, index, _options, _environment) -> str:
    """Return a figure as an image element; its file is looked for from the Markdown's folder."""
    token = tokens[index]
    figure = figures.find((SOURCES / token.attrs["src"]).resolve(), token.content)
    return f'<img alt="{escape(figure.alt)}" src="{figure.address}">'


def _style(name: str) -> str:
    return f"<style>{(SOURCES / name).read_text('utf-8')}</style>"


def _page(title: str, head: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n{head}\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
