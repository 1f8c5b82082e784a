"""The page of one run: what it is doing, what it made, whom it waits for; and what the page's script asks for."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse

from documents.models import Document
from documents.rendering import raw_json
from documents.rendering import render as rendered
from executions import run_acts
from executions.models import EventType, Execution, StepStatus
from executions.pages import live_words
from executions.pages.live_gathering import Gathered, gather, is_over
from executions.pages.live_log import MOST_EVENTS, blank_lines, log_of
from executions.pages.live_tree import Tree
from executions.pages.live_view import changed_parts, load, page_parts
from executions.pages.live_viewer import viewer_part
from executions.pages.viewers import page, viewer
from executions.run_acts import CANCEL, RETRY, Kind, ReasonForm, Refused

MOST_OPENED = 50
# The live panel holds this much of a text; the document's own page has all of it.
MOST_TEXT = 200_000
_MAX_SEQ = 2**31 - 1

# What the script replaces in addresses by the path of a step and by the id of a document.
PATH_PLACE = "~PATH~"
NO_DOCUMENT = UUID(int=0)


@page()
def execution_page(request: HttpRequest, execution_id: UUID) -> HttpResponse:
    execution = visible_run(request, execution_id)
    gathered = gather(execution)
    log = log_of(request, gathered)
    person = viewer_part(execution, viewer(request), gathered.definition.name)
    context = {
        **page_parts(gathered, _opened(request)),
        "person": person,
        "log": log,
        "log_limit": MOST_EVENTS,
        "blank_lines": blank_lines(),
        "states": StepStatus.values,
        "brief": rendered(execution.brief) if execution.brief else None,
        "config": {**_config(gathered), "newest": log.is_newest, "favicon": person.favicon},
    }
    return render(request, "pages/executions/live/page.html", context)


@page()
def execution_parts(request: HttpRequest, execution_id: UUID) -> HttpResponse:
    """Answer what the page's script asks after something has happened."""
    execution = visible_run(request, execution_id)
    text = request.GET.get("after", "")
    after = min(int(text), _MAX_SEQ) if text.isascii() and text.isdecimal() and len(text) <= 18 else 0
    parts = changed_parts(execution, after, _opened(request))
    person = viewer_part(execution, viewer(request), execution.revision.name)
    context = {"person": person, "execution": execution}
    html = {
        **parts["html"],
        "banner": render_to_string("pages/executions/live/_banner.html", context, request=request),
        "acts": render_to_string("pages/executions/live/_acts.html", context, request=request),
    }
    answer = {**parts, "html": html, "seq": execution.last_seq, "pause_ms": load.pause_ms(), "over": is_over(execution)}
    return JsonResponse({**answer, "title": person.title, "favicon": person.favicon})


@page()
def execution_group(request: HttpRequest, execution_id: UUID) -> HttpResponse:
    """Answer with the steps of one item, which were left out of a long page."""
    execution = visible_run(request, execution_id)
    group = Tree(gather(execution), _opened(request)).group(request.GET.get("item", ""))
    if group is None:
        raise Http404("There is no such item.")
    context = {"nodes": group.nodes, "execution": execution}
    return render(request, "pages/executions/live/_nodes.html", context)


@page()
def document_text(request: HttpRequest, execution_id: UUID, document_id: UUID) -> HttpResponse:
    """Answer with a document that the run has made as the text that stands in the place of its live text."""
    execution = visible_run(request, execution_id)
    document = Document.objects.filter(pk=document_id, execution_id=execution.pk).only("content").first()
    if document is None:
        raise Http404("There is no such document.")
    text = raw_json(document.content)
    text = text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}\n…"
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


@page("POST")
def cancel_page(request: HttpRequest, execution_id: UUID) -> HttpResponse:
    return _act(request, execution_id, CANCEL)


@page("POST")
def retry_page(request: HttpRequest, execution_id: UUID) -> HttpResponse:
    return _act(request, execution_id, RETRY)


def visible_run(request: HttpRequest, execution_id: UUID) -> Execution:
    """:raises Http404: also for a run that may not be seen."""
    rows = Execution.objects.visible_to(viewer(request)).select_related("revision", "started_by")
    found = rows.defer("revision__definition", "revision__warnings", "model_ids").filter(pk=execution_id).first()
    if found is None:
        raise Http404("There is no such run.")
    return found


def _act(request: HttpRequest, execution_id: UUID, kind: Kind) -> HttpResponse:
    """Ask, with what it leads to; on the answer do it."""
    execution = visible_run(request, execution_id)
    if request.method != "POST":
        return _asked(request, execution, kind, kind.new_form(), Refused(status=200))
    form = kind.new_form(request.POST)
    refused = run_acts.perform(kind, viewer(request), execution, form)
    if refused is not None:
        return _asked(request, execution, kind, form, refused)
    messages.success(request, kind.done)
    return HttpResponseRedirect(reverse("execution-page", args=(execution.pk,)))


def _asked(request: HttpRequest, execution: Execution, kind: Kind, form: ReasonForm, refused: Refused) -> HttpResponse:
    context = {
        "execution": execution,
        "kind": kind,
        "form": form,
        "effects": kind.effects(execution),
        "conflict": refused.conflict,
        "reason_against": run_acts.reason_against(kind, viewer(request), execution),
        "is_refused": refused.status in (403, 409, 429),
    }
    # A form that was wrong is no success, whatever the desk answers.
    status = 422 if refused.status == 200 and form.is_bound else refused.status
    return render(request, "pages/executions/live/act.html", context, status=status)


def _opened(request: HttpRequest) -> frozenset[str]:
    return frozenset(request.GET.getlist("open")[:MOST_OPENED])


def _config(gathered: Gathered) -> dict[str, Any]:
    """Return what the script must know; its words are those of the server."""
    execution = gathered.execution
    key = execution.pk
    return {
        "seq": execution.last_seq,
        "over": gathered.is_over,
        "urls": {
            "stream": reverse("execution-stream", args=(str(key),)),
            "events": reverse("execution-events", args=(str(key),)),
            "parts": reverse("execution-parts", args=(key,)),
            "group": reverse("execution-group", args=(key,)),
            "step": reverse("step-page", args=(key, PATH_PLACE)),
            "document": reverse("execution-document-text", args=(key, NO_DOCUMENT)),
            "documentPage": reverse("document-page", args=(NO_DOCUMENT,)),
        },
        "place": {"path": PATH_PLACE, "document": str(NO_DOCUMENT)},
        "events": EventType.values,
        "moves": live_words.MOVES,
        "terminal": live_words.TERMINAL,
        "announced": live_words.ANNOUNCED,
        "sentences": {name: str(sentence.text) for name, sentence in live_words.SENTENCES.items()},
        "variants": live_words.VARIANTS,
        "details": live_words.DETAILS,
        "states": {status: str(text) for status, text in live_words.STATES.items()},
        "texts": {name: str(text) for name, text in live_words.SCRIPT_TEXTS.items()},
        "names": gathered.names,
        "types": gathered.type_names,
        "documents": {str(document.pk): document.document_type for document in gathered.documents},
        "mostText": MOST_TEXT,
    }
