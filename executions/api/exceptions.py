"""What only this API can miss."""

from __future__ import annotations

from executions.exceptions import NotFound


class DocumentNotFound(NotFound):
    """Also for documents of projects that the caller may not see."""

    code = "DOCUMENT_NOT_FOUND"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no document {name}.")
