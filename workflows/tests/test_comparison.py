"""What changed between two definitions."""

from __future__ import annotations

import copy
import time
from typing import Any

from workflows.comparison import MAX_CHANGES, Change, compare
from workflows.parsing import parse_workflow
from workflows.tests.samples import library, v1


def definition(change: Any = None) -> dict[str, Any]:
    source = v1()
    if change is not None:
        change(source)
    parsed = parse_workflow(source, library())
    assert parsed.definition is not None, [str(problem) for problem in parsed.problems]
    return parsed.definition.to_json()


def said(changes: list[Change]) -> list[tuple[str, str, list[tuple[str, str]]]]:
    return [(change.where, change.kind, [(line.mark, line.text) for line in change.lines]) for change in changes]


def test_the_same_definition_has_no_changes() -> None:
    assert compare(definition(), definition()) == []


def test_a_value_that_changed_shows_both_and_where_it_is() -> None:
    after = copy.deepcopy(definition())
    after["document_types"]["outline"]["acceptance"]["four_eyes"] = True
    after["document_types"]["outline"]["acceptance"]["quorum"] = 2
    assert said(compare(definition(), after)) == [
        ("document_types › outline › acceptance › quorum", "changed", [("removed", "1"), ("added", "2")]),
        ("document_types › outline › acceptance › four_eyes", "changed", [("removed", "no"), ("added", "yes")]),
    ]


def test_a_prompt_is_compared_line_by_line_with_a_little_around() -> None:
    before, after = definition(), definition()
    lines = [f"Line {number}." for number in range(20)]
    before["steps"][0]["task_prompt"] = "\n".join(lines)
    after["steps"][0]["task_prompt"] = "\n".join([*lines[:10], "Be brief.", *lines[10:]])
    assert said(compare(before, after)) == [
        (
            "steps › outline › task_prompt",
            "changed",
            [
                ("folded", "8 unchanged lines"),
                ("same", "Line 8."),
                ("same", "Line 9."),
                ("added", "Be brief."),
                ("same", "Line 10."),
                ("same", "Line 11."),
                ("folded", "8 unchanged lines"),
            ],
        )
    ]


def test_steps_are_matched_by_their_id_wherever_they_stand() -> None:
    before, after = definition(), definition()
    inner = after["steps"][1]["steps"]
    inner.reverse()
    assert [(change.where, change.kind) for change in compare(before, after)] == [
        ("steps › per_chapter › steps", "moved")
    ]
    gone = inner.pop()
    changes = compare(before, after)
    assert (changes[0].where, changes[0].kind) == (f"steps › per_chapter › steps › {gone['step_id']}", "removed")
    assert changes[0].lines[0].text == "{"


def test_an_input_that_is_added_is_named_by_what_it_takes() -> None:
    before, after = definition(), definition()
    removed = before["steps"][1]["steps"][0]["inputs"].pop()
    what = removed["doc_type"] or removed["entity_type"]
    assert [(change.where, change.kind) for change in compare(before, after)] == [
        (f"steps › per_chapter › steps › chapter › inputs › {what} of {removed['scope']}", "added")
    ]


def test_a_schema_is_one_text() -> None:
    before, after = definition(), definition()
    after["document_types"]["chapter_text"]["schema"] = {"type": "object", "required": ["text"]}
    [change] = compare(before, after)
    assert change.where == "document_types › chapter_text › schema"
    assert any(line.mark == "added" and '"required"' in line.text for line in change.lines)


def test_huge_texts_and_many_changes_are_bounded_in_time_and_size() -> None:
    started = time.thread_time()
    many = {"types": {f"t{n}": n for n in range(2_000)}, "text": "\n".join(f"{n}" for n in range(100_000))}
    other = {"types": {f"t{n}": n + 1 for n in range(2_000)}, "text": "\n".join(f"{n + 7}" for n in range(100_000))}
    assert len(compare(many, other)) == MAX_CHANGES
    [change] = compare({"text": many["text"]}, {"text": other["text"]})
    assert len(change.lines) < 500
    assert change.lines[-1].text == "99800 more lines"
    assert time.thread_time() - started < 5
