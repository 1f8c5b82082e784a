"""The look of the desk: ours, without scripts or styles of its own in the pages."""

from __future__ import annotations

import re

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse

from executions.tests.admin.desk import at_desk, execution_url, gate_url, in_question, in_review
from executions.tests.admin.test_visibility import MODELS, list_url

pytestmark = pytest.mark.django_db

_INLINE = re.compile(r"<script(?![^>]*\ssrc=)[^>]*>|<style|\sstyle=|\son[a-z]+=|javascript:")


def pages() -> list[str]:
    review, question = in_review(), in_question()
    acts = [execution_url(review.execution, act) for act in ("change", "cancel", "retry")]
    lists = [list_url(model) for model in MODELS]
    document = reverse("admin:documents_document_change", args=(review.document_id,))
    return ["/admin/", gate_url(review), gate_url(question), document, *acts, *lists]


def test_every_page_runs_under_the_strict_policy_without_anything_inline() -> None:
    client = at_desk("olga")
    for url in pages():
        response = client.get(url)
        found = _INLINE.findall(response.content.decode())
        assert (response.status_code, found) == (200, []), url
        assert "default-src 'self'" in response["Content-Security-Policy"]


def test_pages_say_the_name_of_the_product() -> None:
    client = at_desk("olga")
    for url in pages():
        page = client.get(url).content.decode()
        assert re.search(r"<title>\s*[^<]+ \| The Combine\s*</title>", page), url
        assert "Django administration" not in page
    assert "The Combine" in Client().get("/admin/login/").content.decode()


def test_the_style_sheet_is_one_small_file() -> None:
    path = finders.find("executions/review_desk.css")
    assert isinstance(path, str)
    with open(path, encoding="utf-8") as file:
        css = file.read()
    assert len(css) < 30_000
    assert "@import" not in css
    assert "url(" not in css
