"""Text that matches a regular expression: best effort, for the ``pattern`` keyword of a schema.

Patterns in schemas are those of identifiers, codes and dates. Look-arounds and back-references are
not followed; the caller checks the result and does without it when it does not match.
"""

from __future__ import annotations

import random
import re
from importlib import import_module
from typing import Any

# The standard library's own parser; what type checkers know of it changes from one to the next.
opcodes: Any = import_module("re._constants")
parser: Any = import_module("re._parser")

_MAX_REPEAT = 6
_MOST_REPEATS = 5_000
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"
_CATEGORIES = {
    opcodes.CATEGORY_DIGIT: _DIGITS,
    opcodes.CATEGORY_WORD: _LETTERS,
    opcodes.CATEGORY_SPACE: " ",
    opcodes.CATEGORY_NOT_DIGIT: _LETTERS,
    opcodes.CATEGORY_NOT_SPACE: _LETTERS,
    opcodes.CATEGORY_NOT_WORD: "-",
}
_PLAIN = _LETTERS + _LETTERS.upper() + _DIGITS + " -_.,:;/+()#@"


def text_for_pattern(pattern: str, rng: random.Random, *, min_length: int = 0) -> str | None:
    """Return a text that ``pattern`` finds a match in, or ``None`` if that did not work out."""
    try:
        compiled = re.compile(pattern)
        tree = parser.parse(pattern)
    except re.error:
        return None
    for repeats in (1, 3, _MAX_REPEAT, max(_MAX_REPEAT, min_length)):
        text = _sequence(tree, rng, repeats)
        if len(text) >= min_length and compiled.search(text):
            return text
    return None


def _sequence(tree: Any, rng: random.Random, repeats: int) -> str:
    return "".join(_element(code, argument, rng, repeats) for code, argument in tree)


def _element(code: Any, argument: Any, rng: random.Random, repeats: int) -> str:
    if code is opcodes.LITERAL:
        return chr(argument)
    if code is opcodes.NOT_LITERAL:
        return next(char for char in _PLAIN if char != chr(argument))
    if code is opcodes.ANY:
        return rng.choice(_LETTERS)
    if code is opcodes.IN:
        return _from_class(argument, rng)
    if code is opcodes.BRANCH:
        return _sequence(argument[1][0], rng, repeats)
    if code is opcodes.SUBPATTERN:
        return _sequence(argument[3], rng, repeats)
    if code in (opcodes.MAX_REPEAT, opcodes.MIN_REPEAT, opcodes.POSSESSIVE_REPEAT):
        least, most, inner = argument
        count = min(max(least, min(repeats, most)), _MOST_REPEATS)
        return "".join(_sequence(inner, rng, repeats) for _ in range(count))
    return ""


def _from_class(members: Any, rng: random.Random) -> str:
    is_negated = bool(members) and members[0][0] is opcodes.NEGATE
    allowed = "".join(_class_member(code, argument) for code, argument in members)
    if is_negated:
        allowed = "".join(char for char in _PLAIN if char not in allowed)
    return rng.choice(allowed) if allowed else ""


def _class_member(code: Any, argument: Any) -> str:
    if code is opcodes.LITERAL:
        return chr(argument)
    if code is opcodes.RANGE:
        first, last = argument
        return "".join(chr(point) for point in range(first, min(last, first + 94) + 1))
    if code is opcodes.CATEGORY:
        return _CATEGORIES.get(argument, "")
    return ""
