"""What only this API can miss or refuse: documents by name, keys of requests, conditions on what is there."""

from __future__ import annotations

from rest_framework import status
from rest_framework.exceptions import APIException

from executions.exceptions import NotFound


class DocumentNotFound(NotFound):
    """Also for documents of projects that the caller may not see."""

    code = "DOCUMENT_NOT_FOUND"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no document {name}.")


class InvalidIdempotencyKey(APIException):
    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "invalid_idempotency_key"
    default_detail = (
        'Idempotency-Key must be 1 to 255 printable ASCII characters, bare or as a quoted string ("..." with \\" and'
        " \\\\ for a quote and a backslash); a UUID does well."
    )


class IdempotencyInFlight(APIException):
    """The first request with this key is still being carried out. ``wait`` becomes ``Retry-After``."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "idempotency_in_flight"
    default_detail = (
        "A request with this Idempotency-Key is being carried out at this moment; send it again for its answer."
    )
    wait = 1


class IdempotencyAnswerNotKept(APIException):
    """The answer was too large, or was kept under another ``SECRET_KEY``. The request is not carried out again."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "idempotency_answer_not_kept"

    def __init__(self, http_status: int, location: str | None) -> None:
        where = f" What it made is at {location}." if location else ""
        super().__init__(
            f"The first request with this Idempotency-Key was carried out and answered {http_status}. It is not carried"
            f" out again, and its answer is not there any more.{where}"
        )


class IdempotencyMismatch(APIException):
    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "idempotency_mismatch"
    default_detail = (
        "This Idempotency-Key was used for a request with another body (or another If-Match); a new request needs a"
        " new key."
    )


class InvalidIfMatch(APIException):
    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "invalid_if_match"
    default_detail = (
        'If-Match must be * or a list of entity tags with their quotes, such as "3f2a..."; take it from ETag.'
    )


class PreconditionFailed(APIException):
    """What is there is not what the caller has seen. ``members`` become part of the answer."""

    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_code = "precondition_failed"

    def __init__(self, url: str) -> None:
        self.members = {"current": url}
        super().__init__(
            f"It has changed since it had the ETag in If-Match; nothing was done. GET {url} shows it as it is now,"
            " with its ETag."
        )
