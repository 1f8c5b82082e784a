"""Where a webhook may lead: no address inside our own network, however it is written or looked up.

Two gates. :func:`url_problem` reads the text of a URL, when it is given and again before each request.
:func:`address_problem` looks at an IP address that is about to be connected to; a host name is only ever judged by
the addresses that it leads to.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

MAX_URL = 2000

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# What RFC 3986 knows, without the backslash that some readers take for a slash.
_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+", re.ASCII)
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
# By a last label like this many readers take the host for an IPv4 address: 127.1, 0x7f000001, 2130706433, 0177.0.0.1.
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)", re.ASCII)
_OWN_NAMES = ("localhost", ".localhost", ".local", ".internal")

# Inside our network; the setting may allow them.
_PRIVATE = [
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
]
# Where clouds keep the credentials of their machines. Never allowed, wherever they lie.
_METADATA = [
    ipaddress.ip_address(text)
    for text in ("169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254")
]
# Nobody's, everybody's, or another address in disguise (IANA's registries of special-purpose addresses).
_SPECIAL = [
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
    )
]  # fmt: skip
# Of IPv6 only this is given out. What lies outside is mapped, translated (64:ff9b::), link-local, multicast ...
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")


def url_problem(url: str, *, allow_private: bool) -> str | None:
    """Say why a webhook may not lead to ``url``, or return ``None``."""
    if len(url) > MAX_URL:
        return f"is longer than {MAX_URL} characters"
    if not _CHARACTERS.fullmatch(url):
        return "holds characters that no URL has; escape them (%20), and write a host name in its ASCII form (xn--...)"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is no URL such as https://example.org/hook"
    if parts.scheme not in ("https", "http") or not parts.hostname:
        return "is no URL such as https://example.org/hook"
    if parts.scheme == "http" and not allow_private:
        return "must begin with https://; what is sent over http:// can be read and changed on its way"
    if "@" in parts.netloc:
        return "may hold no user name or password; the signature says who sends"
    if "#" in url:
        return "may hold no fragment (#...); it would not be sent"
    if port == 0:
        return "names no port that can be connected to"
    return _host_problem(parts, allow_private=allow_private)


def _host_problem(parts: SplitResult, *, allow_private: bool) -> str | None:
    host = host_of(parts)
    literal = literal_address(host)
    if literal is not None:
        return address_problem(literal, allow_private=allow_private)
    if "[" in parts.netloc or _NUMBER.fullmatch(host.rpartition(".")[2]):
        return "has a host that is no proper IP address; write four decimal numbers, or an IPv6 address in brackets"
    if len(host) > 253 or not _NAME.fullmatch(host):
        return "has no proper host name"
    if not allow_private and (host == _OWN_NAMES[0] or host.endswith(_OWN_NAMES[1:])):
        return _NOT_PUBLIC
    return None


def host_of(parts: SplitResult) -> str:
    """Return the host of a URL in small letters, an IPv6 address without its brackets."""
    return parts.hostname or ""


def literal_address(host: str) -> Address | None:
    """Return the address that a host is, if it is one in its usual form."""
    try:
        # A zone ("fe80::1%eth0") is a way to say "on this network".
        return None if "%" in host else ipaddress.ip_address(host)
    except ValueError:
        return None


def address_problem(address: Address, *, allow_private: bool) -> str | None:
    """Say why nothing may be sent to ``address``, or return ``None``. The text does not repeat the address."""
    if address in _METADATA:
        return "leads to a metadata service; that is never allowed"
    if _is_in(address, _PRIVATE):
        return None if allow_private else _NOT_PUBLIC
    is_outside = address.version == 6 and address not in _GLOBAL_UNICAST
    return _NO_RECEIVER if is_outside or _is_in(address, _SPECIAL) else None


_NOT_PUBLIC = (
    "leads to a private address; webhooks go to public ones only, unless COMBINE_WEBHOOKS_ALLOW_PRIVATE=1 is set"
)
_NO_RECEIVER = "leads to an address at which no receiver can be (link-local, multicast, reserved or translated)"


def _is_in(address: Address, networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
