"""The environment, read once and checked: everything a deployment can set, with its default.

``settings.py`` turns the result into Django settings. A wrong value stops the program with one message that
names the variable and the fix; nothing below this module looks at ``os.environ``.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parseaddr
from pathlib import Path
from typing import Literal, TypeVar, cast
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from combine.email_url import MailServer, parse_email_url

BASE_DIR = Path(__file__).resolve().parent.parent

DEFAULT_PORT = 8000
DEFAULT_WORKER_CONCURRENCY = 300
DEFAULT_EMAIL_FROM = "The Combine <combine@localhost>"
OFFLINE_PORT_DISTANCE = 1000
MOST_RUNS = 1_000_000
# A user's tokens share what the user has; none of them can use up all of it. `login` counts wrong passwords.
DEFAULT_THROTTLE = {
    "anon": "300/min",
    "user": "12000/min",
    "token": "6000/min",
    "start": "1200/min",
    "login": "15/hour",
}

_RATE = re.compile(r"[1-9][0-9]*/(s|sec|second|m|min|minute|h|hour|d|day)")
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})

Deployment = Literal["local", "production"]
_Value = TypeVar("_Value")


class EnvironmentProblem(ImproperlyConfigured):
    """One or more environment variables cannot be used; the message says which, and what to do."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("The Combine cannot start with this environment:\n" + "\n".join(f"  - {p}" for p in problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class Env:
    """What the environment says. ``secret_key`` and ``database_url`` are None where a local default is made."""

    deployment: Deployment
    home: Path
    host: str
    port: int
    packages: tuple[Path, ...]
    is_demo: bool
    is_debug: bool
    workers: int
    worker_concurrency: int
    webhooks_allow_private: bool
    email_server: MailServer | None
    email_from: str
    base_url: str | None
    models: Mapping[str, str]
    throttle: Mapping[str, str | None]
    max_runs_per_project: int
    max_runs_per_user: int
    secret_key: str | None
    allowed_hosts: tuple[str, ...]
    csrf_trusted_origins: tuple[str, ...]
    proxy_count: int
    log_level: str
    log_format: Literal["text", "json"]
    database_url: str | None
    redis_url: str | None
    metrics_token: str | None
    otlp_endpoint: str | None
    anthropic_api_key: str | None
    anthropic_base_url: str | None
    offline_model_port: int | None

    @property
    def is_production(self) -> bool:
        return self.deployment == "production"

    @property
    def site_url(self) -> str:
        """Where people reach the site, for links in mail."""
        if self.base_url is not None:
            return self.base_url
        if self.is_production and self.allowed_hosts:
            return f"https://{self.allowed_hosts[0].lstrip('.')}"
        return f"http://localhost:{self.port}"

    @property
    def derived_offline_port(self) -> int:
        """The offline model's port where none was asked for: at a fixed distance from the web port."""
        above = self.port + OFFLINE_PORT_DISTANCE
        return above if above <= 65535 else self.port - OFFLINE_PORT_DISTANCE


