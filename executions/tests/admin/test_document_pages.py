"""Documents, as they are shown: arranged by their schema, whole, and inert."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.urls import reverse

from documents.models import Document
from documents.rendering import MAX_DEPTH, MAX_ITEMS, MAX_NODES, Node, has_place, raw_json, render
from executions.models import Gate
from executions.tests.admin.desk import at_desk, gate_url, shown_at
from executions.tests.engine_cast import open_gate, start
from executions.tests.engine_definitions import note, step, workflow
from executions.tests.pretend_worker import Scripted, document, drive

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</pre></details><script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "</textarea><svg onload=alert(1)>",
    "{{ 7*7 }}{% debug %}",
    "[click](javascript:alert(1))",
    "<!--",
    "]]><script>",
]

GOALS: dict[str, Any] = {
    "type": "object",
    "title": "Plan",
    "description": "What is meant to happen.",
    "properties": {
        "title": {"type": "string", "title": "Name of the plan", "description": "Short."},
        "goals": {
            "type": "array",
            "title": "Goals",
            "items": {
                "type": "object",
                "properties": {"id": {"type": "string"}, "statement": {"type": "string", "title": "What changes"}},
                "required": ["id", "statement"],
            },
        },
        "limits": {"type": "array", "items": {"type": "string"}},
        "is_final": {"type": "boolean"},
    },
    "required": ["title"],
}


def reviewing(content: Any, schema: dict[str, Any]) -> Gate:
    """Return the gate of a run whose document has this schema and content."""
    execution = start(workflow({"note": note(accepted_by=("editor",), schema=schema)}, step("note")))
    drive(execution, Scripted(note=document(**content)))
    return open_gate(execution)


def kinds(node: Node) -> list[tuple[str, str]]:
    return [(field.title, field.node.kind) for field in node.fields]


@pytest.mark.django_db
def test_the_page_shows_titles_descriptions_lists_and_tables_and_has_the_json_behind_a_link() -> None:
    content = {
        "title": "Lantern",
        "goals": [{"id": "G1", "statement": "Nothing is lost"}],
        "limits": ["Twelve weeks"],
        "is_final": True,
    }
    gate = reviewing(content, GOALS)
    page = at_desk("ed").get(gate_url(gate)).content.decode()
    assert "What is meant to happen." in page
    assert "Name of the plan <code" in page
    assert ">Short.</p>" in page
    assert '<th scope="col">What changes</th>' in page
    assert '<td data-label="What changes"><div class="doc-text" dir="auto">Nothing is lost</div>' in page
    assert "Twelve weeks" in page
    assert '<span class="doc-value">Yes</span>' in page
    assert "<details" in page
    assert '<a href="?view=json">JSON</a>' in page


def test_fields_come_in_the_order_of_the_schema_and_unknown_ones_apart() -> None:
    shown = render({"zeta": 1, "limits": ["a"], "title": "T", "alpha": 2}, GOALS)
    assert kinds(shown.root) == [("Name of the plan", "text"), ("Limits", "list")]
    assert [field.key for field in shown.root.other] == ["zeta", "alpha"]


def test_what_is_required_and_missing_is_named() -> None:
    assert render({"limits": []}, GOALS).root.missing == ("Name of the plan",)


def test_objects_of_many_fields_become_records_with_a_heading() -> None:
    item = {"id": "E1", "title": "Lend", **{f"field_{n}": "x" for n in range(6)}}
    node = render({"epics": [item]}).root.fields[0].node
    assert node.kind == "records"
    assert (node.rows[0].heading, node.rows[0].pointer) == ("E1 · Lend", "/epics/0")


def test_objects_with_unknown_or_missing_keys_become_records_that_say_so() -> None:
    node = render({"goals": [{"id": "G1", "extra": 1}]}, GOALS).root.fields[0].node
    assert node.kind == "records"
    row = node.rows[0].node
    assert row is not None
    assert [field.key for field in row.other] == ["extra"]
    assert row.missing == ("What changes",)


def test_references_and_combinations_of_a_schema_give_their_titles() -> None:
    schema = {
        "$defs": {"name": {"title": "Full name", "type": "string"}},
        "allOf": [{"properties": {"who": {"$ref": "#/$defs/name"}}}],
        "anyOf": [{"type": "null"}, {"properties": {"when": {"title": "Day"}}, "required": ["when"]}],
    }
    shown = render({"who": "Ada", "when": "today"}, schema)
    assert {field.title for field in shown.root.fields} == {"Full name", "Day"}
    assert render({"who": "Ada"}, schema).root.missing == ()


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"allOf": [{"$ref": "#"}] * 40},
        {"properties": {"a": {"$ref": "#/properties/a"}}},
        {"properties": 7, "required": "x", "items": True, "title": ["x"], "anyOf": {}, "$ref": "http://x/y"},
        {"properties": {"a": True}, "required": [1, None, "a"]},
        {"$ref": "#/$defs/none/1"},
    ],
)
def test_an_odd_schema_costs_titles_but_no_content(schema: dict[str, Any]) -> None:
    shown = render({"a": "kept", "b": [1, {"c": 2}]}, schema)
    fields = [*shown.root.fields, *shown.root.other]
    assert [field.key for field in fields] == ["a", "b"]


@pytest.mark.parametrize("content", ["", 0, None, [], {}, [[]], [{}], [1, "a", None, {"b": []}], {"": {"": ""}}, True])
def test_any_json_can_be_shown(content: Any) -> None:
    shown = render(content)
    assert json.loads(shown.raw) == content


def test_what_comes_after_the_first_items_and_keys_is_shown_as_json() -> None:
    shown = render({"many": list(range(MAX_ITEMS + 2)), "keys": {f"k{n}": n for n in range(MAX_ITEMS + 1)}})
    many, keys = (field.node for field in shown.root.other or shown.root.fields)
    assert shown.is_shortened
    assert (len(many.items), many.rest_count, json.loads(many.rest)) == (MAX_ITEMS, 2, [MAX_ITEMS, MAX_ITEMS + 1])
    assert (len(keys.fields), keys.rest_count, json.loads(keys.rest)) == (MAX_ITEMS, 1, {"k300": 300})


def test_deep_and_large_documents_end_as_json_and_lose_nothing() -> None:
    deep: Any = "bottom"
    for _ in range(60):
        deep = {"a": deep}
    shown = render(deep)
    assert shown.is_shortened
    assert "bottom" in shown.raw
    wide = render({"rows": [[n] for n in range(MAX_NODES)]})
    assert wide.is_shortened
    assert MAX_DEPTH < 64


def test_characters_that_cannot_be_seen_are_spelt_out() -> None:
    shown = render({"title": "safe\u202egpj.exe\U000e0041", "b\u200b": "\x07"})
    assert shown.has_hidden_characters
    assert shown.root.fields[0].node.text == "safe[U+202E]gpj.exe[U+E0041]"
    assert shown.root.fields[1].title == "B[U+200B]"
    assert "\u202e" not in shown.raw
    assert json.loads(shown.raw)["title"] == "safe\u202egpj.exe\U000e0041"


def test_joiners_and_letters_of_all_scripts_stay_as_they_are() -> None:
    text = "می‌خواهم 👩‍🚒 עברית\tnext\nline"
    assert render({"a": text}).root.fields[0].node.text == text
    assert json.loads(raw_json({"a": text})) == {"a": text}


@pytest.mark.parametrize(
    ("path", "is_there"),
    [("", True), ("/a", True), ("/a/0", True), ("/a/1", False), ("/a/-", False), ("/a/00", False), ("/x~1y", True),
     ("/x/y", False), ("a", False), ("/a/0/b", False), ("/a/٠", False)],
)  # fmt: skip
def test_places_are_found_by_their_pointer(path: str, is_there: bool) -> None:
    assert has_place({"a": ["v"], "x/y": 1}, path) is is_there


@pytest.mark.django_db
@pytest.mark.parametrize("attack", HOSTILE)
def test_hostile_text_is_only_text_wherever_it_stands(attack: str) -> None:
    schema = {
        "type": "object",
        "title": attack,
        "description": attack,
        "properties": {"title": {"type": "string", "title": attack, "description": attack}, "rows": {"type": "array"}},
    }
    content = {
        "title": attack,
        "rows": [{"id": attack, attack: attack}],
        attack: [attack, {attack: [attack]}],
    }
    gate, client = reviewing(content, schema), at_desk("ed")
    shown = shown_at(gate)
    assert shown.content == content
    pages = [
        gate_url(gate),
        reverse("admin:documents_document_change", args=(shown.pk,)),
        reverse("admin:documents_document_changelist"),
        reverse("admin:executions_execution_change", args=(gate.execution_id,)),
    ]
    for page in (client.get(url).content.decode() for url in pages):
        assert "<script>alert" not in page
        assert "<img" not in page.replace('<img src="/static/admin/img/', "")
        assert "onload=alert" not in page or "&lt;svg onload=alert" in page
        assert ' onmouseover="alert' not in page
        assert "javascript:alert" not in page or 'href="javascript' not in page
        assert "<!--" not in page.replace("<!-- ", "")


@pytest.mark.django_db
def test_documents_of_the_offline_model_say_so() -> None:
    gate, client = reviewing({"title": "T"}, GOALS), at_desk("ed")
    assert "offline model" not in client.get(gate_url(gate)).content.decode()
    note_of = shown_at(gate)
    offline = Document(
        project_id="apollo", scope_type="project", scope_id="apollo", document_type="other", version=1, status="final",
        title="Sample", content={"a": 1}, content_sha256="0" * 64, created_at=note_of.created_at, created_by="model",
        execution_id=gate.execution_id, is_offline=True,
    )  # fmt: skip
    offline.save()
    page = client.get(reverse("admin:documents_document_change", args=(offline.pk,))).content.decode()
    assert "sample text, not real work" in page


@pytest.mark.django_db
def test_a_document_page_links_to_its_versions_its_gate_and_its_run() -> None:
    gate, client = reviewing({"title": "T"}, GOALS), at_desk("vic")
    page = client.get(reverse("admin:documents_document_change", args=(gate.document_id,))).content.decode()
    assert "v1 (this one)" in page
    assert gate_url(gate) in page
    assert reverse("admin:executions_execution_change", args=(gate.execution_id,)) in page
    assert 'name="content"' not in page
