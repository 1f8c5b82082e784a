"""Asking people at the terminal: answers to questions, and what to do with a document."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from documents.canonical import text_problem
from executions.models import DecisionKind, Gate
from executions.services.decisions import Verdict
from executions.terminal.answers import JSON, WrongAnswer, read_answer, shown
from executions.terminal.display import Display
from executions.terminal.lines import step_label
from executions.terminal.outline import outline, wrapped
from executions.terminal.wording import clean, counted, listed

_LINES_SHOWN = 30
_WIDEST = 110
_INDENT = "  "

ReadLine = Callable[[str], str]


class Later(Exception):
    """The person leaves the gate to others, or to another time."""


class Asker:
    """Holds the dialogue. ``read_line`` shows a prompt and returns what is typed, or raises ``EOFError``."""

    def __init__(self, display: Display, read_line: ReadLine | None = None) -> None:
        self._display = display
        self._read_line = read_line or typed_line
        self._width = min(shutil.get_terminal_size().columns - 2, _WIDEST)

    def ask_questions(self, gate: Gate, known: Mapping[str, Any], problems: Mapping[str, str]) -> JSON:
        """Ask what ``known`` does not answer yet, and return all answers.

        :raises Later: the person does not want to answer now.
        """
        questions = [question for question in gate.questions if question["id"] not in known]
        step, items = step_label(gate.path)
        self._say()
        self._say(f"{step}{f' [{items}]' if items else ''} asks {counted(len(questions), 'question')}.", "bold magenta")
        self._say("Ctrl-D leaves them for later.", "dim")
        answers = dict(known)
        for number, question in enumerate(questions, start=1):
            self._show_question(question, f"{number} of {len(questions)}", problems.get(question["id"]))
            answer = self._answer(question)
            if answer is not None:
                answers[question["id"]] = answer
        return answers

    def ask_verdict(self, gate: Gate, title: str, summary: str, content: Any) -> Verdict:
        """Show a document and return what the person says of it.

        :raises Later: nothing, for now.
        """
        lines = outline(content, self._width - len(_INDENT))
        self._show_document(gate, title, summary, lines[:_LINES_SHOWN])
        if len(lines) > _LINES_SHOWN:
            self._say(
                f"{_INDENT}… {counted(len(lines) - _LINES_SHOWN, 'more line')}: v shows the whole document", "dim"
            )
        while True:
            self._say()
            self._say("[a]ccept   send back with [c]hanges   [r]eject   [v]iew all   [l]ater", "bold")
            choice = self._read("> ").strip().lower()
            if choice in ("v", "view"):
                self._say_all(lines)
            elif choice in ("l", "later", ""):
                raise Later
            elif kind := _VERDICTS.get(choice):
                comment = "" if kind == DecisionKind.ACCEPT else self._comment(kind)
                return Verdict(
                    decision=kind, comment=comment, document_id=gate.document_id, content_sha256=gate.content_sha256
                )
            else:
                self._say("Type a, c, r, v or l, then Enter.", "yellow")

    def _show_question(self, question: JSON, place: str, problem: str | None) -> None:
        need = "required" if question["required"] else "may stay open"
        self._say()
        self._say(f"{place} · {question['id']} · {question['priority']}, {need}", "dim")
        for line in wrapped(question["text"], self._width):
            self._say(line, "bold")
        if question["intent"]:
            for line in wrapped(question["intent"], self._width, "     ", "Why: "):
                self._say(line, "dim")
        width = max((len(clean(choice["value"])) for choice in question["choices"]), default=0)
        for number, choice in enumerate(question["choices"], start=1):
            label = "" if choice["label"] == choice["value"] else clean(choice["label"])
            self._say(f"{number:>4}) {clean(choice['value']):<{width}}  {label}".rstrip())
        for line in wrapped(self._hint(question), self._width, _INDENT):
            self._say(line, "dim")
        if problem:
            self._say(f"The answer that was given does not do: {problem}.", "yellow")

    def _hint(self, question: JSON) -> str:
        default = question["default"]
        hint = _HINTS[question["answer_type"]]
        if default is not None:
            return f"{hint} Enter takes: {clean(shown(default))}"
        return hint if question["required"] else f"{hint} Enter leaves it open."

    def _answer(self, question: JSON) -> Any:
        while True:
            text = self._read("> ").strip()
            if not text and question["default"] is not None:
                return question["default"]
            try:
                return read_answer(question, _by_number(question, text))
            except WrongAnswer as error:
                self._say(f"{_INDENT}{clean(str(error))}", "yellow")

    def _show_document(self, gate: Gate, title: str, summary: str, lines: Sequence[str]) -> None:
        step, items = step_label(gate.path)
        of = f" of {step} [{items}]" if items else f" of {step}"
        who = f" by {listed([*gate.deciding_roles, *gate.users])}" if gate.deciding_roles or gate.users else ""
        self._say()
        name = f"{gate.document_type} v{gate.document_version}{of}"
        self._say(f"{name} waits for acceptance{who}.", "bold magenta")
        for line in wrapped(title, self._width, _INDENT):
            self._say(line, "bold")
        for line in wrapped(summary, self._width, _INDENT) if summary else ():
            self._say(line)
        self._say()
        self._say_all(lines)

    def _comment(self, kind: DecisionKind) -> str:
        question = "What should change?" if kind == DecisionKind.REQUEST_CHANGES else "Why is it rejected?"
        while True:
            self._say(question, "bold")
            comment = self._read("> ").strip()
            if comment and not text_problem(comment):
                return comment
            self._say(
                "A reason is needed: it is what the next version is written by. Ctrl-D goes back to later.", "dim"
            )

    def _say_all(self, lines: Sequence[str]) -> None:
        for line in lines:
            self._say(f"{_INDENT}{line}")

    def _say(self, text: str = "", style: str = "") -> None:
        self._display.say(text, style)

    def _read(self, prompt: str) -> str:
        try:
            return self._read_line(prompt)
        except EOFError:
            self._say()
            raise Later from None


def typed_line(prompt: str) -> str:
    """Return a line that is typed. Standard output belongs to data, so the prompt goes there only on a terminal."""
    if sys.stdout.isatty():
        return input(prompt)
    sys.stderr.write(prompt)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line


def _by_number(question: JSON, text: str) -> str:
    """Let the numbers in front of choices stand for them, unless a choice's value is a number itself."""
    values = [choice["value"] for choice in question["choices"]]
    parts = []
    for part in text.split(",") if values else [text]:
        is_number = part.strip().isdecimal() and part.strip() not in values
        parts.append(values[int(part) - 1] if is_number and 1 <= int(part) <= len(values) else part)
    return ",".join(parts)


_VERDICTS = {
    "a": DecisionKind.ACCEPT,
    "accept": DecisionKind.ACCEPT,
    "c": DecisionKind.REQUEST_CHANGES,
    "changes": DecisionKind.REQUEST_CHANGES,
    "r": DecisionKind.REJECT,
    "reject": DecisionKind.REJECT,
}

_HINTS = {
    "free_text": "A text.",
    "single_choice": "One of them, by number or name.",
    "multi_choice": "Any of them, by number or name, separated by commas.",
    "yes_no": "yes or no.",
    "number": "A number.",
    "date": "A date: YYYY-MM-DD.",
    "uuid": "A UUID.",
    "json_object": "A JSON object.",
}
