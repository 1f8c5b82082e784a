"""How often somebody may call: rates per account, per token, for starts, and per address for who is not logged in.

In a middleware and not in the views, so that it comes before any work, and holds for unknown routes and wrong
credentials too. Who is calling is looked up here, once; the views find it done.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.db import DataError, InterfaceError, OperationalError
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from combine.addresses import peer_address
from combine.api.authentication import bearer_of
from combine.api.errors import problem_of
from combine.api.problems import Problem, problem_response
from combine.api.routes import is_start, is_throttled
from combine.rates import Charge, Standing, parse_rate, take

logger = logging.getLogger(__name__)

Handler = Callable[[HttpRequest], HttpResponseBase]

# What is said of a rate that is used up, by its policy.
_SUBJECTS = {"default": "requests", "token": "requests with one token", "start": "starts", "login": "wrong tokens"}


def throttle_middleware(get_response: Handler) -> Handler:
    """Refuse (429) who calls too often, and tell everybody else where they stand. Innermost of all middleware."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        if not is_throttled(request.path) or not any(settings.COMBINE_THROTTLE.values()):
            return get_response(request)
        try:
            charges = list(_charges(request))
            standings = take(charges) if charges else []
        except (SuspiciousOperation, DataError, OperationalError, InterfaceError) as error:
            # A session key that cannot be looked up, or a database that does not answer.
            return _failed(error, request)
        refused = [each for each in standings if each.wait_seconds]
        response = problem_response(_problem(refused), request) if refused else get_response(request)
        for name, value in _headers(standings):
            response.headers[name] = value
        return response

    return answer


def _failed(error: Exception, request: HttpRequest) -> HttpResponseBase:
    problem = problem_of(error)
    response = problem_response(problem, request)
    if problem.status >= 500:
        facts = {"action": "api_error", "code": problem.code, "method": request.method, "path": request.path}
        logger.warning("The database did not answer", extra={**facts, "error": type(error).__name__})
        # As in errors.py: one line, and no ERROR of Django's beside it.
        response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def _charges(request: HttpRequest) -> Iterator[Charge]:
    """Yield what this request uses of the rates that are set."""
    bearer = bearer_of(request)
    user = request.user if bearer is None else bearer.user
    if user is None or not user.is_authenticated:
        address = peer_address(request)
        yield from _charge("anon", f"anon:{address}", "default")
        if bearer is not None and bearer.is_guess:
            yield from _charge("login", f"login-token:{address}", "login")
        return
    yield from _charge("user", f"user:{user.pk}", "default")
    if bearer is not None:
        # Half of a hash of 512 bits names a token as well as all of it.
        yield from _charge("token", f"token:{bearer.token.digest[:64]}", "token")
    if is_start(request):
        yield from _charge("start", f"start:{user.pk}", "start")


def _charge(name: str, key: str, policy: str) -> Iterator[Charge]:
    if (text := settings.COMBINE_THROTTLE[name]) is not None:
        yield Charge(key=key, rate=parse_rate(text), policy=policy)


def _problem(refused: Sequence[Standing]) -> Problem:
    longest = max(refused, key=lambda each: each.wait_seconds)
    wait, rate = longest.wait_seconds, longest.charge.rate
    return Problem(
        status=429,
        code="RATE_LIMITED",
        detail=f"The limit of {rate} for {_SUBJECTS[longest.charge.policy]} is used up; try again in {wait} s.",
        headers={"Retry-After": str(wait)},
    )


def _headers(standings: Iterable[Standing]) -> Iterator[tuple[str, str]]:
    """Yield the fields of the RateLimit draft of the IETF: what is allowed, and what is left of it."""
    policies, limits = [], []
    for each in standings:
        rate = each.charge.rate
        policies.append(f'"{each.charge.policy}";q={rate.count};w={rate.seconds}')
        limits.append(f'"{each.charge.policy}";r={each.remaining};t={each.reset_seconds}')
    if policies:
        yield "RateLimit-Policy", ", ".join(policies)
        yield "RateLimit", ", ".join(limits)
