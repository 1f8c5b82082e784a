"""What a request tells the audit log of where it comes from."""

from __future__ import annotations

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from pytest_django import Settings

from combine.addresses import full_address
from combine.origins import origin_middleware
from executions.origin import Origin, current_origin


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "address"),
    [
        ("203.0.113.9", "", 0, "203.0.113.9"),
        ("2001:db8::1:2", "", 0, "2001:db8::1:2"),
        ("10.0.0.1", "198.51.100.7", 0, "10.0.0.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.7", 1, "198.51.100.7"),
        ("10.0.0.1", "[2001:db8::5]:443", 1, "2001:db8::5"),
        ("10.0.0.1", "nonsense", 1, "10.0.0.1"),
        ("", "", 0, ""),
    ],
)
def test_the_whole_address_is_kept_and_only_our_own_proxies_are_believed(
    settings: Settings, peer: str, forwarded: str, proxies: int, address: str
) -> None:
    settings.COMBINE_PROXIES = proxies
    request = RequestFactory().get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded)
    assert full_address(request) == address


@pytest.mark.parametrize(
    ("path", "channel"),
    [("/api/v1/executions", "api"), ("/admin/x/", "admin"), ("/executions", "page"), ("/administer", "page")],
)
def test_the_door_is_known_while_a_request_lasts_and_not_after_it(path: str, channel: str) -> None:
    seen: list[Origin] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(current_origin())
        return HttpResponse()

    origin_middleware(view)(RequestFactory().get(path))
    assert seen[0].channel == channel
    assert seen[0].person() is None
    assert current_origin() == Origin()
