"""What the words of a command line may be: numbers within a range, paths, and words.

Each function here is, or returns, a ``type`` of `argparse`. A number out of all proportion ends
here, before any work.
"""

from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

_SHOWN = 40  # characters of what was given


def whole_number(least: int, most: int, word: str | None = None) -> Callable:
    """Return a type of options: whole numbers of a range, both ends among them.

    `word`, if there is one, may stand for no number; it becomes None.
    """

    def parsed(text: str) -> int | None:
        if text == word:
            return None
        is_whole = text.isdecimal() and len(text) < _SHOWN
        if not is_whole or not least <= int(text) <= most:
            raise _refused(text, f"a whole number from {least} to {most}", word)
        return int(text)

    return parsed


def number(words: str, fits: Callable[[float], bool], word: str | None = None) -> Callable:
    """Return a type of options: numbers that fit, which `words` says in words.

    `word`, if there is one, may stand for no number; it becomes None.
    """

    def parsed(text: str) -> float | None:
        if text == word:
            return None
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not fits(value):
            raise _refused(text, words, word)
        return value

    return parsed


#: What all that is random starts from; Keras takes 32 bits.
seed = whole_number(0, 2**32 - 1)
#: Shares that leave something on either side.
share = number("a number between 0 and 1", lambda x: 0 < x < 1)


def filled(text: str) -> str:
    """Return a word, if there is one: an empty one, as of a variable not set, is a mistake."""
    if not text.strip():
        raise ArgumentTypeError("it is empty; name something, or leave the option out")
    return text


def path(text: str) -> Path:
    """Return a path, if it is not empty, which would be the current folder."""
    return Path(filled(text))


def _refused(text: str, expected: str, word: str | None) -> ArgumentTypeError:
    found = repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}..."
    return ArgumentTypeError(f"{found} is not {expected}{f', or {word}' if word else ''}")
