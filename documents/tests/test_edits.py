"""What people changed in a document themselves, and how it lives on in what a model writes later."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents.edits import carry_over, edited_by_hand, kept_values

GOALS = {
    "title": "Plan",
    "goals": [{"id": "G1", "text": "fast"}, {"id": "G2", "text": "cheap"}, {"id": "G3", "text": "good"}],
    "notes": ["one", "two"],
}


def edited(after: Any, before: Any = GOALS, edits: Any = None, by: str = "ed") -> dict[str, Any]:
    return edited_by_hand(before, after, edits=edits, by=by, at="2026-01-02T03:04:05+00:00", from_version=1)


def changed(change: Callable[[Any], object], base: Any = GOALS) -> Any:
    content = copy.deepcopy(base)
    change(content)
    return content


def kept(after: Any, written: Any, *comment_paths: str, is_valid: Callable[[Any], bool] = lambda _: True) -> Any:
    """Have a model write ``written`` after people have made ``after`` of the goals."""
    return carry_over(after, edited(after), written, comment_paths=comment_paths, is_valid=is_valid)


def test_the_smallest_places_are_named_and_items_by_their_ids() -> None:
    def change(content: Any) -> None:
        content["goals"][1]["text"] = "affordable"
        content["goals"].append({"id": "G4", "text": "new"})
        del content["goals"][0]
        content["notes"][0] = "uno"
        content["owner"] = None

    edits = edited(changed(change))
    assert (edits["by"], edits["from_version"]) == ("ed", 1)
    assert [(each["kind"], each["path"]) for each in edits["places"]] == [
        ("set", "/goals/0/text"),
        ("set", "/goals/2"),
        ("removed", "/goals/0"),
        ("set", "/notes"),
        ("set", "/owner"),
    ]
    assert edits["places"][0]["place"] == ["goals", ["id", "G2"], "text"]
    assert {(each["by"], each["at"]) for each in edits["places"]} == {("ed", "2026-01-02T03:04:05+00:00")}
    assert edits["changed"] == [each["path"] for each in edits["places"]]


def test_true_is_not_one() -> None:
    assert edited({"flag": True}, {"flag": 1})["changed"] == ["/flag"]


def test_what_the_model_changed_all_the_same_is_put_back_where_the_item_stands_now() -> None:
    after = changed(lambda content: content["goals"][1].update(text="affordable"))
    written = {"title": "Better plan", "goals": [{"id": "G2", "text": "cheap!"}, {"id": "G1", "text": "faster"}]}
    content, edits = kept(after, written)
    assert content == {
        "title": "Better plan",
        "goals": [{"id": "G2", "text": "affordable"}, {"id": "G1", "text": "faster"}],
    }
    assert edits["restored"] == ["/goals/0/text"]
    assert edits["places"][0]["path"] == "/goals/0/text"
    assert "cheap!" in str(written)


def test_what_the_model_kept_is_remembered_and_not_called_restored() -> None:
    after = changed(lambda content: content.update(title="Mine"))
    content, edits = kept(after, {**after, "notes": []})
    assert content["notes"] == []
    assert "restored" not in edits
    assert [each["path"] for each in edits["places"]] == ["/title"]


def test_an_item_that_the_model_took_away_takes_the_edit_with_it_and_the_version_says_so() -> None:
    after = changed(lambda content: content["goals"][1].update(text="affordable"))
    content, edits = kept(after, {"title": "Plan", "goals": [{"id": "G1", "text": "fast"}]})
    assert content["goals"] == [{"id": "G1", "text": "fast"}]
    assert edits["lost"] == [{"path": "/goals/1/text", "by": "ed", "kind": "set", "value": "affordable", "why": "gone"}]
    assert "places" not in edits


def test_an_item_that_a_person_added_comes_back_and_one_they_removed_goes_again() -> None:
    def change(content: Any) -> None:
        content["goals"].append({"id": "G4", "text": "mine"})
        del content["goals"][0]

    content, edits = kept(changed(change), copy.deepcopy(GOALS))
    assert [item["id"] for item in content["goals"]] == ["G2", "G3", "G4"]
    assert set(edits["restored"]) == {"/goals/2", "/goals/0"}


def test_the_order_that_a_person_gave_a_list_is_kept_among_the_items_that_remain() -> None:
    after = changed(lambda content: content["goals"].reverse())
    assert edited(after)["changed"] == ["/goals"]
    written = [{"id": "G1", "text": "a"}, {"id": "NEW", "text": "n"}, {"id": "G3", "text": "c"}]
    content, edits = kept(after, {"goals": written})
    assert [item["id"] for item in content["goals"]] == ["G3", "NEW", "G1"]
    assert content["goals"][0]["text"] == "c"
    assert edits["restored"] == ["/goals"]


@pytest.mark.parametrize("path", ["/goals/1/text", "/goals/1/text/0"])
def test_a_place_that_reviewers_commented_on_is_the_models_again(path: str) -> None:
    after = changed(lambda content: content["goals"][1].update(text="affordable"))
    content, edits = kept(after, copy.deepcopy(GOALS), path)
    assert content == GOALS
    assert edits == {"released": ["/goals/1/text"]}
    assert kept_values(after, edited(after), [path]) == []


@pytest.mark.parametrize("path", ["", "/goals", "/goals/1", "/goals/1/texts"])
def test_a_comment_on_something_larger_or_elsewhere_releases_nothing(path: str) -> None:
    after = changed(lambda content: content["goals"][1].update(text="affordable"))
    content, _ = kept(after, copy.deepcopy(GOALS), path)
    assert content == after
    assert kept_values(after, edited(after), [path]) == [{"path": "/goals/1/text", "value": "affordable"}]


def test_what_would_make_the_document_invalid_is_left_and_noted_and_the_rest_is_put_back() -> None:
    after = changed(lambda content: content.update(title="Mine", size="XL"))
    written = {"title": "Theirs", "size": "S", "limit": 5}
    content, edits = kept(after, written, is_valid=lambda value: not (value["size"] == "XL" and "limit" in value))
    assert content == {"title": "Mine", "size": "S", "limit": 5}
    assert edits["restored"] == ["/title"]
    assert edits["lost"] == [{"path": "/size", "by": "ed", "kind": "set", "value": "XL", "why": "invalid"}]


def test_edits_of_several_people_add_up_and_the_last_word_on_a_place_counts() -> None:
    first = changed(lambda content: content.update(title="Ed's", owner="ed"))
    edits = edited(first)
    second = changed(lambda content: content.update(title="Eva's"), first)
    both = edited(second, first, edits, by="eva")
    assert [(each["path"], each["by"]) for each in both["places"]] == [("/owner", "ed"), ("/title", "eva")]
    assert both["changed"] == ["/title"]
    content, _ = carry_over(second, both, dict(GOALS), comment_paths=(), is_valid=lambda _: True)
    assert (content["title"], content["owner"]) == ("Eva's", "ed")


def test_a_document_that_is_no_object_is_one_place() -> None:
    edits = edited(["b"], ["a"])
    assert edits["changed"] == [""]
    content, said = carry_over(["b"], edits, ["c"], comment_paths=(), is_valid=lambda _: True)
    assert content == ["b"]
    assert said is not None
    assert said["restored"] == [""]


def test_nothing_is_said_of_versions_that_nobody_has_edited() -> None:
    assert carry_over(GOALS, None, {"title": "x"}, comment_paths=(), is_valid=lambda _: True) == ({"title": "x"}, None)
    assert kept_values(GOALS, None, ()) == []


_names = st.sampled_from(["a", "b", "c", "d", "e~/f"])
_leaves = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "x", "y z"])
_items = st.lists(
    st.fixed_dictionaries({"id": st.sampled_from(["1", "2", "3", "4"]), "v": _leaves}),
    max_size=4,
    unique_by=lambda item: str(item["id"]),
)
_values = st.recursive(_leaves | _items, lambda inner: st.dictionaries(_names, inner) | st.lists(inner, max_size=3))
_contents = st.dictionaries(_names, _values, max_size=4)


@given(before=_contents, after=_contents)
def test_a_model_that_undoes_every_edit_gets_every_edit_back(before: Any, after: Any) -> None:
    edits = edited(after, before)
    content, said = carry_over(after, edits, before, comment_paths=(), is_valid=lambda _: True)
    assert not (said or {}).get("lost")
    assert _unordered(content) == _unordered(after)


@given(before=_contents, after=_contents, written=_contents)
def test_no_edit_is_lost_without_a_word(before: Any, after: Any, written: Any) -> None:
    edits = edited(after, before)
    _, said = carry_over(after, edits, written, comment_paths=(), is_valid=lambda _: True)
    said = said or {}
    assert len(said.get("places", [])) + len(said.get("lost", [])) == len(edits["places"])


def _unordered(value: Any) -> Any:
    """Return a value in which the order of items with ids plays no part: those that a person added come back last."""
    if isinstance(value, dict):
        return {key: _unordered(each) for key, each in value.items()}
    if isinstance(value, list):
        items = [_unordered(each) for each in value]
        return sorted(items, key=lambda each: str(each["id"])) if items and _has_ids(items) else items
    return (type(value).__name__, value)


def _has_ids(items: list[Any]) -> bool:
    return all(isinstance(each, dict) and "id" in each for each in items)
