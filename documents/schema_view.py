"""A JSON Schema as a guide for reading: titles, descriptions and the order of keys. It never judges a value.

References inside the schema are followed; nothing else is ever looked at. Whatever is not understood is
ignored, so an odd schema costs its titles, never a document.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MAX_FOLDS = 100


class SchemaView:
    """One place of a schema, with its references and combinations folded in."""

    def __init__(self, schema: Mapping[str, Any], root: Mapping[str, Any]) -> None:
        self._root = root
        self._schema = _Folding(root).folded(schema)

    @classmethod
    def of(cls, schema: Mapping[str, Any]) -> SchemaView:
        """Return the view of a whole schema."""
        return cls(schema, schema)

    @property
    def title(self) -> str:
        return _text(self._schema.get("title"))

    @property
    def description(self) -> str:
        return _text(self._schema.get("description"))

    @property
    def properties(self) -> Mapping[str, Any]:
        """The named keys in the order in which the schema gives them."""
        return _mapping(self._schema.get("properties"))

    @property
    def required(self) -> tuple[str, ...]:
        required = self._schema.get("required")
        return tuple(dict.fromkeys(key for key in _list(required) if isinstance(key, str)))

    def at(self, key: str) -> SchemaView:
        """Return the view of the value under ``key``."""
        named = self.properties.get(key, self._schema.get("additionalProperties"))
        return SchemaView(_mapping(named), self._root)

    def item(self, index: int) -> SchemaView:
        """Return the view of one item of a list."""
        prefix = self._schema.get("prefixItems")
        if isinstance(prefix, list) and index < len(prefix):
            return SchemaView(_mapping(prefix[index]), self._root)
        return SchemaView(_mapping(self._schema.get("items")), self._root)


class _Folding:
    """Folds one place together; counts its steps, since references may go round in circles."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._left = _MAX_FOLDS

    def folded(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``schema`` with what its ``$ref``, ``allOf``, ``anyOf`` and ``oneOf`` add; its own keys win."""
        result = dict(schema)
        parts = [_target(schema.get("$ref"), self._root), *_mappings(schema.get("allOf"))]
        for part in parts:
            if part and self._left > 0:
                self._left -= 1
                _fold_in(result, self.folded(part))
        for name in ("anyOf", "oneOf"):
            self._fold_alternative(result, _mappings(schema.get(name)))
        return result

    def _fold_alternative(self, result: dict[str, Any], alternatives: list[Mapping[str, Any]]) -> None:
        """Fold in the first alternative that names keys or items.

        Which one a value is meant as cannot be told without judging it; titles help all the same. What only
        one alternative requires is not required.
        """
        for part in alternatives:
            if self._left <= 0:
                return
            self._left -= 1
            view = self.folded(part)
            if "properties" in view or "items" in view:
                _fold_in(result, {key: value for key, value in view.items() if key != "required"})
                return


def _fold_in(result: dict[str, Any], part: Mapping[str, Any]) -> None:
    properties = {**_mapping(part.get("properties")), **_mapping(result.get("properties"))}
    required = [*_list(result.get("required")), *_list(part.get("required"))]
    for key, value in part.items():
        result.setdefault(key, value)
    if properties:
        result["properties"] = properties
    if required:
        result["required"] = required


def _target(reference: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a reference of the form ``#/$defs/name`` means; other references mean nothing here."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return {}
    place: Any = root
    for part in reference[1:].split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(place, list) and key.isdecimal() and int(key) < len(place):
            place = place[int(key)]
        elif isinstance(place, dict):
            place = place.get(key)
        else:
            return {}
    return _mapping(place)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [part for part in _list(value) if isinstance(part, dict)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
