"""A JSON column that keeps the order of keys."""

from __future__ import annotations

import json
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


class OrderedJSONField(models.JSONField):
    """PostgreSQL's ``json``: the text as it was written.

    ``jsonb`` sorts the keys of an object by length. A JSON Schema tells the model, and people who read its
    documents, in which order its properties come, so a definition must come back as it went in.
    """

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "json"

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        if value is None or hasattr(value, "resolve_expression"):
            return value
        return json.dumps(value, ensure_ascii=False, allow_nan=False)

    def from_db_value(self, value: Any, expression: Any, connection: BaseDatabaseWrapper) -> Any:
        # Django reads jsonb as text; psycopg has parsed json already.
        return json.loads(value) if isinstance(value, str) else value
