"""Answers given beforehand with ``--answer``, typed in, or assumed; the type is the question's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import uuid4

from documents.canonical import text_problem
from executions.llm.clarification import check_answers
from executions.terminal.exits import ExitCode, Stop
from executions.terminal.wording import short
from workflows.jsonfile import parse_json

JSON = dict[str, Any]

ASSUMED_TEXT = "No preference: choose what serves the goal best, and state it as an assumption."
_YES = frozenset({"yes", "y", "true", "1", "on"})
_NO = frozenset({"no", "n", "false", "0", "off"})
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_MAX_DIGITS = 300


class WrongAnswer(ValueError):
    """A text that is no answer to its question; the message says what would be."""


@dataclass(slots=True)
class AnswerBook:
    """The texts of ``--answer`` by question id, and which of them have found their question."""

    texts: Mapping[str, str]
    asked: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, options: Iterable[str]) -> AnswerBook:
        """Read ``ID=TEXT`` options.

        :raises Stop: where one has no ``=``, an id stands twice, or a text cannot be stored.
        """
        texts: dict[str, str] = {}
        for option in options:
            key, separator, text = option.partition("=")
            key = key.strip()
            if not separator or not key:
                raise _wrong(f"{short(option, 80)!r} is not QUESTION=ANSWER")
            if key in texts:
                raise _wrong(f"{short(key, 80)} is answered twice")
            if text_problem(option):
                raise _wrong(f"the answer to {short(key, 80)} is no text that can be stored (not UTF-8, or a NUL)")
            texts[key] = text
        return cls(texts)

    def read(self, questions: Iterable[JSON]) -> tuple[JSON, dict[str, str]]:
        """Return the answers to these questions, and what is wrong with those that are none, both by question id."""
        answers: JSON = {}
        wrong: dict[str, str] = {}
        for question in questions:
            key = question["id"]
            self.asked.add(key)
            if key in self.texts:
                try:
                    answers[key] = read_answer(question, self.texts[key])
                except WrongAnswer as error:
                    wrong[key] = str(error)
        return answers, wrong

    def unused(self) -> list[str]:
        """Return the ids that no question had."""
        return [key for key in self.texts if key not in self.asked]


def read_answer(question: JSON, text: str) -> Any:
    """Return what ``text`` says in the type of ``question``.

    :raises WrongAnswer: where it is no answer.
    """
    answer = _READERS[question["answer_type"]](question, text.strip())
    if answer is not None and (findings := check_answers([question], {question["id"]: answer})):
        raise WrongAnswer(findings[0].detail)
    if answer is None and question["required"]:
        raise WrongAnswer("an answer is required")
    return answer


def assume(question: JSON) -> tuple[Any, str] | None:
    """Return an answer that nobody gave, and where it comes from; ``None`` for one that may as well stay open."""
    if question["default"] is not None:
        return question["default"], "its default"
    if not question["required"]:
        return None
    choices = question["choices"]
    match question["answer_type"]:
        case "single_choice":
            return choices[0]["value"], "the first choice, there is no default"
        case "multi_choice":
            return [choices[0]["value"]], "the first choice, there is no default"
        case "yes_no":
            return True, "there is no default"
        case "number":
            return 1, "there is no default"
        case "date":
            return date.today().isoformat(), "today, there is no default"  # noqa: DTZ011 - a day without a place, for a reader
        case "uuid":
            return str(uuid4()), "there is no default"
        case "json_object":
            return {}, "there is no default"
    return ASSUMED_TEXT, "there is no default"


def shown(answer: Any) -> str:
    """Return an answer for people."""
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    if isinstance(answer, list) and all(isinstance(item, str) for item in answer):
        return ", ".join(answer)
    return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)


def _read_text(_question: JSON, text: str) -> str | None:
    return text or None


def _read_choice(question: JSON, text: str) -> str | None:
    if not text:
        return None
    choices = question["choices"]
    for choice in choices:
        if choice["value"] == text:
            return text
    for choice in choices:
        if text.casefold() in (choice["value"].casefold(), choice["label"].casefold()):
            return str(choice["value"])
    raise WrongAnswer(f"must be one of: {', '.join(choice['value'] for choice in choices)}")


def _read_choices(question: JSON, text: str) -> list[str] | None:
    if text.startswith("["):
        value, problems = parse_json(text)
        if not problems and isinstance(value, list) and all(isinstance(item, str) for item in value):
            return value
    parts = [part.strip() for part in text.split(",")]
    return [choice for part in parts if part and (choice := _read_choice(question, part))] or None


def _read_yes_no(_question: JSON, text: str) -> bool | None:
    word = text.casefold()
    if word in _YES | _NO:
        return word in _YES
    if word:
        raise WrongAnswer("must be yes or no")
    return None


def _read_number(_question: JSON, text: str) -> int | float | None:
    if not text:
        return None
    if not _NUMBER.fullmatch(text) or len(text) > _MAX_DIGITS:
        raise WrongAnswer("must be a number")
    return int(text) if text.lstrip("+-").isdecimal() else float(text)


def _read_object(_question: JSON, text: str) -> Any:
    if not text:
        return None
    value, problems = parse_json(text)
    if problems:
        raise WrongAnswer(f"must be a JSON object: {problems[0].detail}")
    if not isinstance(value, dict):
        raise WrongAnswer("must be a JSON object")
    return value


_READERS = {
    "free_text": _read_text,
    "single_choice": _read_choice,
    "multi_choice": _read_choices,
    "yes_no": _read_yes_no,
    "number": _read_number,
    "date": _read_text,
    "uuid": _read_text,
    "json_object": _read_object,
}


def _wrong(detail: str) -> Stop:
    return Stop(ExitCode.USAGE, f"--answer: {detail}. Give QUESTION=ANSWER, for example AUDIENCE=staff.")
