"""Small workflows, written as package files are, and stored as revisions: for tests of the engine."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from workflows.definition import ProductionStep
from workflows.library import Library
from workflows.models import Workflow, WorkflowRevision
from workflows.parsed import digest_of
from workflows.parsing import parse_workflow

JSON = dict[str, Any]

ROLE, TASK = "Writer 1.0", "Write v1.0"
PROMPTS = Library.of(
    roles={ROLE: "You write.", "Project Manager 1.0": "You manage.", "Developer 1.0": "You build."},
    tasks={TASK: "Write it."},
)

NOTE_SCHEMA: JSON = {
    "type": "object",
    "properties": {"title": {"type": "string", "minLength": 1}, "text": {"type": "string"}},
    "required": ["title"],
    "additionalProperties": False,
}


def note(
    scope: str = "project", *, accepted_by: tuple[str, ...] = (), schema: JSON | None = None, **policy: Any
) -> JSON:
    """Return a document type; with ``accepted_by`` or a policy it needs acceptance."""
    value: JSON = {"name": "Note", "scope": scope, "may_own": [], "schema": schema or NOTE_SCHEMA}
    if accepted_by or policy:
        value |= {"acceptance_required": True, "accepted_by": list(accepted_by)}
    if policy:
        value["acceptance"] = policy
    return value


def collection(
    scope: str = "project", *, owns: str = "epic", field: str = "items", accepted_by: tuple[str, ...] = ()
) -> JSON:
    """Return a document type whose ``field`` is iterated over. Its schema is a generated one."""
    value: JSON = {"name": "Backlog", "scope": scope, "may_own": [owns], "collection_field": field}
    if accepted_by:
        value |= {"acceptance_required": True, "accepted_by": list(accepted_by)}
    return value


def step(step_id: str, *needs: str, scope: str = "project", produces: str | None = None, **options: Any) -> JSON:
    """Return a production step. ``needs`` are document types as ``type``, ``type@scope``, or ``type?`` if optional."""
    return {
        "step_id": step_id,
        "role": ROLE,
        "task_prompt": TASK,
        "produces": produces or step_id,
        "scope": scope,
        "inputs": [_input(need, scope) for need in needs],
        **options,
    }


def _input(need: str, scope: str) -> JSON:
    name, _, where = need.rstrip("?").partition("@")
    where = where or scope
    value: JSON = {"doc_type": name, "scope": where, "required": not need.endswith("?")}
    if where == scope and scope != "project":
        value["context"] = True
    return value


def iteration(
    step_id: str, over: str, *steps: JSON, entity: str = "epic", field: str = "items", **options: Any
) -> JSON:
    """Return an iteration over the items of the document type ``over``."""
    return {
        "step_id": step_id,
        "iterate_over": {"doc_type": over, "collection_field": field, "entity_type": entity},
        "scope": entity,
        "steps": list(steps),
        **options,
    }


def workflow(types: JSON, *steps: JSON, workflow_id: str = "test") -> JSON:
    """Return a workflow of format A with the scopes project > epic > story."""
    collections = {value["may_own"][0]: name for name, value in types.items() if value["may_own"]}
    return {
        "schema_version": "workflow.v1",
        "workflow_id": workflow_id,
        "revision": "r1",
        "effective_date": "2026-01-02",
        "name": "Test",
        "scopes": {"project": {"parent": None}, "epic": {"parent": "project"}, "story": {"parent": "epic"}},
        "document_types": types,
        "entity_types": {
            entity: {"name": entity.title(), "parent_doc_type": name, "creates_scope": entity}
            for entity, name in collections.items()
        },
        "steps": list(steps),
    }


def stored(value: JSON) -> WorkflowRevision:
    """Store a workflow as loading does. What the file format would refuse is refused here too."""
    parsed = parse_workflow(value, PROMPTS)
    assert parsed.definition is not None, [str(problem) for problem in parsed.problems]
    definition, now = parsed.definition, timezone.now()
    digest = digest_of(definition)
    revision, _ = WorkflowRevision.objects.get_or_create(
        digest=digest,
        defaults={
            "workflow_id": definition.workflow_id,
            "revision": definition.revision,
            "name": definition.name,
            "format": definition.format,
            "definition": definition.to_json(),
            "step_count": sum(isinstance(each, ProductionStep) for each in definition.walk()),
            "loaded_at": now,
        },
    )
    Workflow.objects.update_or_create(
        workflow_id=revision.workflow_id, defaults={"current_revision": revision, "updated_at": now}
    )
    return revision


def single(**options: Any) -> JSON:
    """One step, one note, nobody asked."""
    return workflow({"note": note()}, step("note", **options))


def reviewed(*roles: str, **policy: Any) -> JSON:
    """One step whose note is accepted by ``roles``, and one that reads it."""
    return workflow(
        {"note": note(accepted_by=roles or ("editor",), **policy), "after": note()}, step("note"), step("after", "note")
    )


def chain(length: int, **options: Any) -> JSON:
    """Steps ``s1`` to ``s<length>``, each reading the one before."""
    steps = [step(f"s{n}", *([f"s{n - 1}"] if n > 1 else []), **options) for n in range(1, length + 1)]
    return workflow({each["step_id"]: note() for each in steps}, *steps)


def fork(**options: Any) -> JSON:
    """``start``, then ``left`` and ``right`` side by side, then ``end``."""
    steps = (
        step("start"),
        step("left", "start", **options),
        step("right", "start", **options),
        step("end", "left", "right"),
    )
    return workflow({each["step_id"]: note() for each in steps}, *steps)


def epics(*, accepted_by: tuple[str, ...] = (), **options: Any) -> JSON:
    """A backlog, a plan for each of its items, and a summary of the whole."""
    return workflow(
        {
            "backlog": collection(),
            "plan": note("epic", accepted_by=accepted_by),
            "summary": note(),
        },
        step("backlog"),
        iteration("per_epic", "backlog", step("plan", "backlog@project", scope="epic"), **options),
        step("summary", "backlog"),
    )


def stories(**options: Any) -> JSON:
    """An iteration inside an iteration: epics have stories, stories have plans."""
    return workflow(
        {
            "backlog": collection(),
            "stories": collection("epic", owns="story"),
            "plan": note("story"),
        },
        step("backlog"),
        iteration(
            "per_epic",
            "backlog",
            step("stories", "backlog@project", scope="epic"),
            iteration(
                "per_story",
                "stories",
                step("plan", "stories@epic", "backlog@project", scope="story"),
                entity="story",
                **options,
            ),
            **options,
        ),
    )


def flat(*steps: JSON) -> JSON:
    """Return a workflow of format B."""
    return {"workflow_id": "flat-test", "name": "Flat", "version": "1.0", "steps": list(steps)}


def flat_step(step_id: str, *needs: str, role: str = "PM", **options: Any) -> JSON:
    return {
        "step_id": step_id,
        "name": step_id,
        "role": role,
        "task_prompt_id": TASK,
        "inputs": list(needs),
        "outputs": [f"{step_id}-doc"],
        "output_schema": None,
        **options,
    }
