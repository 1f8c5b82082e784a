"""``Idempotency-Key``: a POST that is sent again is answered again, and not carried out again.

After the draft of the HTTPAPI working group ("The Idempotency-Key HTTP Header Field"). What the request does and the
answer that is kept for it are one transaction: see :mod:`executions.services.idempotency`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from documents.canonical import content_sha256
from executions.api.exceptions import (
    IdempotencyAnswerNotKept,
    IdempotencyInFlight,
    IdempotencyMismatch,
    InvalidIdempotencyKey,
)
from executions.api.views.callers import caller, execution_uuid
from executions.exceptions import ProjectNotFound
from executions.faultpoints import reach
from executions.models import Project
from executions.services.access import role_names, visible_execution
from executions.services.idempotency import Asked, KeptAnswer, hold_key, keep_answer

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"

_BARE = re.compile(r"[\x21\x23-\x7e][\x20-\x7e]{0,254}")
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,255})"')
_ESCAPED = re.compile(r"\\(.)")
_KEPT_HEADERS = ("Content-Type", "Location", "ETag")
# These say nothing about the request: who calls must be known first, and how often they may.
_NEVER_KEPT = frozenset({401, 429})

Handler = Callable[..., Response]


def parse_key(text: str) -> str:
    """Return the key, quoted or bare: both ways to write it mean the same. :raises InvalidIdempotencyKey:"""
    text = text.strip(" \t")
    if _BARE.fullmatch(text):
        return text
    if found := _QUOTED.fullmatch(text):
        return _ESCAPED.sub(r"\1", found[1])
    raise InvalidIdempotencyKey


class IdempotentPosts(APIView):
    """A view whose POST honours ``Idempotency-Key``. Every view that has a ``post`` is one; a test sees to it.

    What the operation answers is kept, success or refusal. What is refused before it begins is not: an unknown caller,
    too many requests, a body that cannot be read. Nor are faults (5xx): whatever was begun is undone, the key is free.
    """

    post: Handler

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method == "POST" and HEADER in request.headers and hasattr(self, "post"):
            # The handler that is looked up next; a view lives for one request.
            self.post = partial(self._post_once, parse_key(request.headers[HEADER]), self.post)

    def _post_once(self, key: str, post: Handler, request: Request, *args: Any, **kwargs: Any) -> Response:
        asked = Asked(
            user_id=caller(request).pk,
            method="POST",
            path=request.path,
            key=key,
            # The condition is part of what is asked: with another one it is another request.
            fingerprint=content_sha256([request.data, request.headers.get("If-Match")]),
        )
        with transaction.atomic():
            hold = hold_key(asked)
            if not hold.is_held:
                raise IdempotencyInFlight
            if hold.kept is not None:
                return self._replay(request, asked, hold.kept)
            response = self._carry_out(post, request, *args, **kwargs)
            if response.status_code >= 500 or response.status_code in _NEVER_KEPT:
                transaction.set_rollback(True)
                return response
            keep_answer(asked, _kept(asked, response))
            reach("answer_kept")
        reach("answer_committed")
        return response

    def _carry_out(self, post: Handler, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return the whole answer, also of a refusal: then nothing stays of what was begun."""
        try:
            with transaction.atomic():
                response = post(request, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - as ``dispatch`` does: every exception has its answer
            response = self.handle_exception(error)
        response = self.finalize_response(request, response, *args, **kwargs)
        response.render()
        return response

    def _replay(self, request: Request, asked: Asked, kept: KeptAnswer) -> Response:
        if kept.fingerprint != asked.fingerprint:
            raise IdempotencyMismatch
        self._check_sight(request, kept)
        if kept.body is None:
            raise IdempotencyAnswerNotKept(kept.http_status, kept.headers.get("Location"))
        response = Response(status=kept.http_status, headers={**kept.headers, REPLAYED: "true"})
        response.content = kept.body  # so it counts as rendered
        return response

    def _check_sight(self, request: Request, kept: KeptAnswer) -> None:
        """:raises NotFound: the caller may not see any more what the answer is about."""
        user = caller(request)
        if kept.http_status == 404:
            return
        if "execution_id" in self.kwargs:
            visible_execution(user, execution_uuid(self.kwargs["execution_id"]))
        elif kept.project_id and not Project.objects.visible_to(user).filter(pk=kept.project_id).exists():
            # Whoever makes a project is answered, also without being a member.
            is_creator = Project.objects.filter(pk=kept.project_id, created_by=user).exists()
            if not (is_creator and role_names(user)):
                raise ProjectNotFound(kept.project_id)


def _kept(asked: Asked, response: Response) -> KeptAnswer:
    data = response.data
    project_id = data.get("project_id") if isinstance(data, Mapping) and response.status_code < 300 else None
    return KeptAnswer(
        fingerprint=asked.fingerprint,
        http_status=response.status_code,
        headers={name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers},
        body=response.content,
        project_id=project_id or "",
    )
