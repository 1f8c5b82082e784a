"""Two people of two projects, and everything that one of them has: for tests that look at the API as a whole.

alice and mallory may do the same: both operate, and both edit. Each project has its one member.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.utils import timezone
from knox.models import AuthToken
from rest_framework.test import APIClient

from executions.engine.state import ErrorCode
from executions.models import Execution, Gate
from executions.services.executions import cancel_execution
from executions.services.projects import Members, create_project
from executions.services.webhooks import create_webhook, send_test
from executions.tests.driving import Scripted, asking, document, drive, question
from executions.tests.engine_cast import open_gate, person, start
from executions.tests.engine_definitions import note, step, stored, workflow
from workflows.models import WorkflowRevision

ROLES = ("operator", "editor")
# Stands in whatever alice has, and nowhere else.
SECRET = "lighthouse"
JSON = dict[str, Any]


@dataclass
class Belongings:
    """What is in one project. Runs are named by where they stand."""

    owner: str
    project_id: str
    word: str
    revision: WorkflowRevision
    runs: dict[str, Execution] = field(default_factory=dict)

    def __post_init__(self) -> None:
        user = person(self.owner, *ROLES)
        members = Members(users=[self.owner])
        create_project(actor=user, project_id=self.project_id, name=self.word, members=members, at=timezone.now())
        self.webhook, _ = create_webhook(
            actor=user, project_id=self.project_id, url="https://93.184.216.34/hook", at=timezone.now()
        )
        self.delivery = send_test(actor=user, webhook_id=self.webhook.pk, at=timezone.now())
        self._run("waiting")
        self._run("asking", note=asking(question(text=f"Which {self.word}?")))
        self._run("failed", note=[document(nonsense=n) for n in range(3)])
        self._run("cancelled")
        cancel_execution(actor=user, execution_id=self.runs["cancelled"].pk, reason=self.word)

    def _run(self, name: str, **replies: Any) -> None:
        run = self.runs[name] = start(self.revision, by=self.owner, project=self.project_id, brief={"idea": self.word})
        drive(run, Scripted(**({"note": document(title=self.word, text=self.word)} | replies)))
        run.refresh_from_db()

    @property
    def gate(self) -> Gate:
        return open_gate(self.runs["waiting"])

    def ids(self, run: str = "waiting") -> dict[str, str]:
        """Return a value for each part of a path, as far as it is about these belongings."""
        return {
            "project_id": self.project_id,
            "execution_id": str(self.runs[run].pk),
            "gate_id": str(self.gate.pk),
            "document_id": str(self.gate.document_id),
            "scope_id": self.project_id,
            "webhook_id": str(self.webhook.pk),
            "delivery_id": str(self.delivery.pk),
        }


# Parts of a path that are the same for everybody who has a role.
SHARED = {"workflow_id": "test", "step_id": "note", "scope_type": "project", "document_type": "note"}


class World:
    def __init__(self) -> None:
        types = {"note": note(accepted_by=("editor",)), "after": note()}
        self.revision = stored(workflow(types, step("note"), step("after", "note")))
        self.alice = Belongings("alice", "lighthouse-project", SECRET, self.revision)
        self.mallory = Belongings("mallory", "harbour", "harbour", self.revision)
        assert self.alice.runs["failed"].error_code == ErrorCode.OUTPUT_INVALID

    def client(self, name: str) -> APIClient:
        """Return a client with a token of somebody."""
        _, token = AuthToken.objects.create(person(name))
        return APIClient(headers={"Authorization": f"Bearer {token}"})

    @cached_property
    def unknown(self) -> dict[str, str]:
        """Return values of the right form that name nothing."""
        nothing = "00000000-0000-4000-8000-00000000000"
        uuids = ("execution_id", "gate_id", "document_id", "webhook_id", "delivery_id")
        texts = ("project_id", "scope_id", "workflow_id", "step_id", "scope_type", "document_type")
        return {name: f"{nothing}{n}" for n, name in enumerate(uuids)} | dict.fromkeys(texts, "tides")

    @property
    def unknown_of_projects(self) -> dict[str, str]:
        """Return those of them that stand for things of projects."""
        return {name: self.unknown[name] for name in self.alice.ids()}
