"""A document for any JSON Schema of the kind that workflow packages use.

Deterministic: the same schema and seed give the same document. It reads ``$ref``, ``allOf``, ``anyOf``,
``oneOf``, ``if``/``then``/``else``, enumerations, formats, patterns (best effort) and all bounds. What it
writes are plausible English placeholders, so that a demo of an unknown workflow can be looked at.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import Any

from executions.llm.offline import words
from executions.llm.offline.regex_text import text_for_pattern
from executions.llm.values import JSON, CollectionRule

_MAX_DEPTH = 12
_DEFAULT_ITEMS = 3
_LIST_ITEMS = 2
_FREE_LENGTH = 400


def generate_document(
    schema: JSON, *, seed: str, collection: CollectionRule | None = None, item_count: int = _DEFAULT_ITEMS
) -> Any:
    """Return a value that is valid under ``schema``; the collection gets ``item_count`` items with unique ids."""
    generator = _Generator(schema, random.Random(seed), collection, item_count)  # noqa: S311 - repeatable, not secret
    value = generator.value(schema, "document", 0)
    if collection is not None and isinstance(value, dict):
        generator.add_collection(value, schema)
    return value


class _Generator:
    """One document in the making: the root schema for references, and the source of chance."""

    def __init__(self, root: JSON, rng: random.Random, collection: CollectionRule | None, item_count: int) -> None:
        self._root = root
        self._rng = rng
        self._collection = collection
        self._item_count = item_count

    def value(self, schema: Any, name: str, depth: int) -> Any:
        """Return a value for ``schema``; ``name`` is the property's, for what the text is about."""
        schema = self._flat(schema, depth)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._rng.choice(schema["enum"])
        kind = _kind(schema)
        if kind == "object":
            return self._object(schema, name, depth)
        if kind == "array":
            return self._array(schema, name, depth)
        if kind in ("integer", "number"):
            return self._number(schema, is_integer=kind == "integer")
        if kind == "string":
            return self._text(schema, name)
        return self._rng.random() < 0.5 if kind == "boolean" else None

    def add_collection(self, document: JSON, schema: JSON) -> None:
        """Make the collection's items have unique ids, whatever the schema says or leaves out."""
        assert self._collection is not None
        items = document.get(self._collection.field)
        if not isinstance(items, list) or not items:
            item_schema = self._flat(self._flat(schema, 0).get("properties", {}).get(self._collection.field, {}), 0)
            items = self._array({"type": "array", **item_schema}, self._collection.field, 1)
            document[self._collection.field] = items
        inner = self._flat(self._flat(schema, 0).get("properties", {}).get(self._collection.field, {}), 0)
        id_schema = self._id_schema(inner.get("items", {}))
        prefix = words.id_prefix(self._collection.field)
        for number, item in enumerate(items, start=1):
            if isinstance(item, dict):
                key = next((key for key in self._collection.id_keys if key in item), self._collection.id_keys[0])
                item[key] = self._item_id(id_schema.get(key, {}), prefix, number)

    def _id_schema(self, items: Any) -> Mapping[str, Any]:
        properties = self._flat(items, 0).get("properties", {})
        return {key: self._flat(schema, 0) for key, schema in properties.items()}

    def _item_id(self, schema: JSON, prefix: str, number: int) -> Any:
        if _kind({"type": "string", **schema}) in ("integer", "number"):
            return max(number, math.ceil(schema.get("minimum", number)) + number - 1)
        if schema.get("enum"):
            return schema["enum"][(number - 1) % len(schema["enum"])]
        if "pattern" in schema or schema.get("minLength", 0) > len(prefix) + 1:
            return self._patterned_id(schema, prefix, number)
        return f"{prefix}{number}"

    def _patterned_id(self, schema: JSON, prefix: str, number: int) -> str:
        """Return the ``number``-th text of the pattern: different numbers, different texts, by trying."""
        pattern = schema.get("pattern", "")
        least = schema.get("minLength", 0)
        for candidate in (f"{prefix}{number}", f"{prefix}-{number:0{max(1, least - len(prefix) - 1)}d}"):
            if len(candidate) >= least and words.matches(pattern, candidate):
                return candidate
        seen: list[str] = []
        rng = random.Random(prefix)  # noqa: S311 - repeatable, not secret
        for _ in range(number * 20):
            text = text_for_pattern(pattern, rng, min_length=least) or f"{prefix}{number}"
            if text not in seen:
                seen.append(text)
            if len(seen) == number:
                break
        return seen[-1]

    def _flat(self, schema: Any, depth: int) -> JSON:
        """Return one plain schema: references followed, ``allOf`` merged, one branch of a choice taken."""
        if not isinstance(schema, dict):
            return {}
        flat: JSON = schema
        for _ in range(50):
            if "$ref" in flat:
                rest = {key: value for key, value in flat.items() if key != "$ref"}
                flat = _merged(self._resolve(flat["$ref"]), rest)
            elif "allOf" in flat:
                flat = self._join(flat, "allOf", flat["allOf"])
            elif "anyOf" in flat or "oneOf" in flat:
                keyword = "anyOf" if "anyOf" in flat else "oneOf"
                flat = self._join(flat, keyword, [self._choice(flat[keyword], depth)])
            elif "then" in flat or "else" in flat:
                branches = [{**flat.get("if", {})}, flat.get("then", {})]
                rest = {key: value for key, value in flat.items() if key not in ("if", "then", "else")}
                flat = self._join(rest, "", branches if "then" in flat else [flat["else"]])
            else:
                break
        return flat

    def _join(self, schema: JSON, keyword: str, parts: list[Any]) -> JSON:
        joined = {key: value for key, value in schema.items() if key != keyword}
        for part in parts:
            if isinstance(part, dict):
                joined = _merged(joined, self._resolve(part["$ref"]) if set(part) == {"$ref"} else part)
        return joined

    def _choice(self, options: list[Any], depth: int) -> Any:
        """Take the first branch, which authors write as the normal one; deep down, the simplest."""
        if depth < _MAX_DEPTH:
            return options[0]
        return min(options, key=lambda option: _kind(self._flat(option, depth - 1)) in ("object", "array"))

    def _resolve(self, reference: str) -> JSON:
        node: Any = self._root
        for part in reference.removeprefix("#").strip("/").split("/") if reference.startswith("#/") else ():
            key = part.replace("~1", "/").replace("~0", "~")
            node = node.get(key, {}) if isinstance(node, dict) else {}
        return node if isinstance(node, dict) else {}

    def _object(self, schema: JSON, name: str, depth: int) -> JSON:
        properties: JSON = schema.get("properties", {})
        required = [key for key in schema.get("required", ()) if isinstance(key, str)]
        wanted = list(properties) if depth < _MAX_DEPTH // 2 else []
        keys = [key for key in properties if key in wanted or key in required]
        keys += [key for key in required if key not in properties]
        result: JSON = {}
        for key in keys:
            result[key] = self.value(properties.get(key, _pattern_property(schema, key)), key, depth + 1)
        extra = schema.get("additionalProperties", {})
        while len(result) < schema.get("minProperties", 0):
            key = f"{words.noun(self._rng)}_{len(result) + 1}"
            result[key] = self.value(extra if isinstance(extra, dict) else {}, key, depth + 1)
        if not keys and depth == 0 and extra is not False:
            result.update(words.plain_document(self._rng))
        most = schema.get("maxProperties")
        if most is not None and len(result) > most:
            kept = [*required, *(key for key in result if key not in required)][:most]
            result = {key: result[key] for key in result if key in kept}
        return result

    def _array(self, schema: JSON, name: str, depth: int) -> list[Any]:
        least, most = schema.get("minItems", 0), schema.get("maxItems", math.inf)
        is_collection = self._collection is not None and name == self._collection.field and depth == 1
        usual = self._item_count if is_collection else _LIST_ITEMS
        count = max(least, 0 if depth >= _MAX_DEPTH // 2 else usual)
        count = int(min(max(count, least), most))
        first = schema.get("prefixItems", [])
        inner = schema.get("items", {})
        if is_collection and not inner:
            inner = {"type": "object", "properties": words.ITEM_PROPERTIES}
        if inner is False:
            count = min(count, len(first))
        items: list[Any] = []
        for index in range(count):
            item_schema = first[index] if index < len(first) else inner
            items.append(self._fresh(item_schema, name, depth, items if schema.get("uniqueItems") else ()))
        return _without_repeats(items, least) if schema.get("uniqueItems") else items

    def _fresh(self, schema: Any, name: str, depth: int, seen: Any) -> Any:
        for _ in range(30):
            value = self.value(schema, words.singular(name), depth + 1)
            if value not in seen:
                break
        return value

    def _number(self, schema: JSON, *, is_integer: bool) -> int | float:
        step = schema.get("multipleOf") or (1 if is_integer else 0.5)
        low, high = _bounds(schema, step)
        if low is None:
            low = min(1, high) if high is not None else 1
        count = 20 if high is None else max(0, int((high - low) // step))
        first = math.ceil(low / step - 1e-9)
        value = (first + self._rng.randint(0, min(count, 20))) * step
        if high is not None and value > high:
            value = first * step
        return round(value) if is_integer else round(value, 9)

    def _text(self, schema: JSON, name: str) -> str:
        least, most = schema.get("minLength", 0), schema.get("maxLength", _FREE_LENGTH)
        if maker := _FORMATS.get(schema.get("format", "")):
            return maker(self._rng)
        if "pattern" in schema:
            text = text_for_pattern(schema["pattern"], self._rng, min_length=least)
            if text is not None and len(text) <= most:
                return text
        text = words.text_for(name, self._rng)
        while len(text) < least:
            text += " " + words.sentence(self._rng)
        return text if len(text) <= most else text[:most].rstrip().ljust(least, ".")


def _kind(schema: JSON) -> str:
    """Return the type to write: the stated one (the first that is not null), or what the keywords imply."""
    stated = schema.get("type")
    if isinstance(stated, list):
        return next((kind for kind in stated if kind != "null"), "null")
    if isinstance(stated, str):
        return stated
    if any(key in schema for key in ("properties", "required", "additionalProperties", "minProperties")):
        return "object"
    if any(key in schema for key in ("items", "prefixItems", "minItems")):
        return "array"
    if any(key in schema for key in ("minimum", "maximum", "multipleOf", "exclusiveMinimum", "exclusiveMaximum")):
        return "number"
    return "string"


def _bounds(schema: JSON, step: float) -> tuple[float | None, float | None]:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if above is not None:
        low = max(above + step / 2 if low is None else low, above + step / 2)
    if below is not None:
        high = min(below - step / 2 if high is None else high, below - step / 2)
    return low, high


def _merged(base: JSON, other: JSON) -> JSON:
    """Return both schemas in one: properties and requirements are joined, the tighter bound holds."""
    result = {**base, **other}
    for key in ("properties", "patternProperties", "$defs"):
        if key in base and key in other:
            both = {name: _merged(base[key][name], other[key][name]) for name in base[key] if name in other[key]}
            result[key] = {**base[key], **other[key], **both}
    if "required" in base and "required" in other:
        result["required"] = [*base["required"], *(key for key in other["required"] if key not in base["required"])]
    if "allOf" in base and "allOf" in other:
        result["allOf"] = [*base["allOf"], *other["allOf"]]
    if "enum" in base and "enum" in other:
        result["enum"] = [value for value in base["enum"] if value in other["enum"]]
    for key in ("minLength", "minItems", "minimum", "minProperties"):
        if key in base and key in other:
            result[key] = max(base[key], other[key])
    for key in ("maxLength", "maxItems", "maximum", "maxProperties"):
        if key in base and key in other:
            result[key] = min(base[key], other[key])
    return result


def _pattern_property(schema: JSON, key: str) -> Any:
    for pattern, inner in schema.get("patternProperties", {}).items():
        if words.matches(pattern, key):
            return inner
    extra = schema.get("additionalProperties", {})
    return extra if isinstance(extra, dict) else {}


def _without_repeats(items: list[Any], least: int) -> list[Any]:
    unique: list[Any] = []
    for item in items:
        if item not in unique:
            unique.append(item)
    return unique if len(unique) >= least else items


_FORMATS: dict[str, Callable[[random.Random], str]] = {
    "date": lambda rng: f"2026-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}",
    "date-time": lambda rng: f"2026-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}T09:00:00Z",
    "time": lambda rng: f"{rng.randint(8, 17):02d}:30:00Z",
    "duration": lambda rng: f"P{rng.randint(1, 28)}D",
    "email": lambda rng: f"{words.noun(rng)}@example.com",
    "idn-email": lambda rng: f"{words.noun(rng)}@example.com",
    "hostname": lambda rng: f"{words.noun(rng)}.example.com",
    "idn-hostname": lambda rng: f"{words.noun(rng)}.example.com",
    "ipv4": lambda rng: f"192.0.2.{rng.randint(1, 254)}",
    "ipv6": lambda rng: f"2001:db8::{rng.randint(1, 9999)}",
    "uri": lambda rng: f"https://example.com/{words.noun(rng)}",
    "uri-reference": lambda rng: f"/{words.noun(rng)}",
    "iri": lambda rng: f"https://example.com/{words.noun(rng)}",
    "iri-reference": lambda rng: f"/{words.noun(rng)}",
    "uri-template": lambda rng: f"/{words.noun(rng)}/{{id}}",
    "uuid": lambda rng: (
        f"{rng.getrandbits(32):08x}-{rng.getrandbits(16):04x}-4{rng.getrandbits(12):03x}-a"
        f"{rng.getrandbits(12):03x}-{rng.getrandbits(48):012x}"
    ),
    "json-pointer": lambda rng: f"/{words.noun(rng)}",
    "regex": lambda rng: f"^{words.noun(rng)}$",
}
