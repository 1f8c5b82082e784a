"""Small valid workflows of both formats, for tests to break."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from workflows.library import Library
from workflows.parsing import Parsed, parse_workflow

ROLES = {
    "Editor 1.0": "You edit.",
    "Project Manager 1.0": "You manage.",
    "Business Analyst 1.0": "You analyse.",
    "Technical Architect 1.0": "You design.",
    "Quality Assurance 1.0": "You test.",
    "Developer 1.0": "You build.",
}
TASKS = {"Outline v1.0": "Write an outline.", "Chapter v1.0": "Write a chapter.", "Scene v1.0": "Write a scene."}
SCHEMAS = {"chapter_text": json.dumps({"type": "object", "properties": {"text": {"type": "string"}}})}


def library() -> Library:
    """Return the prompts and schemas that the samples name."""
    return Library.of(roles=ROLES, tasks=TASKS, schemas=SCHEMAS)


def v1() -> dict[str, Any]:
    """Return a workflow of format A: a book with chapters, and scenes in them."""
    return {
        "schema_version": "workflow.v1",
        "workflow_id": "book",
        "revision": "r1",
        "effective_date": "2026-01-02",
        "name": "Book",
        "scopes": {"book": {"parent": None}, "chapter": {"parent": "book"}, "scene": {"parent": "chapter"}},
        "document_types": {
            "outline": {
                "name": "Outline",
                "scope": "book",
                "may_own": ["chapter"],
                "collection_field": "chapters",
                "acceptance_required": True,
                "accepted_by": ["editor"],
            },
            "chapter_text": {"name": "Chapter", "scope": "chapter", "may_own": []},
            "scene_list": {
                "name": "Scenes",
                "scope": "chapter",
                "may_own": ["scene"],
                "collection_field": "scenes",
            },
            "scene_text": {"name": "Scene", "scope": "scene", "may_own": []},
        },
        "entity_types": {
            "chapter": {"name": "Chapter", "parent_doc_type": "outline", "creates_scope": "chapter"},
            "scene": {"name": "Scene", "parent_doc_type": "scene_list", "creates_scope": "scene"},
        },
        "steps": [
            production("outline", "Outline v1.0", "outline", "book", []),
            {
                "step_id": "per_chapter",
                "iterate_over": {"doc_type": "outline", "collection_field": "chapters", "entity_type": "chapter"},
                "scope": "chapter",
                "steps": [
                    production(
                        "chapter",
                        "Chapter v1.0",
                        "chapter_text",
                        "chapter",
                        [
                            {"doc_type": "outline", "scope": "book"},
                            {"entity_type": "chapter", "scope": "chapter", "context": True},
                        ],
                    ),
                    production(
                        "scenes",
                        "Scene v1.0",
                        "scene_list",
                        "chapter",
                        [{"doc_type": "chapter_text", "scope": "chapter", "context": True}],
                    ),
                    {
                        "step_id": "per_scene",
                        "iterate_over": {
                            "doc_type": "scene_list",
                            "collection_field": "scenes",
                            "entity_type": "scene",
                        },
                        "scope": "scene",
                        "steps": [
                            production(
                                "scene",
                                "Scene v1.0",
                                "scene_text",
                                "scene",
                                [
                                    {"entity_type": "scene", "scope": "scene", "context": True},
                                    {"doc_type": "chapter_text", "scope": "chapter"},
                                    {"doc_type": "outline", "scope": "book", "required": False},
                                ],
                            )
                        ],
                    },
                ],
            },
        ],
    }


def production(step_id: str, task: str, produces: str, scope: str, inputs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a production step of format A."""
    return {
        "step_id": step_id,
        "role": "Editor 1.0",
        "task_prompt": task,
        "produces": produces,
        "scope": scope,
        "inputs": inputs,
    }


def flat() -> dict[str, Any]:
    """Return a workflow of format B."""
    return {
        "workflow_id": "short-story",
        "name": "Short story",
        "version": "1.0",
        "document_type": "story",
        "steps": [
            {
                "step_id": "plan",
                "name": "Plan",
                "description": "What happens",
                "role": "PM",
                "task_prompt_id": "Outline v1.0",
                "inputs": [],
                "outputs": ["story-plan"],
                "output_schema": None,
                "model": "sonnet",
            },
            {
                "step_id": "write",
                "name": "Write",
                "role": "Developer",
                "task_prompt_id": "Chapter v1.0",
                "inputs": ["story-plan"],
                "outputs": ["story-text"],
                "output_schema": "chapter_text",
                "allow_clarification": False,
                "quality_gate": {"name": "review", "threshold": 0.5},
                "is_final": True,
            },
        ],
        "metadata": {"estimated_cost_usd": 0.5, "minutes": 15.0, "tags": ["a"]},
    }


def parse(value: Any) -> Parsed:
    """Parse a JSON value with the sample library."""
    return parse_workflow(value, library())


def write_package(root: Path, workflows: dict[str, Any], **changes: dict[str, bytes]) -> Path:
    """Write a package with the sample prompts; a workflow may be a JSON value or the bytes of its file."""
    files: dict[str, bytes] = {f"prompts/roles/{stem}.txt": text.encode() for stem, text in ROLES.items()}
    files |= {f"prompts/tasks/{stem}.md": text.encode() for stem, text in TASKS.items()}
    files |= {f"schemas/texts/{stem}.json": text.encode() for stem, text in SCHEMAS.items()}
    for name, value in workflows.items():
        files[f"workflows/{name}"] = value if isinstance(value, bytes) else json.dumps(value).encode()
    files |= changes.get("files", {})
    for path, data in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return root
