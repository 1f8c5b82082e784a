"""Where a request comes from, for limits: the peer, or what our own proxies say of it."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest

UNKNOWN = "unknown"
# Whoever has one IPv6 address has all of its network.
_IPV6_PREFIX = 64


def peer_address(request: HttpRequest) -> str:
    """Return the address that limits are kept by; for IPv6 the network of it.

    ``X-Forwarded-For`` counts only as far as it was written by our own proxies (``COMBINE_PROXIES`` of them): each
    appends the address that it was called from, so what stands further left is the client's own invention.
    """
    peer = network_of(request.META.get("REMOTE_ADDR") or "")
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    if settings.COMBINE_PROXIES and forwarded:
        hops = forwarded.split(",")
        found = network_of(hops[-min(settings.COMBINE_PROXIES, len(hops))])
        return peer if found == UNKNOWN else found
    return peer


def full_address(request: HttpRequest) -> str:
    """Return the address that a request came from, not its network: for the audit log. Proxies count as above."""
    peer, forwarded = request.META.get("REMOTE_ADDR") or "", request.META.get("HTTP_X_FORWARDED_FOR", "")
    if settings.COMBINE_PROXIES and forwarded:
        hops = forwarded.split(",")
        return _address_of(hops[-min(settings.COMBINE_PROXIES, len(hops))]) or _address_of(peer)
    return _address_of(peer)


def _address_of(text: str) -> str:
    try:
        return str(ipaddress.ip_address(_without_port(text.strip())))
    except ValueError:
        return ""


def network_of(text: str) -> str:
    """Return an address as limits name it, or ``unknown``."""
    try:
        address = ipaddress.ip_address(_without_port(text.strip()))
    except ValueError:
        return UNKNOWN
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Network((address, _IPV6_PREFIX), strict=False))
    return str(address)


def _without_port(text: str) -> str:
    """``1.2.3.4:80`` and ``[::1]:80``, as some proxies write it."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
