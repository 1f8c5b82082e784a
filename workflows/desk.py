"""The desk's pages about workflows that are more than rows: two revisions compared, and uploading a package."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from workflows.archives import MAX_ARCHIVE_BYTES, MAX_ENTRIES, MAX_UNPACKED_BYTES
from workflows.comparison import MAX_CHANGES, compare
from workflows.exceptions import BadArchive, BadPackage
from workflows.models import PackageUpload, WorkflowRevision
from workflows.uploads import check_upload, find_upload, keep_upload, load_upload

MOST_OTHERS = 50


class UploadForm(forms.Form):
    package = forms.FileField(
        label="Package (zip file)",
        widget=forms.FileInput(attrs={"accept": ".zip,application/zip"}),
        help_text="With the directories workflows, prompts and schemas, at the top or in one directory. At most"
        f" {MAX_ARCHIVE_BYTES:,} bytes, {MAX_UNPACKED_BYTES:,} unpacked, and {MAX_ENTRIES:,} files.",
    )

    def clean_package(self) -> UploadedFile[Any]:
        package: UploadedFile[Any] = self.cleaned_data["package"]
        if (package.size or 0) > MAX_ARCHIVE_BYTES:
            raise forms.ValidationError(
                f"The file has {package.size:,} bytes; at most {MAX_ARCHIVE_BYTES:,} are taken."
            )
        return package


def compare_view(request: HttpRequest, site: admin.AdminSite, revision: WorkflowRevision) -> HttpResponse:
    """Show what changed from another revision of the same workflow (by default the one loaded before) to this one."""
    others = WorkflowRevision.objects.filter(workflow_id=revision.workflow_id).exclude(pk=revision.pk)
    choices = list(others.defer("definition")[:MOST_OTHERS])
    other = _chosen(request.GET.get("from", ""), choices, revision)
    changes = compare(other.definition, revision.definition) if other is not None else []
    context = {
        **site.each_context(request),
        "title": f"{revision.workflow_id}: what changed",
        "revision": revision,
        "other": other,
        "choices": choices,
        "changes": changes,
        "is_cut": len(changes) == MAX_CHANGES,
    }
    return TemplateResponse(request, "admin/workflows/workflowrevision/compare.html", context)


def _chosen(asked: str, choices: list[WorkflowRevision], revision: WorkflowRevision) -> WorkflowRevision | None:
    """:raises Http404: the one that is asked for is none of the choices."""
    if asked:
        found = next((each for each in choices if str(each.pk) == asked), None)
        if found is None:
            raise Http404("There is no such revision of this workflow.")
        return found
    # Newest first: the first one that is older, or else whatever there is.
    earlier = (each for each in choices if (each.loaded_at, each.pk) < (revision.loaded_at, revision.pk))
    return next(earlier, choices[0] if choices else None)


def upload_view(request: HttpRequest, site: admin.AdminSite) -> HttpResponse:
    """Take a package, and lead to what is in it. Nothing is loaded yet."""
    actor = _administrator(request)
    form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
    if request.method == "POST" and form.is_valid():
        file: UploadedFile[Any] = form.cleaned_data["package"]
        try:
            kept = keep_upload(actor=actor, name=file.name or "", data=file.read(), at=timezone.now())
        except (BadArchive, BadPackage) as error:
            form.add_error("package", str(error))
        else:
            return HttpResponseRedirect(reverse("admin:workflows_upload_check", args=(kept.pk,)))
    context = {**site.each_context(request), "title": "Upload a package", "form": form}
    return TemplateResponse(request, "admin/workflows/upload.html", context)


def check_view(request: HttpRequest, site: admin.AdminSite, upload_id: UUID) -> HttpResponse:
    """Show what is in an uploaded package, and load it when that is asked for."""
    upload = find_upload(upload_id, _administrator(request))
    if upload is None:
        raise Http404("This package is not there any more: it has been loaded, or was uploaded more than a day ago.")
    if request.method == "POST":
        return _load(request, upload)
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": f"Load the package {upload.name}?",
        "package": check_upload(upload),
    }
    return TemplateResponse(request, "admin/workflows/upload_check.html", context)


def _load(request: HttpRequest, upload: PackageUpload) -> HttpResponse:
    try:
        results = load_upload(upload, at=timezone.now())
    except BadPackage as error:
        messages.error(request, str(error))
        return HttpResponseRedirect(reverse("admin:workflows_upload_check", args=(upload.pk,)))
    for result in results:
        if result.revision is not None:
            known = "" if result.is_created else ", which was loaded before"
            messages.success(request, f"Revision {result.revision.revision} of {result.workflow_id} is current{known}.")
        elif result.is_bad:
            messages.warning(request, f"Left out, since it has errors: {result.path}")
    return HttpResponseRedirect(reverse("admin:workflows_workflow_changelist"))


def _administrator(request: HttpRequest) -> User:
    """:raises PermissionDenied: a package's prompts are what everybody's runs say to the model."""
    user = request.user
    if not isinstance(user, User) or not user.is_active or not user.is_superuser:
        raise PermissionDenied("Packages are uploaded by administrators.")
    return user
