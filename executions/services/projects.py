"""Making and changing projects: their names, and who may see what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import Group, User
from django.db import IntegrityError, transaction

from executions.exceptions import Conflict, FieldError, Invalid, NotPermitted, ProjectNotFound
from executions.models import AuditAct, Project
from executions.services import audit
from executions.services.access import is_operator, require_operator, role_names
from executions.services.executions import PROJECT_ID

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet

MAX_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """User names and group names; ``None`` leaves a list as it is."""

    users: Sequence[str] | None = None
    groups: Sequence[str] | None = None


def create_project(*, actor: User, project_id: Any, name: str, members: Members, at: datetime) -> Project:
    """Make a project before its first start. Its creator may change it, but sees it only as a member, if it has any.

    :raises Invalid: the id, the name or a member is wrong. :raises Conflict: there is one of that id.
    :raises ProjectNotFound: there is, and the actor may not see it.
    """
    about = audit.About(project_id=str(project_id)[:64])
    with audit.refusals(act=AuditAct.PROJECT_CREATE, actor=actor, about=about):
        require_operator(actor, "make a project")
    errors = _name_errors(name)
    if not isinstance(project_id, str) or not PROJECT_ID.fullmatch(project_id):
        detail = "must be a text of 1 to 64 letters, digits, dots, dashes or underscores"
        errors.insert(0, FieldError(path="/project_id", code="INVALID_ID", detail=detail))
    users, groups = _find_members(members, errors)
    try:
        with transaction.atomic():
            project = Project.objects.create(pk=project_id, name=name, created_by=actor, created_at=at)
            _set_members(project, users, groups)
            audit.record(act=AuditAct.PROJECT_CREATE, actor=actor, about=about, after=_facts(project), at=at)
    except IntegrityError as error:
        if not Project.objects.visible_to(actor).filter(pk=project_id).exists():
            raise ProjectNotFound(project_id) from error
        raise Conflict(f"There is a project {project_id} already.") from error
    return project


def change_project(*, actor: User, project_id: str, name: str | None, members: Members) -> Project:
    """Change what is given. Its creator, operators who see it and administrators may.

    :raises ProjectNotFound: also where the actor may not see it. :raises NotPermitted: it is not theirs to change.
    """
    about = audit.About(project_id=project_id[:64])
    with audit.refusals(act=AuditAct.PROJECT_CHANGE, actor=actor, about=about), transaction.atomic():
        project = Project.objects.select_for_update().filter(pk=project_id).first()
        _require_change(actor, project, project_id)
        assert project is not None
        users, groups = _find_members(members, _name_errors(name or ""))
        before = _facts(project)
        if name is not None:
            project.name = name
            project.save(update_fields=["name"])
        _set_members(project, users, groups)
        if (after := _facts(project)) != before:
            audit.record(act=AuditAct.PROJECT_CHANGE, actor=actor, about=about, before=before, after=after)
    return project


def _facts(project: Project) -> dict[str, Any]:
    """Return what the audit log keeps of a project: its name, and who is in it."""
    return {
        "name": project.name,
        "users": sorted(project.users.values_list("username", flat=True)),
        "groups": sorted(project.groups.values_list("name", flat=True)),
    }


def _require_change(actor: User, project: Project | None, project_id: str) -> None:
    is_creator = project is not None and project.created_by_id == actor.pk and bool(role_names(actor))
    if project is None or not (is_creator or Project.objects.visible_to(actor).filter(pk=project_id).exists()):
        raise ProjectNotFound(project_id)
    if not (is_creator or is_operator(actor)):
        raise NotPermitted("A project is changed by whoever made it, by operators in it and by administrators.")


def _find_members(members: Members, errors: list[FieldError]) -> tuple[list[User] | None, list[Group] | None]:
    """Return the accounts and groups that are named. :raises Invalid: some are not there, or ``errors`` are."""
    users = _find(User.objects.all(), "username", members.users, "/members/users", errors)
    groups = _find(Group.objects.all(), "name", members.groups, "/members/groups", errors)
    if errors:
        raise Invalid(errors)
    return users, groups


def _find(
    rows: QuerySet[Any], column: str, names: Sequence[str] | None, path: str, errors: list[FieldError]
) -> list[Any] | None:
    if names is None:
        return None
    found: dict[str, Model] = {getattr(row, column): row for row in rows.filter(**{f"{column}__in": list(names)})}
    errors += [
        FieldError(path=f"{path}/{index}", code="UNKNOWN_MEMBER", detail=f"there is no {column} {name!r}")
        for index, name in enumerate(names)
        if name not in found
    ]
    return list(found.values())


def _set_members(project: Project, users: list[User] | None, groups: list[Group] | None) -> None:
    if users is not None:
        project.users.set(users)
    if groups is not None:
        project.groups.set(groups)


def _name_errors(name: str) -> list[FieldError]:
    if len(name) <= MAX_NAME:
        return []
    return [FieldError(path="/name", code="TOO_LONG", detail=f"is longer than {MAX_NAME} characters")]
