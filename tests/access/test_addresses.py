"""Whose request it is, for who is not logged in: the peer, unless our own proxies say otherwise."""

from __future__ import annotations

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from combine.addresses import peer_address


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "address"),
    [
        (0, "10.1.2.3", None, "10.1.2.3"),
        (0, "10.1.2.3", "1.1.1.1", "10.1.2.3"),
        (1, "10.1.2.3", None, "10.1.2.3"),
        (1, "10.1.2.3", "1.1.1.1", "1.1.1.1"),
        (1, "10.1.2.3", "6.6.6.6, 1.1.1.1", "1.1.1.1"),
        (2, "10.1.2.3", "6.6.6.6, 1.1.1.1, 10.0.0.9", "1.1.1.1"),
        (2, "10.1.2.3", "1.1.1.1", "1.1.1.1"),
        (1, "10.1.2.3", "1.1.1.1:5040", "1.1.1.1"),
        (1, "10.1.2.3", "[2001:db8:0:7::1]:5040", "2001:db8:0:7::/64"),
        (1, "10.1.2.3", "nonsense", "10.1.2.3"),
        (1, "10.1.2.3", "1.1.1.1,", "10.1.2.3"),
        (1, "10.1.2.3", "x" * 10_000, "10.1.2.3"),
        (0, "2001:db8:0:7:1:2:3:4", None, "2001:db8:0:7::/64"),
        (0, "::1", None, "::/64"),
        (0, "::ffff:10.1.2.3", None, "10.1.2.3"),
        (0, "", None, "unknown"),
    ],
)
def test_the_address_is_the_last_one_that_no_client_can_invent(
    settings: Settings, proxies: int, peer: str, forwarded: str | None, address: str
) -> None:
    settings.COMBINE_PROXIES = proxies
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    assert peer_address(RequestFactory().get("/", headers=headers, REMOTE_ADDR=peer)) == address
