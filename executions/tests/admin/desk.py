"""Sitting at the desk: a browser without scripts, and runs that wait there.

The people are those of the engine's tests, with access to the admin site.
"""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from documents.models import Document
from executions.models import Execution, Gate, GateKind
from executions.tests.engine_cast import open_gate, person, start
from executions.tests.engine_definitions import reviewed, single
from executions.tests.pretend_worker import Scripted, asking, document, drive

JSON = dict[str, Any]

QUESTIONS: list[JSON] = [
    {"id": "COLOUR", "text": "Which colour?", "intent": "It is seen first.", "priority": "could", "required": False,
     "answer_type": "single_choice", "choices": ["red", "blue"], "default": "blue"},
    {"id": "AUDIENCE", "text": "Who will use it?", "intent": "It decides the words.", "priority": "must",
     "required": True, "answer_type": "free_text"},
    {"id": "OFFLINE", "text": "Must it work offline?", "priority": "should", "required": True, "answer_type": "yes_no"},
    {"id": "LOAD", "text": "How many users?", "priority": "must", "required": True, "answer_type": "number"},
    {"id": "CHANNELS", "text": "By which means?", "priority": "could", "required": False,
     "answer_type": "multi_choice", "choices": [{"value": "mail", "label": "E-mail"}, "sms"]},
    {"id": "START", "text": "When does it start?", "priority": "could", "required": False, "answer_type": "date"},
    {"id": "REF", "text": "Which order?", "priority": "could", "required": False, "answer_type": "uuid"},
    {"id": "LIMITS", "text": "Which limits?", "priority": "could", "required": False, "answer_type": "json_object"},
]  # fmt: skip


def staff(name: str, *roles: str) -> User:
    """Return the account ``name`` of the cast, with access to the admin site."""
    user = person(name, *roles)
    User.objects.filter(pk=user.pk).update(is_staff=True)
    return User.objects.get(pk=user.pk)


def at_desk(name: str, *roles: str) -> Client:
    """Return a browser in which ``name`` is logged in."""
    client = Client()
    client.force_login(staff(name, *roles))
    return client


def in_review(*roles: str, content: JSON | None = None, **policy: Any) -> Gate:
    """Return the gate of a run whose note waits for acceptance (by editors, if nobody else is named)."""
    execution = start(reviewed(*roles, **policy))
    drive(execution, Scripted(note=document(**(content or {"title": "First", "text": "draft"}))))
    return open_gate(execution)


def in_question(*questions: JSON) -> Gate:
    """Return the gate of a run that has asked."""
    execution = start(single())
    drive(execution, Scripted(note=asking(*(questions or QUESTIONS))))
    return open_gate(execution, GateKind.CLARIFICATION)


def shown_at(gate: Gate) -> Document:
    """Return the document that ``gate`` is about."""
    assert gate.document_id is not None
    return Document.objects.get(pk=gate.document_id)


def gate_url(gate: Gate) -> str:
    return reverse("admin:executions_gate_decide", args=(gate.pk,))


def execution_url(execution: Execution, act: str = "change") -> str:
    return reverse(f"admin:executions_execution_{act}", args=(execution.pk,))


class FormReader(HTMLParser):
    """What a browser would send of one form, before anything is typed; and its buttons, in order."""

    def __init__(self, page: bytes, form_id: str) -> None:
        super().__init__()
        self.form_id = form_id
        self.values: dict[str, str] = {}
        self.names: list[str] = []
        self.buttons: list[tuple[str, str]] = []
        self._is_inside = False
        self._textarea = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        row = {key: value or "" for key, value in attrs}
        if tag == "form":
            self._is_inside = row.get("id") == self.form_id
        if not self._is_inside or "name" not in row:
            return
        if tag == "button":
            self.buttons.append((row["name"], row.get("value", "")))
        elif tag == "textarea":
            self._textarea = row["name"]
            self.names.append(row["name"])
        elif tag == "input":
            self.names.append(row["name"])
            if row.get("type") not in ("radio", "checkbox") or "checked" in row:
                self.values[row["name"]] = row.get("value", "")

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.values[self._textarea] = self.values.get(self._textarea, "") + data.removeprefix("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_inside = False
        if tag == "textarea":
            self._textarea = ""


def read_form(client: Client, url: str, form_id: str = "decide_form") -> FormReader:
    """Open a page and read one of its forms."""
    return FormReader(client.get(url).content, form_id)


def filled(client: Client, gate: Gate, decision: str, comment: str = "", **typed: str) -> dict[str, str]:
    """Return what the browser sends when somebody opens the page of ``gate``, types and presses a button."""
    return read_form(client, gate_url(gate)).values | {"decision": decision, "comment": comment} | typed