class _Reader:
    """Reads variables, collecting every problem, so that one start shows all of them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.problems: list[str] = []

    def text(self, name: str) -> str | None:
        """A variable that is set to nothing counts as not set (compose files and CI do that)."""
        return self.environ.get(name, "").strip() or None

    def parsed(self, name: str, default: _Value, parse: Callable[[str], _Value]) -> _Value:
        raw = self.text(name)
        if raw is None:
            return default
        try:
            return parse(raw)
        except ValueError as error:
            # URLs may carry a password, which must not end up in a log.
            shown = name if name.endswith(("_URL", "_TOKEN")) else f"{name}={raw!r}"
            self.problems.append(f"{shown}: {error}")
            return default

    def whole_number(self, name: str, default: int, low: int, high: int) -> int:
        def parse(raw: str) -> int:
            if not re.fullmatch(r"[0-9]{1,9}", raw) or not low <= int(raw) <= high:
                raise ValueError(f"give a whole number from {low} to {high}")
            return int(raw)

        return self.parsed(name, default, parse)

    def flag(self, name: str, *, default: bool) -> bool:
        def parse(raw: str) -> bool:
            if raw.lower() in _TRUE:
                return True
            if raw.lower() in _FALSE:
                return False
            raise ValueError("give 1 or 0")

        return self.parsed(name, default, parse)

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        def parse(raw: str) -> str:
            if raw.lower() not in choices:
                raise ValueError(f"give one of {', '.join(choices)}")
            return raw.lower()

        return self.parsed(name, default, parse)

    def words(self, name: str) -> tuple[str, ...]:
        return tuple(word.strip() for word in (self.text(name) or "").split(",") if word.strip())


def _parse_url(*schemes: str) -> Callable[[str], str | None]:
    def parse(raw: str) -> str:
        scheme, separator, rest = raw.partition("://")
        if scheme not in schemes or not separator or not rest:
            raise ValueError(f"give a URL that starts with {' or '.join(f'{scheme}://' for scheme in schemes)}")
        return raw

    return parse


def _parse_base_url(raw: str) -> str | None:
    parts = urlsplit(raw)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError("give the address of the site, such as https://combine.example.org, without a path")
    return f"{parts.scheme}://{parts.netloc}"


def _parse_sender(raw: str) -> str:
    address = parseaddr(raw)[1]
    if not address.partition("@")[2] or any(ord(character) < 32 for character in raw):
        raise ValueError(f"give a sender such as {DEFAULT_EMAIL_FROM}")
    return raw


def _parse_models(raw: str) -> Mapping[str, str]:
    """``alias=model-id`` pairs separated by commas, or a JSON object."""
    fix = "give alias=model-id pairs separated by commas, or a JSON object of texts"
    if raw.startswith("{"):
        try:
            value = json.loads(raw)
        except ValueError:
            raise ValueError(fix) from None
        pairs = list(value.items())
    else:
        pairs = [tuple(part.partition("=")[::2]) for part in raw.split(",") if part.strip()]
    if not all(isinstance(model, str) and name.strip() and model.strip() for name, model in pairs):
        raise ValueError(fix)
    return {name.strip(): model.strip() for name, model in pairs}


def _parse_throttle(raw: str) -> Mapping[str, str | None]:
    """``off``, one rate for every user (``600/min``), or ``name=rate`` pairs that replace the defaults by name."""
    if raw.lower() in _FALSE:
        return dict.fromkeys(DEFAULT_THROTTLE)
    rates: dict[str, str | None] = {**DEFAULT_THROTTLE}
    for part in raw.split(","):
        name, separator, rate = (word.strip() for word in part.partition("="))
        if not separator:
            name, rate = "user", name
        if name not in DEFAULT_THROTTLE or not (rate == "off" or _RATE.fullmatch(rate)):
            known = ", ".join(DEFAULT_THROTTLE)
            raise ValueError(f"give off, a rate such as 600/min, or name=rate pairs (names: {known})")
        rates[name] = None if rate == "off" else rate
    return rates


def _parse_metrics_token(raw: str) -> str | None:
    if not re.fullmatch(r"[!-~]{20,200}", raw):
        raise ValueError("give 20 to 200 visible ASCII characters without spaces")
    return raw


def _parse_directories(raw: str) -> tuple[Path, ...]:
    return tuple(Path(part).expanduser().absolute() for part in raw.split(os.pathsep) if part.strip())


def _parse_home(raw: str) -> Path:
    home = Path(raw).expanduser().resolve()
    if home.exists() and not home.is_dir():
        raise ValueError("this is not a directory; give one that The Combine may write to")
    return home


def _check_production(env: Env) -> list[str]:
    """Production has no local defaults: what is missing is named, what is unsafe is refused."""
    problems = []
    if env.secret_key is None:
        problems.append("COMBINE_SECRET_KEY is not set: give 50 or more random characters, the same on every host")
    elif len(env.secret_key) < 50 or len(set(env.secret_key)) < 5:
        problems.append("COMBINE_SECRET_KEY is too weak: give 50 or more random characters, the same on every host")
    if not env.allowed_hosts:
        problems.append("COMBINE_ALLOWED_HOSTS is not set: give the host names users type, separated by commas")
    if "*" in env.allowed_hosts:
        problems.append("COMBINE_ALLOWED_HOSTS=* is refused in production: name the hosts")
    if env.database_url is None:
        problems.append("DATABASE_URL is not set: give postgresql://user:password@host:5432/name of a PostgreSQL")
    if env.is_debug:
        problems.append("COMBINE_DEBUG=1 is refused in production: it shows settings and source to visitors")
    return problems


def read_env(environ: Mapping[str, str] | None = None) -> Env:
    """Read the environment.

    :raises EnvironmentProblem: naming every variable that cannot be used.
    """
    reader = _Reader(os.environ if environ is None else environ)
    deployment = cast(Deployment, reader.choice("COMBINE_ENV", "local", ("local", "production")))
    log_format = reader.choice("COMBINE_LOG_FORMAT", "json" if deployment == "production" else "text", ("text", "json"))
    port = reader.whole_number("COMBINE_PORT", DEFAULT_PORT, 1, 65535)
    env = Env(
        deployment=deployment,
        home=reader.parsed("COMBINE_HOME", BASE_DIR / "var", _parse_home),
        host=reader.text("COMBINE_HOST") or "127.0.0.1",
        port=port,
        packages=reader.parsed("COMBINE_PACKAGES", (BASE_DIR / "examples",), _parse_directories),
        is_demo=reader.flag("COMBINE_DEMO", default=deployment == "local"),
        is_debug=reader.flag("COMBINE_DEBUG", default=False),
        workers=reader.whole_number("COMBINE_WORKERS", 1, 0, 64),
        worker_concurrency=reader.whole_number("COMBINE_WORKER_CONCURRENCY", DEFAULT_WORKER_CONCURRENCY, 1, 5000),
        webhooks_allow_private=reader.flag("COMBINE_WEBHOOKS_ALLOW_PRIVATE", default=False),
        email_server=reader.parsed("COMBINE_EMAIL_URL", None, parse_email_url),
        email_from=reader.parsed("COMBINE_EMAIL_FROM", DEFAULT_EMAIL_FROM, _parse_sender),
        base_url=reader.parsed("COMBINE_BASE_URL", None, _parse_base_url),
        models=reader.parsed("COMBINE_MODELS", {}, _parse_models),
        throttle=reader.parsed("COMBINE_THROTTLE", DEFAULT_THROTTLE, _parse_throttle),
        max_runs_per_project=reader.whole_number("COMBINE_MAX_ACTIVE_RUNS_PER_PROJECT", 0, 0, MOST_RUNS),
        max_runs_per_user=reader.whole_number("COMBINE_MAX_ACTIVE_RUNS_PER_USER", 0, 0, MOST_RUNS),
        secret_key=reader.text("COMBINE_SECRET_KEY"),
        allowed_hosts=reader.words("COMBINE_ALLOWED_HOSTS"),
        csrf_trusted_origins=reader.words("COMBINE_CSRF_TRUSTED_ORIGINS"),
        proxy_count=reader.whole_number("COMBINE_PROXIES", 0, 0, 10),
        log_level=reader.choice("COMBINE_LOG_LEVEL", "info", ("debug", "info", "warning", "error")).upper(),
        log_format=cast(Literal["text", "json"], log_format),
        database_url=reader.parsed("DATABASE_URL", None, _parse_url("postgresql", "postgres")),
        redis_url=reader.parsed("REDIS_URL", None, _parse_url("redis", "rediss", "unix")),
        metrics_token=reader.parsed("COMBINE_METRICS_TOKEN", None, _parse_metrics_token),
        otlp_endpoint=reader.parsed("OTEL_EXPORTER_OTLP_ENDPOINT", None, _parse_url("http", "https")),
        anthropic_api_key=reader.text("ANTHROPIC_API_KEY"),
        anthropic_base_url=reader.parsed("ANTHROPIC_BASE_URL", None, _parse_url("https", "http")),
        offline_model_port=reader.whole_number("COMBINE_OFFLINE_MODEL_PORT", 0, 1, 65535) or None,
    )
    problems = reader.problems + (_check_production(env) if env.is_production else [])
    if problems:
        raise EnvironmentProblem(problems)
    return env
