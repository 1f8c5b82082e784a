"""Gates of an execution that is followed: decided as asked beforehand, by asking, or left to others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.utils import timezone

from documents.models import Document
from executions.exceptions import Conflict, Invalid
from executions.models import DecisionChannel, DecisionKind, Gate, GateKind, GateStatus
from executions.services.access import refusal
from executions.services.decisions import Verdict, answer_questions, record_decision
from executions.terminal.answers import JSON, AnswerBook, assume, shown
from executions.terminal.asking import Asker, Later
from executions.terminal.display import Display
from executions.terminal.exits import ExitCode, Stop
from executions.terminal.lines import step_label
from executions.terminal.people import grant_command
from executions.terminal.wording import clean, counted, listed, short

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class Attendant:
    """Acts for one user at the gates of one execution. ``left`` says of each gate it cannot settle, why."""

    def __init__(
        self, *, actor: User, book: AnswerBook, accepts_all: bool, asker: Asker | None, display: Display
    ) -> None:
        self.left: dict[UUID, str] = {}
        self.assumed: JSON = {}
        self._actor = actor
        self._book = book
        self._accepts_all = accepts_all
        self._asker = asker
        self._display = display

    def attend(self, execution_id: UUID) -> bool:
        """Settle what can be settled; return whether anything was, or had been by others."""
        gates = open_gates(execution_id)
        handled = False
        for gate in gates:
            if gate.pk in self.left:
                continue
            act = self._answer if gate.kind == GateKind.CLARIFICATION else self._decide
            try:
                handled = act(gate) or handled
            except Conflict as error:
                self._display.note(f"{_where(gate)}: {clean(error.detail)}")
                handled = True
        return handled

    def _answer(self, gate: Gate) -> bool:
        answers, problems = self._book.read(gate.questions)
        if reason := refusal(self._actor, gate):
            return self._leave(gate, f"{self._name} may not answer. {reason}")
        if self._asker is not None:
            return self._ask_until_answered(gate, answers, problems)
        if problems:
            listing = "; ".join(f"{key}: {detail}" for key, detail in problems.items())
            return self._leave(gate, f"the given answers do not do: {clean(listing)}")
        if self._accepts_all:
            self._assume_rest(gate, answers)
        missing = [
            question["id"] for question in gate.questions if question["required"] and question["id"] not in answers
        ]
        if missing:
            return self._leave(gate, f"no answer was given to {listed(missing)}")
        self._submit_answers(gate, answers)
        return True

    def _assume_rest(self, gate: Gate, answers: JSON) -> None:
        for question in gate.questions:
            if question["id"] in answers or (assumed := assume(question)) is None:
                continue
            answers[question["id"]], origin = assumed
            self.assumed[question["id"]] = assumed[0]
            self._display.note(f"{'':7}  assumed {question['id']} = {short(shown(assumed[0]), 80)} ({origin})")

    def _ask_until_answered(self, gate: Gate, known: JSON, problems: dict[str, str]) -> bool:
        assert self._asker is not None
        with self._display.paused():
            while True:
                try:
                    answers = self._asker.ask_questions(gate, known, problems)
                except Later:
                    return self._leave(gate, "left for later")
                try:
                    self._submit_answers(gate, answers)
                except Invalid as error:
                    problems = {each.path.rpartition("/")[2]: each.detail for each in error.errors}
                    known = {key: answer for key, answer in answers.items() if key not in problems}
                else:
                    return True

    def _submit_answers(self, gate: Gate, answers: JSON) -> None:
        channel = DecisionChannel.TERMINAL
        answer_questions(actor=self._actor, gate=gate, answers=answers, channel=channel, at=timezone.now())

    def _decide(self, gate: Gate) -> bool:
        if gate.decisions.filter(user=self._actor).exists():
            return self._leave(gate, self._quorum_words(gate))
        if reason := refusal(self._actor, gate):
            if self._accepts_all and gate.roles and not gate.four_eyes:
                command = grant_command(self._actor, gate.roles[:1])
                raise Stop(ExitCode.REFUSED, f"{self._name} may not accept. {reason} Give the role: {command}")
            return self._leave(gate, f"{self._name} may not decide. {reason}")
        if self._accepts_all:
            self._record(gate, self._acceptance(gate))
            return True
        if self._asker is None:
            return self._leave(gate, "it waits for somebody's decision")
        return self._ask_until_decided(gate, self._asker)

    def _ask_until_decided(self, gate: Gate, asker: Asker) -> bool:
        assert gate.document_id is not None
        document = Document.objects.get(pk=gate.document_id)
        with self._display.paused():
            while True:
                try:
                    verdict = asker.ask_verdict(gate, document.title, document.summary, document.content)
                except Later:
                    return self._leave(gate, "left for later")
                try:
                    self._record(gate, verdict)
                except Invalid as error:
                    self._display.say(clean(error.detail), "yellow")
                else:
                    return True

    def _acceptance(self, gate: Gate) -> Verdict:
        return Verdict(decision=DecisionKind.ACCEPT, document_id=gate.document_id, content_sha256=gate.content_sha256)

    def _record(self, gate: Gate, verdict: Verdict) -> None:
        channel = DecisionChannel.TERMINAL
        record_decision(actor=self._actor, gate=gate, verdict=verdict, channel=channel, at=timezone.now())

    def _quorum_words(self, gate: Gate) -> str:
        votes = gate.decisions.filter(decision=DecisionKind.ACCEPT).count()
        needed = counted(gate.quorum, "person", "people")
        return f"{self._name} has accepted ({votes} of {gate.quorum}); it takes {needed}, and one person has one vote"

    def _leave(self, gate: Gate, reason: str) -> bool:
        self.left[gate.pk] = reason
        return False

    @property
    def _name(self) -> str:
        return self._actor.get_username()


def open_gates(execution_id: UUID) -> list[Gate]:
    """Return the gates of an execution that wait for people, the oldest first."""
    gates = Gate.objects.filter(execution_id=execution_id, status=GateStatus.OPEN).select_related("execution")
    return list(gates.order_by("opened_at", "id"))


def waiting_lines(gates: list[Gate], left: dict[UUID, str], *, base_url: str) -> list[str]:
    """Return what waits for whom, why, and how to answer or decide it: by API, and in the browser."""
    lines: list[str] = []
    for gate in gates:
        is_question = gate.kind == GateKind.CLARIFICATION
        what = "answers" if is_question else f"acceptance of {gate.document_type} v{gate.document_version}"
        who = f" by {listed([*gate.deciding_roles, *gate.users])}" if gate.deciding_roles or gate.users else ""
        reason = left.get(gate.pk)
        lines.append(f"{_where(gate)} waits for {what}{who}{f': {reason}' if reason else ''}")
        if is_question:
            lines += [_question_line(question) for question in gate.questions]
        # Written out: to ask Django for it would load every page and view first.
        lines.append(f"  in a browser: {base_url}/admin/executions/gate/{gate.pk}/decide/")
        lines.append(f"  by API:       {api_call(gate, base_url)}")
        if is_question:
            first = gate.questions[0]["id"]
            lines.append(f"  or beforehand, when a run is started: --answer {first}=..., or --accept-all")
    return lines


def _question_line(question: JSON) -> str:
    kind = question["answer_type"].replace("_", " ")
    values = [choice["value"] for choice in question["choices"]]
    facts = f"{kind}: {listed(values)}" if values else kind
    return f"    {question['id']} ({'required, ' if question['required'] else ''}{facts}): {clean(question['text'])}"


def api_call(gate: Gate, base_url: str) -> str:
    """Return the request that settles a gate."""
    kind = "clarification" if gate.kind == GateKind.CLARIFICATION else "acceptance"
    body: Any = f'{{"gate_id": "{gate.pk}", "decision": "accept"}}'
    if gate.kind == GateKind.CLARIFICATION:
        body = f'{{"gate_id": "{gate.pk}", "answers": {{"{gate.questions[0]["id"]}": ...}}}}'
    return f"POST {base_url}/api/v1/executions/{gate.execution_id}/{kind} {body}"


def _where(gate: Gate) -> str:
    step, items = step_label(gate.path)
    return f"{step} [{items}]" if items else step
