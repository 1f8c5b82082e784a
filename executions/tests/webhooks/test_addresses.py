"""Where a webhook may lead, and where not, however it is written."""

from __future__ import annotations

import ipaddress
import re

import pytest
from hypothesis import assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from executions.api.webhooks import URL_PATTERN
from executions.webhooks.addresses import address_problem, url_problem

INWARD = [
    "https://127.1/", "https://127.0.0.1/", "https://0x7f000001/", "https://0x7f.1/", "https://2130706433/",
    "https://0177.0.0.1/", "https://127.000.000.001/", "https://0/", "https://0.0.0.0/", "https://1/",
    "https://[::1]/", "https://[::]/", "https://[::ffff:7f00:1]/", "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:a9fe:a9fe]/", "https://[::127.0.0.1]/", "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b:1::a00:1]/", "https://[2002:7f00:1::]/", "https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    "https://[fe80::1]/", "https://[fe80::1%25eth0]/", "https://[fe80::1%eth0]/", "https://[fc00::1]/",
    "https://[fd00:ec2::254]/", "https://[fec0::1]/", "https://[ff02::1]/", "https://[2001:db8::1]/",
    "https://[100::1]/", "https://169.254.169.254/latest/meta-data/", "https://168.63.129.16/",
    "https://100.100.100.200/", "https://10.0.0.1/", "https://172.16.0.1/", "https://172.31.255.255/",
    "https://192.168.1.1/", "https://100.64.0.1/", "https://192.0.0.192/", "https://192.0.2.1/", "https://198.18.0.1/",
    "https://203.0.113.5/", "https://224.0.0.1/", "https://240.0.0.1/", "https://255.255.255.255/",
    "https://192.88.99.1/", "https://localhost/", "https://localhost:8443/", "https://LOCALHOST/", "https://a.localhost/",
    "https://printer.local/", "https://metadata.google.internal/", "https://127.0.0.1.:443/", "https://localhost./",
]  # fmt: skip

MALFORMED = [
    "", " ", "example.org", "//example.org/x", "ftp://example.org/", "file:///etc/passwd", "javascript:alert(1)",
    "https://", "https:///x", "https:example.org", "https://user:secret@example.org/", "https://user@example.org/",
    "https://example.org#@10.0.0.1/", "https://example.org/#x", "https://example.org:0/", "https://example.org:99999/",
    "https://example.org:x/", "https://exa mple.org/", "https://example.org/\r\nX: y", "https://example.org\\@10.0.0.1/",
    "https://\uff11\uff12\uff17.0.0.1/", "https://ex\u00e4mple.org/", "https://%31%32%37.0.0.1/", "https://-a.org/",
    "https://a..org/", "https://[::1/", "https://[example.org]/", "https://[127.0.0.1]/", "https://[v1.x]/",
    "https://" + "a" * 64 + ".org/", "https://example.org/" + "x" * 2000, "https://1.2.3.256/", "https://1.2.3.4.5/",
    "https://example.org/{x}", "https://ex\x00ample.org/",
]  # fmt: skip

GOOD = [
    "https://example.org", "https://example.org/", "https://example.org:8443/hook?token=a%20b&x=[1]",
    "https://sub_domain.example.org/a;b", "https://xn--exmple-cua.org/", "https://93.184.216.34/", "HTTPS://EXAMPLE.ORG/",
    "https://[2606:2800:220:1:248:1893:25c8:1946]:443/x", "https://example/", "https://8.8.8.8.example.org/",
]  # fmt: skip


@pytest.mark.parametrize("url", INWARD)
def test_a_url_that_leads_inward_is_refused_in_every_spelling(url: str) -> None:
    assert url_problem(url, allow_private=False)


@pytest.mark.parametrize("url", MALFORMED, ids=range(len(MALFORMED)))
@pytest.mark.parametrize("allow_private", [False, True])
def test_what_is_no_plain_url_is_refused_whatever_is_allowed(url: str, allow_private: bool) -> None:
    assert url_problem(url, allow_private=allow_private)


@pytest.mark.parametrize("url", GOOD)
def test_public_addresses_and_names_are_taken(url: str) -> None:
    assert url_problem(url, allow_private=False) is None


def test_http_and_private_addresses_need_the_setting() -> None:
    for url in (
        "http://example.org/",
        "https://10.0.0.1/",
        "http://127.0.0.1:8000/",
        "http://localhost/",
        "http://[::1]/",
    ):
        assert url_problem(url, allow_private=False)
        assert url_problem(url, allow_private=True) is None


@pytest.mark.parametrize(
    "text",
    ["169.254.169.254", "100.100.100.200", "168.63.129.16", "fd00:ec2::254", "192.0.0.192", "169.254.1.1", "0.0.0.0",
     "224.0.0.1", "255.255.255.255", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "fe80::1", "ff02::1", "::"],
)  # fmt: skip
def test_metadata_and_disguises_are_refused_even_with_the_setting(text: str) -> None:
    assert address_problem(ipaddress.ip_address(text), allow_private=True)


def test_every_address_that_python_calls_not_global_is_refused() -> None:
    """Another list than ours, of many addresses: whatever it holds back, so do we."""
    for number in range(0, 2**32, 2**32 // 50_021):
        address = ipaddress.IPv4Address(number)
        if not address.is_global or address.is_multicast:
            assert address_problem(address, allow_private=False), address
    for high in range(0, 2**16, 7):
        for low in (0, 1, 2**63, 2**112 - 1):
            six = ipaddress.IPv6Address((high << 112) | low)
            if not six.is_global or six.is_multicast:
                assert address_problem(six, allow_private=False), six


@given(st.from_regex(re.compile(URL_PATTERN.strip("^$"), re.ASCII), fullmatch=True))
@hypothesis_settings(max_examples=60, deadline=None)
def test_whatever_the_description_of_the_api_allows_as_a_url_is_taken(url: str) -> None:
    assume(len(url) <= 2000)
    host = url.removeprefix("https://").partition("/")[0].partition("?")[0].partition(":")[0]
    assume(len(host) <= 253 and not host.lower().endswith((".local", ".internal", ".localhost")))
    assert url_problem(url, allow_private=False) is None
