"""People at the terminal: questions and documents, as they are asked, and what is typed."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group

from executions.models import Decision, Gate
from executions.terminal.asking import Asker, Later
from executions.terminal.display import Display
from executions.terminal.exits import ExitCode
from executions.terminal.options import Options
from executions.terminal.session import Streams, run
from executions.tests.driving import Scripted, asking, document, question
from executions.tests.engine_cast import decide, person
from executions.tests.engine_definitions import reviewed, single, stored

AtWork = Callable[..., None]
Typed = Callable[..., tuple[ExitCode, str]]


class Keyboard(io.StringIO):
    """Lines that are typed one after the other. ``before`` is called before each."""

    def __init__(self, *lines: str, before: Callable[[], object] = lambda: None) -> None:
        super().__init__("".join(f"{line}\n" for line in lines))
        self._before = before

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override] # typeshed's own StringIO differs
        self._before()
        return super().readline(size)


@pytest.fixture
def typed(at_work: AtWork, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Return a function that runs the workflow ``test`` while lines are typed; ends of input are Ctrl-D."""
    user = person("root")
    user.groups.add(Group.objects.get_or_create(name="editor")[0])

    def run_typed(*lines: str, answers: list[str] | None = None, **keys: Any) -> tuple[ExitCode, str]:
        monkeypatch.setattr("sys.stdin", Keyboard(*lines, **keys))
        stdout, stderr = io.StringIO(), io.StringIO()
        given = {
            **dict.fromkeys(("accept_all", "json", "quiet", "no_input", "dry_run"), False),
            **dict.fromkeys(("as_user", "budget", "revision", "timeout")),
            "workflow": "test",
            "project": "apollo",
            "brief": "A shop.",
            "answer": answers,
            "verbosity": 1,
        }
        code = run(Options.of(given), Streams(stdout=stdout, stderr=stderr, is_typing=True))
        return code, stderr.getvalue()

    return run_typed


QUESTIONS = [
    question("AUDIENCE", answer_type="single_choice", choices=["staff", "public"], required=True),
    question("CHANNELS", answer_type="multi_choice", choices=["mail", "phone", "post"], required=False),
    question("MANY", answer_type="number", required=True, default=12),
    question("WHY", answer_type="free_text", required=False, intent="It matters."),
]


@pytest.mark.django_db(transaction=True)
def test_questions_are_asked_until_each_has_an_answer(typed: Typed, at_work: AtWork) -> None:
    stored(single())
    at_work(Scripted(note=asking(*QUESTIONS)))
    code, shown = typed("7", "2", "3, mail", "", "")
    assert code is ExitCode.COMPLETED
    assert Gate.objects.get().answers == {"AUDIENCE": "public", "CHANNELS": ["post", "mail"], "MANY": 12}
    assert "note asks 4 questions." in shown
    assert "must be one of: staff, public" in shown
    assert "Why: It matters." in shown
    assert "Enter takes: 12" in shown


@pytest.mark.django_db(transaction=True)
def test_only_what_was_not_answered_beforehand_is_asked(typed: Typed, at_work: AtWork) -> None:
    stored(single())
    at_work(Scripted(note=asking(*QUESTIONS)))
    code, shown = typed("30", answers=["AUDIENCE=staff", "CHANNELS=mail", "WHY=Because.", "MANY=few"])
    assert code is ExitCode.COMPLETED
    assert Gate.objects.get().answers == {"AUDIENCE": "staff", "CHANNELS": ["mail"], "MANY": 30, "WHY": "Because."}
    assert "note asks 1 question." in shown
    assert "The answer that was given does not do: must be a number." in shown


@pytest.mark.django_db(transaction=True)
def test_the_end_of_input_leaves_questions_for_later(typed: Typed, at_work: AtWork) -> None:
    stored(single())
    at_work(Scripted(note=asking(*QUESTIONS)))
    code, shown = typed("1")
    assert code is ExitCode.WAITING
    assert Gate.objects.get().status == "open"
    assert "left for later" in shown


@pytest.mark.django_db(transaction=True)
def test_a_document_is_shown_sent_back_and_accepted(typed: Typed, at_work: AtWork) -> None:
    stored(reviewed("editor"))
    at_work(Scripted(note=[document(title="One", text="First."), document(title="Two", text="Second.")]))
    code, shown = typed("what", "c", "", "Shorter.", "a")
    assert code is ExitCode.COMPLETED
    assert [(each.decision, each.comment, each.channel) for each in Decision.objects.order_by("pk")] == [
        ("request_changes", "Shorter.", "terminal"),
        ("accept", "", "terminal"),
    ]
    assert "note v1 of note waits for acceptance by editor." in shown
    assert "Text: First." in shown
    assert "Type a, c, r, v or l, then Enter." in shown
    assert "A reason is needed" in shown
    assert "note v2 of note waits for acceptance" in shown


@pytest.mark.django_db(transaction=True)
def test_a_rejected_document_fails_the_run(typed: Typed, at_work: AtWork) -> None:
    stored(reviewed("editor"))
    at_work()
    code, shown = typed("r", "Wrong subject.")
    assert code is ExitCode.FAILED
    assert "DOCUMENT_REJECTED: Wrong subject." in shown


@pytest.mark.django_db(transaction=True)
def test_a_document_that_is_left_waits(typed: Typed, at_work: AtWork) -> None:
    stored(reviewed("editor"))
    at_work()
    assert typed("l")[0] is ExitCode.WAITING
    assert Gate.objects.get().status == "open"


@pytest.mark.django_db(transaction=True)
def test_who_may_not_decide_is_told_so_and_not_asked(typed: Typed, at_work: AtWork) -> None:
    stored(reviewed("chief"))
    at_work()
    code, shown = typed("a")
    assert code is ExitCode.WAITING
    assert "root may not decide. To decide on this note you need one of the roles: chief." in shown
    assert "[a]ccept" not in shown


@pytest.mark.django_db(transaction=True)
def test_a_decision_that_comes_too_late_is_told_and_the_run_goes_on(typed: Typed, at_work: AtWork) -> None:
    stored(reviewed("editor"))
    at_work()
    person("ed")

    def somebody_is_faster() -> None:
        gate = Gate.objects.filter(status="open").first()
        if gate is not None:
            decide("ed", gate, "accept")

    code, shown = typed("r", "Too late.", before=somebody_is_faster)
    assert code is ExitCode.COMPLETED
    assert "note: This gate was decided already: ed chose accept" in shown


def test_a_long_document_is_shown_whole_on_demand() -> None:
    stream, lines = io.StringIO(), iter(["v", "later"])
    asker = Asker(Display(stream), lambda _prompt: next(lines))
    gate = Gate(document_type="note", document_version=1, path="per_epic[E1].note", roles=[], users=["ed"])
    with pytest.raises(Later):
        asker.ask_verdict(gate, "Title", "Summary", {"goals": [f"Goal {number}" for number in range(60)]})
    shown = stream.getvalue()
    assert "note v1 of note [E1] waits for acceptance by ed." in shown
    assert "… 31 more lines: v shows the whole document" in shown
    assert shown.count("Goal 10\n") == 2
    assert shown.count("Goal 59\n") == 1
