"""Log-ins with a password, against guessing: every door that asks Django who somebody is comes through here.

An attempt is counted before the password is looked at, so that attempts at once are counted as well, and a refused one
costs no hashing. A right password gives its attempt back. What counts is the name that was typed, whether or not there
is such an account, together with the address it came from: so nobody can lock somebody else out, and answers tell
nothing about accounts. An address has five times the rate for all names together.
"""

from __future__ import annotations

import hashlib
import logging
import unicodedata
from collections.abc import Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render

from combine.addresses import UNKNOWN, peer_address
from combine.models import Allowance
from combine.rates import Charge, give_back, parse_rate, take

logger = logging.getLogger(__name__)

Handler = Callable[[HttpRequest], HttpResponseBase]

NAMES_OF_AN_ADDRESS = 5


class GuardedBackend(ModelBackend):
    """Django's accounts and passwords, at a limited rate of wrong ones."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        """:raises PermissionDenied: too many attempts; no other backend is asked then."""
        name = kwargs.get(User.USERNAME_FIELD) if username is None else username
        if name is None or password is None:
            return None
        charges = _charges(name, UNKNOWN if request is None else peer_address(request))
        if wait := max((each.wait_seconds for each in take(charges)), default=0) if charges else 0:
            _log("login_refused", name, charges)
            if request is not None:
                request.login_wait_seconds = wait  # type: ignore[attr-defined] # for the middleware below
            raise PermissionDenied
        user = super().authenticate(request, username=name, password=password)
        if user is None:
            _log("login_failed", name, charges)
            return None
        if charges:
            pair, address = charges
            Allowance.objects.filter(pk=pair.key).delete()
            give_back(address)
        assert isinstance(user, User)
        return user

    async def aauthenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        return await sync_to_async(self.authenticate)(request, username, password, **kwargs)


def lockout_middleware(get_response: Handler) -> Handler:
    """Answer 429 where a log-in was refused, whatever the page made of it."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        wait: int | None = getattr(request, "login_wait_seconds", None)
        if wait is None:
            return response
        context = {"minutes": -(-wait // 60), "again": request.get_full_path()}
        page = render(request, "429.html", context, status=429)
        page.headers["Retry-After"] = str(wait)
        page.headers["Cache-Control"] = "no-store"
        return page

    return answer


def unlock(*, name: str | None, address: str | None) -> int:
    """Forget the failed log-ins of a name (from everywhere), of an address, or of both together.

    :returns: how many counters there were.
    """
    rows = Allowance.objects.none()
    if name is not None:
        mine = Allowance.objects.filter(pk__startswith=f"login:{_digest(name)}:")
        rows = mine if address is None else mine.filter(pk__endswith=f":{address}")
    elif address is not None:
        everything = Allowance.objects.filter(pk__startswith="login")
        rows = everything.filter(pk__endswith=f":{address}")
    return rows.delete()[0]


def _charges(name: str, address: str) -> list[Charge]:
    text = settings.COMBINE_THROTTLE["login"]
    if text is None:
        return []
    rate = parse_rate(text)
    return [
        Charge(key=f"login:{_digest(name)}:{address}", rate=rate, policy="login"),
        Charge(key=f"login-from:{address}", rate=rate.times(NAMES_OF_AN_ADDRESS), policy="login"),
    ]


def _digest(name: str) -> str:
    """Return what stands for a name in a key: names may be long, and what is typed there may be a password."""
    return hashlib.sha256(unicodedata.normalize("NFKC", name).encode(errors="replace")).hexdigest()[:32]


def _log(action: str, name: str, charges: list[Charge]) -> None:
    """Note a failure. A name that is no account's is not repeated: people type passwords there by mistake."""
    is_known = User.objects.filter(username=name).exists()
    address = charges[1].key.partition(":")[2] if charges else UNKNOWN
    facts = {"action": action, "account": name if is_known else None, "address": address}
    logger.warning("A log-in failed", extra=facts)
