"""Projects: what executions belong to, and who may see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class ProjectQuerySet(models.QuerySet["Project"]):
    def visible_to(self, user: User) -> ProjectQuerySet:
        """Keep the projects that ``user`` may see.

        A project without members is open to everybody with a role (membership of any group); with members,
        only they see it. Superusers see all; an account without a role sees nothing.
        """
        if user.is_superuser:
            return self
        if not user.groups.exists():
            return self.none()
        member_rows = Project.users.through.objects.filter(project_id=models.OuterRef("pk"))
        group_rows = Project.groups.through.objects.filter(project_id=models.OuterRef("pk"))
        is_open = ~models.Exists(member_rows) & ~models.Exists(group_rows)
        is_member = models.Exists(member_rows.filter(user_id=user.pk)) | models.Exists(
            group_rows.filter(group__user=user.pk)
        )
        return self.filter(Q(is_open) | Q(is_member))


class Project(models.Model):
    """Named by its id, made by the first start that names it."""

    id = models.CharField(primary_key=True, max_length=64)
    name = models.CharField(max_length=200, blank=True, default="")
    users = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="projects")
    groups = models.ManyToManyField(Group, blank=True, related_name="projects")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField()

    objects = ProjectQuerySet.as_manager()

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.id
