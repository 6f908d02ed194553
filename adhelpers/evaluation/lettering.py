"""Text in figures: names of any letters, drawn with the fonts that are here."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import matplotlib
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

from ..ground import one_line

_LONGEST = 160  # characters of a line

#: Fonts with the letters of East Asia or with pictographs, of all systems; those found are used.
_MORE_FONTS = (
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans JP", "Noto Sans SC", "Noto Sans KR"),
    *("Source Han Sans", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback"),
    *("IPAexGothic", "IPAGothic", "TakaoGothic", "UnDotum", "NanumGothic"),
    *("Hiragino Sans", "PingFang SC", "Apple SD Gothic Neo", "Arial Unicode MS"),
    *("Yu Gothic", "MS Gothic", "Microsoft YaHei", "SimHei", "Malgun Gothic"),
    *("DejaVu Sans", "Noto Sans", "Noto Emoji", "Symbola", "Unifont"),
)


@contextmanager
def many_letters() -> Iterator[None]:
    """Let what is drawn inside the block take letters from every font that may have them."""
    families = [*matplotlib.rcParams["font.family"], *_more_fonts()]
    with matplotlib.rc_context({"font.family": families}):
        yield


def drawn(text: str, longest: int = _LONGEST) -> str:
    """Return a text as figures show it; call it within `many_letters`.

    ``$`` is a dollar, not the start of a formula; what no font has is spelled out, as are control
    characters and bytes that are no text; of a long line the middle is left out.

    Parameters
    ----------
    text : str
        Lines stay lines.
    longest : int
        How many characters of a line are drawn.

    Examples
    --------
    >>> print(drawn("$5\\x07"))
    \\$5\\x07
    """
    return "\n".join(_drawn_line(line, longest) for line in text.split("\n"))


def _drawn_line(line: str, longest: int) -> str:
    families = matplotlib.rcParams["font.family"]
    known = _letters(tuple(findfont(FontProperties(family=[name])) for name in families))
    shown = "".join(
        letter if ord(letter) in known else letter.encode("ascii", "backslashreplace").decode()
        for letter in one_line(line)
    )
    if len(shown) > longest:
        half = (longest - 3) // 2
        shown = f"{shown[:half]}...{shown[-half:]}"
    if shown.startswith("_"):  # Matplotlib hides such labels from legends
        shown = f" {shown}"
    return shown.replace("$", r"\$")


@cache
def _letters(fonts: tuple[str, ...]) -> frozenset[int]:
    """Return the code points that some of these font files has."""
    return frozenset().union(*(get_font(font).get_charmap() for font in fonts))


@cache
def _more_fonts() -> tuple[str, ...]:
    there = {font.name for font in fontManager.ttflist}
    return tuple(name for name in _MORE_FONTS if name in there)
