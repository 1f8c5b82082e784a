"""The endpoints that the corpus names, and a world in which each of them can be called rightly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import URLPattern, URLResolver

from combine.api import urls
from executions.models import Execution
from executions.tests.driving import Scripted, asking, drive
from executions.tests.engine_cast import open_gate, start
from executions.tests.engine_definitions import reviewed, single, stored

API = "/api/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A call that can be made. ``right`` are the fields without which a body is wrong, as JSON text."""

    method: str
    path: str
    right: str = ""


class World:
    """One execution waits for answers and one for a decision; olga, an operator, may do both."""

    def __init__(self) -> None:
        self.asks = start(single())
        drive(self.asks, Scripted(note=asking()))
        stored(reviewed("operator"))
        self.waits = start(reviewed("operator"))
        drive(self.waits)
        self.gate = open_gate(self.waits)
        assert self.gate.roles == ["operator"]
        self.commands = self._commands()
        self.reads = self._reads()
        self.others = {
            "nothing": Endpoint(method="GET", path=f"{API}/nothing"),
            "livez": Endpoint(method="GET", path="/livez"),
        }

    def _commands(self) -> dict[str, Endpoint]:
        waits, asks = f"{API}/executions/{self.waits.pk}", f"{API}/executions/{self.asks.pk}"
        return {
            "start": Endpoint(method="POST", path=f"{API}/workflows/test/start", right='"project_id": "x"'),
            "cancel": Endpoint(method="POST", path=f"{waits}/cancel"),
            "retry": Endpoint(method="POST", path=f"{waits}/retry"),
            "acceptance": Endpoint(method="POST", path=f"{waits}/acceptance", right='"decision": "accept"'),
            "clarification": Endpoint(method="POST", path=f"{asks}/clarification", right='"answers": {"WHO": "a"}'),
            "projects": Endpoint(method="POST", path=f"{API}/projects", right='"project_id": "y"'),
            "project": Endpoint(method="PATCH", path=f"{API}/projects/apollo"),
        }

    def _reads(self) -> dict[str, Endpoint]:
        paths = {
            "workflows": "workflows",
            "workflow": "workflows/test",
            "schema": "workflows/test/steps/note/schema",
            "executions": "executions",
            "execution": f"executions/{self.waits.pk}",
            "events": f"executions/{self.waits.pk}/events",
            "steps": f"executions/{self.waits.pk}/steps",
            "gates": "gates",
            "gate": f"gates/{self.gate.pk}",
            "documents": "documents",
            "document": f"documents/{self.gate.document_id}",
            "series": "documents/by-scope/project/apollo/note",
            "versions": "documents/by-scope/project/apollo/note/versions",
            "projects": "projects",
            "project": "projects/apollo",
        }
        return {name: Endpoint(method="GET", path=f"{API}/{path}") for name, path in paths.items()}

    def named(self, names: list[str] | str, method: str = "GET") -> list[Endpoint]:
        """Return endpoints by name; ``reads`` and ``commands`` are all of a kind."""
        if names == "commands":
            return list(self.commands.values())
        if names == "reads":
            return list(self.reads.values())
        first, second = (self.commands, self.reads) if method != "GET" else (self.reads, self.commands)
        known = {**self.others, **second, **first}
        return [known[name] for name in names]


def every_route(world: World) -> Iterator[Endpoint]:
    """Yield every method of every route of the API, whoever has added it, with ids that exist where we know one."""
    ids = {
        "workflow_id": "test",
        "step_id": "note",
        "execution_id": str(world.waits.pk),
        "gate_id": str(world.gate.pk),
        "document_id": str(world.gate.document_id),
        "project_id": "apollo",
        "scope_type": "project",
        "scope_id": "apollo",
        "document_type": "note",
    }
    for route, methods in routes():
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: ids.get(found[1], "1"), route)
        for method in methods:
            yield Endpoint(method=method, path=path)


def routes() -> list[tuple[str, list[str]]]:
    """Return every route of the API with its methods. Ids stand in it as Django writes them."""
    return [
        (f"{API}/{route}", [name.upper() for name in ("get", "post", "patch", "put", "delete") if hasattr(view, name)])
        for route, view in _walk(urls.urlpatterns)
    ]


def _walk(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[tuple[str, object]]:
    for each in patterns:
        route = f"{prefix}{each.pattern}"
        if isinstance(each, URLResolver):
            yield from _walk(each.url_patterns, route)
        else:
            yield route, getattr(each.callback, "view_class", None) or getattr(each.callback, "cls", None)


def nothing_was_made() -> bool:
    """Whether all that was sent has left no execution behind."""
    return Execution.objects.count() == 2
