"""Which model an alias means, and what a model takes. Read from the SDK, so that an upgrade brings the new ones."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import get_args

DEFAULT_ALIAS = "sonnet"
FAMILIES = ("sonnet", "haiku", "opus")
DEFAULT_MAX_TOKENS = 16_000
LARGEST_MAX_TOKENS = 64_000

_VERSIONED = re.compile(r"claude-([a-z]+)-(\d+)(?:-(\d{1,2}))?")
_PREVIEW = "preview"


class UnknownAlias(ValueError):
    """The deployment's aliases name a model that cannot be one."""


def resolve_model(name: str | None, aliases: Mapping[str, str]) -> str:
    """Return the model id that ``name`` means: an alias of the deployment, a family, or an id, which passes through.

    ``None`` means the default alias. A deployment's alias may name a family (``{"opus": "sonnet"}``).

    :raises UnknownAlias: if an alias stands for nothing.
    """
    wanted = name or DEFAULT_ALIAS
    if wanted in aliases:
        target = aliases[wanted].strip()
        if not target:
            raise UnknownAlias(f"the model alias {wanted!r} has no model")
        wanted = target
    return newest_models().get(wanted, wanted)


@lru_cache(maxsize=1)
def newest_models() -> dict[str, str]:
    """Return the newest model of each family that the SDK names, undated ids only."""
    newest: dict[str, tuple[tuple[int, int], str]] = {}
    for model in known_models():
        match = _VERSIONED.fullmatch(model)
        if match is None:
            continue
        version = (int(match[2]), int(match[3] or 0))
        if match[1] not in newest or version > newest[match[1]][0]:
            newest[match[1]] = (version, model)
    return {family: model for family, (_, model) in newest.items() if family in FAMILIES}


@lru_cache(maxsize=1)
def known_models() -> tuple[str, ...]:
    """Return the model ids that the installed SDK names.

    Its list is a module without dependencies; loaded by itself it takes a millisecond, where importing the
    SDK takes a second, which a web process would spend on nothing else.
    """
    package = importlib.util.find_spec("anthropic")
    assert package is not None
    assert package.submodule_search_locations is not None
    path = Path(package.submodule_search_locations[0]) / "types" / "model.py"
    spec = importlib.util.spec_from_file_location("anthropic_model_ids", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return next(get_args(option) for option in get_args(module.Model) if option is not str)


def takes_structured_outputs(model: str) -> bool:
    """Whether the API can keep a schema for this model: all that the SDK names can, but for previews."""
    return model in known_models() and _PREVIEW not in model


def default_max_tokens(model: str) -> int:
    """Return how much a step may write when its definition does not say.

    The SDK names no limit per model. All of them write several times this much, which leaves room for
    the one larger try after a document that was cut off.
    """
    return DEFAULT_MAX_TOKENS


def larger_max_tokens(model: str, max_tokens: int) -> int:
    """Return the limit for the one retry after ``max_tokens`` was too little; the same where there is no more."""
    return max(max_tokens, min(max_tokens * 2, LARGEST_MAX_TOKENS))
