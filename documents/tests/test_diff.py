"""What changed between two versions, and what became of a place."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents.diff import MAX_CHANGES, Change, Comparison, compare, follow, is_same
from documents.rendering import has_place
from documents.wording import Effort, compare_texts, folded

JSON = dict[str, Any]

values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab \n", max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["id", "a", "b/c", "x_id", "~"]), inner, max_size=4)
    ),
    max_leaves=12,
)


def told(changes: tuple[Change, ...]) -> list[Any]:
    """Return changes as short tuples: kind, title, pointer, and what is below or was moved."""
    return [
        (each.kind, each.title, each.pointer, *([each.moved] if each.moved else []), *told(each.children))
        for each in changes
    ]


def words(comparison: Comparison) -> str:
    """Return the pieces of the one change as ``[-old-]`` and ``{+new+}``."""
    marks = {"same": "{}", "removed": "[-{}-]", "added": "{{+{}+}}", "skipped": "<{}>"}
    (change,) = comparison.changes
    return "".join(marks[piece.kind].format(piece.text) for piece in change.pieces)


@given(st.text("ab c\n", max_size=60), st.text("ab c\n", max_size=60))
def test_the_pieces_of_two_texts_make_both_again(old: str, new: str) -> None:
    pieces = compare_texts(old, new)
    assert "".join(piece.text for piece in pieces if piece.kind != "added") == old
    assert "".join(piece.text for piece in pieces if piece.kind != "removed") == new


@given(values, values)
def test_nothing_is_said_exactly_where_nothing_changed(old: Any, new: Any) -> None:
    assert compare(old, new).is_same == is_same(old, new)
    assert compare(old, old).is_same


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("The harbour is open.", "The harbour is closed.", "The harbour is [-open-]{+closed+}."),
        ("one two three", "one three", "one [-two -]three"),
        ("alpha beta gamma", "one two gamma", "[-alpha beta-]{+one two+} gamma"),
        (3, 4, "[-3-]{+4+}"),
        (True, 1, "[-Yes-]{+1+}"),
        (None, "none", "[-no value-]{+none+}"),
        ("safe", "safe\u202e", "safe{+[U+202E]+}"),
    ],
    ids=["word", "gone", "sentence", "number", "true-and-1", "null", "invisible"],
)
def test_a_text_is_compared_word_by_word(old: Any, new: Any, expected: str) -> None:
    assert words(compare({"text": old}, {"text": new})) == expected


def test_what_did_not_change_is_named_and_not_shown() -> None:
    found = compare({"title": "A", "text": "x", "goals": [1]}, {"title": "A", "text": "y", "goals": [1]})
    assert found.root is not None
    assert told(found.changes) == [("changed", "Text", "/text")]
    assert found.root.unchanged == ("Title", "Goals")


def test_a_long_text_shows_what_stands_beside_a_change() -> None:
    old = "start " + "word " * 500 + "end"
    pieces = folded(compare_texts(old, old.replace("end", "finish")))
    assert [piece.kind for piece in pieces] == ["skipped", "same", "removed", "added"]
    assert pieces[0].text == "2,346 unchanged characters"
    assert pieces[1].text.endswith("word ")


def story(number: int, text: str = "") -> JSON:
    return {"id": f"S{number}", "title": f"Story {number}", "text": text}


def test_items_are_matched_by_id_and_a_moved_one_is_said_to_be_moved() -> None:
    old = {"stories": [story(1), story(2), story(3), story(4)]}
    new = {"stories": [story(3), story(1), story(2, "longer"), story(5)]}
    (stories,) = compare(old, new).changes
    assert told(stories.children) == [
        ("moved", "S3 · Story 3", "/stories/0", "moved from place 3 to place 1"),
        ("changed", "S2 · Story 2", "/stories/2", ("changed", "Text", "/stories/2/text")),
        ("added", "S5 · Story 5", "/stories/3"),
        ("removed", "S4 · Story 4", "/stories/3"),
    ]
    assert stories.unchanged == ("S1 · Story 1",)
    assert compare(old, new).counts() == {"moved": 1, "changed": 1, "added": 1, "removed": 1}


def test_an_item_can_be_moved_and_changed() -> None:
    (change,) = compare([story(1), story(2)], [story(2, "new"), story(1)]).changes
    assert (change.kind, change.moved, change.children[0].pointer) == (
        "changed", "moved from place 2 to place 1", "/0/text",
    )  # fmt: skip


def test_items_without_ids_are_matched_by_what_they_hold() -> None:
    old = {"goals": ["Open the harbour", "Feed the gulls", "Rest"]}
    new = {"goals": ["Open the old harbour", "Sing", "Feed the gulls", "Rest"]}
    (goals,) = compare(old, new).changes
    assert told(goals.children) == [("changed", "Item 1", "/goals/0"), ("added", "Item 2", "/goals/1")]


def test_other_keys_than_id_tell_items_apart_where_each_has_its_own() -> None:
    old = [{"epic_id": "E1", "n": 1}, {"epic_id": "E2", "n": 2}]
    assert [each.kind for each in compare(old, old[::-1]).changes] == ["moved"]
    twice = [{"id": "E1", "n": 1}, {"id": "E1", "n": 2}]
    assert [each.kind for each in compare(twice, twice[::-1]).changes] != ["moved"]


def test_titles_and_their_order_come_from_the_schema() -> None:
    schema = {"properties": {"b": {"title": "Second"}, "a": {"title": "First"}}}
    assert [each.title for each in compare({"a": 1, "b": 1}, {"a": 2, "b": 2}, schema).changes] == ["Second", "First"]


def test_a_value_of_another_type_is_shown_before_and_after() -> None:
    (change,) = compare({"a": ["x"]}, {"a": "x"}).changes
    assert change.before is not None
    assert change.after is not None
    assert (change.before.kind, change.after.kind) == ("list", "text")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/stories/0", "/stories/1"),
        ("/stories/0/text", "/stories/1/text"),
        ("/stories/1", None),
        ("/stories/9", None),
        ("/goals/0", "/goals/1"),
        ("/gone", None),
        ("/title", "/title"),
        ("", ""),
    ],
)
def test_a_place_is_followed_into_the_new_version(path: str, expected: str | None) -> None:
    old = {"title": "T", "stories": [story(1), story(2)], "goals": ["Rest"], "gone": 1}
    new = {"title": "U", "stories": [story(3), story(1)], "goals": ["Sing", "Rest"]}
    assert follow(path, old, new) == expected


@given(st.lists(values, max_size=4), st.lists(values, max_size=4), st.integers(0, 5))
def test_every_place_that_was_followed_is_there(old: list[Any], new: list[Any], index: int) -> None:
    found = follow(f"/{index}", old, new)
    assert found is None or has_place(new, found)
    assert follow(f"/{index}", old, old) is not None or index >= len(old)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a b " * 200_000, "b a " * 200_000),
        ("x" * 2_000_000, "y" * 2_000_000),
        (["a", "b"] * 5_000, ["b", "c"] * 5_000),
        ([story(n) for n in range(10_000)], [story(n, "new") for n in range(9_999, -1, -1)]),
        ([[n] for n in range(10_000)], [[n + 1] for n in range(10_000)]),
        ({f"k{n}": "a b c" * 20 for n in range(3_000)}, {f"k{n}": "c b a" * 20 for n in range(3_000)}),
    ],
    ids=["words", "one-word", "list", "reversed", "lists", "fields"],
)
def test_hostile_versions_are_compared_in_bounded_time(old: Any, new: Any) -> None:
    started = time.process_time()
    found = compare({"text": old}, {"text": new})
    assert time.process_time() - started < 5
    assert not found.is_same
    assert sum(found.counts().values()) <= MAX_CHANGES


def test_what_there_is_no_room_for_is_counted() -> None:
    found = compare([story(n) for n in range(1_000)], [story(n, "new") for n in range(1_000)])
    assert found.left_out > 0
    assert found.root is not None
    assert len(found.root.children) + found.left_out >= 1_000


def test_the_effort_of_a_page_is_shared_by_its_texts() -> None:
    effort = Effort(100)
    assert len(compare_texts("a b c d e", "v w x y z", effort)) == 2
    compare_texts("a " * 400, "b " * 400, effort)
    assert [piece.kind for piece in compare_texts("a b", "a c", effort)] != []
