"""What Schemathesis does besides, in tests/test_schemathesis.py."""

from __future__ import annotations

import re
import uuid
from typing import Any

import schemathesis

_KEY = re.compile(r'[!#-~][ -~]{0,254}|"([ !#-\[\]-~]|\\["\\]){1,255}"')
_TAG = re.compile(r'\*|(W/)?"[!#-~]*".*')


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    headers = case.headers or {}
    key, tag = headers.get("Idempotency-Key"), headers.get("If-Match")
    if isinstance(key, str) and _KEY.fullmatch(key):
        # Every request is a new one: the same few keys with ever other bodies would mostly be told just that (422).
        headers["Idempotency-Key"] = str(uuid.uuid4())
    if tag is not None and not _TAG.fullmatch(str(tag)) and case.meta.generation.mode.is_positive:
        # Its coverage phase counts the number 0 among the valid values of a text with a pattern.
        headers["If-Match"] = '"0"'
