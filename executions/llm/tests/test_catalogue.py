"""Model names: aliases, families and ids."""

from __future__ import annotations

from typing import get_args

import pytest
from anthropic.types.model import Model

from executions.llm.catalogue import (
    UnknownAlias,
    default_max_tokens,
    known_models,
    larger_max_tokens,
    newest_models,
    resolve_model,
    takes_structured_outputs,
)


def test_the_known_models_are_those_of_the_sdk() -> None:
    named = next(get_args(option) for option in get_args(Model) if option is not str)
    assert known_models() == named


def test_a_family_is_its_newest_model() -> None:
    assert newest_models() == {
        "sonnet": "claude-sonnet-5-5",
        "haiku": "claude-haiku-5-5",
        "opus": "claude-opus-5-5",
    }


@pytest.mark.parametrize(
    ("name", "aliases", "model"),
    [
        (None, {}, "claude-sonnet-5-5"),
        ("", {}, "claude-sonnet-5-5"),
        ("opus", {}, "claude-opus-5-5"),
        (None, {"sonnet": "claude-sonnet-4-6"}, "claude-sonnet-4-6"),
        ("fast", {"fast": "haiku"}, "claude-haiku-5-5"),
        ("fast", {"fast": " my-model "}, "my-model"),
        ("claude-opus-4-8", {}, "claude-opus-4-8"),
        ("some-gateway/model", {}, "some-gateway/model"),
    ],
)
def test_a_name_is_an_alias_a_family_or_an_id(name: str | None, aliases: dict[str, str], model: str) -> None:
    assert resolve_model(name, aliases) == model


def test_an_alias_without_a_model_is_refused() -> None:
    with pytest.raises(UnknownAlias, match="'opus'"):
        resolve_model("opus", {"opus": " "})


def test_there_is_more_room_once() -> None:
    first = default_max_tokens("claude-sonnet-5-5")
    assert larger_max_tokens("claude-sonnet-5-5", first) == 2 * first
    assert larger_max_tokens("claude-sonnet-5-5", 40_000) == 64_000
    assert larger_max_tokens("claude-sonnet-5-5", 100_000) == 100_000


def test_structured_outputs_are_for_known_models() -> None:
    assert takes_structured_outputs("claude-sonnet-5-5")
    assert not takes_structured_outputs("claude-mythos-preview")
    assert not takes_structured_outputs("my-own-model")
