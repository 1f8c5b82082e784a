"""Django settings, in the order of Django's own template. What a deployment may change is read in ``env.py``."""

from __future__ import annotations

from datetime import timedelta

import django_stubs_ext
from csp.constants import NONE, SELF

from combine.api.openapi.document import SETTINGS as OPENAPI_SETTINGS
from combine.email_url import email_settings
from combine.env import BASE_DIR, read_env
from combine.logs import logging_settings
from combine.offline_model import noted_port
from combine.postgres_url import database_settings
from combine.secret_key import local_secret_key

# Before any model or admin class is imported: it makes ``ModelAdmin[Execution]`` legal at run time.
django_stubs_ext.monkeypatch()

ENV = read_env()

# Core

SECRET_KEY = ENV.secret_key or local_secret_key(ENV.home)
DEBUG = ENV.is_debug
ALLOWED_HOSTS = list(ENV.allowed_hosts) or ["localhost", ".localhost", "127.0.0.1", "[::1]", ENV.host]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "knox",
    "channels",
    "csp",
    "procrastinate.contrib.django",
    "workflows",
    "documents",
    "executions",
    "telemetry",
    "combine",
]

MIDDLEWARE = [
    "combine.api.middleware.request_id_middleware",
    "combine.origins.origin_middleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "combine.logins.lockout_middleware",
    "combine.api.middleware.api_middleware",
    "combine.api.throttling.throttle_middleware",
]

ROOT_URLCONF = "combine.urls"
ASGI_APPLICATION = "combine.asgi.application"
# The API has no trailing slashes; a redirect would turn a POST into a GET.
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Database: DATABASE_URL, or the embedded server's socket (started when a command needs it, never here)

DATABASES = {"default": database_settings(ENV)}
# Django serves every request in a thread of its own, where a persistent connection would be lost, not reused: web
# processes take theirs from a pool of this size (see database.py). Workers keep theirs for CONN_MAX_AGE.
COMBINE_WEB_POOL_SIZE = 20
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Passwords: demo accounts have short ones, so people's own passwords are checked in production only

AUTH_PASSWORD_VALIDATORS = (
    [
        {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
        {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
        {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    ]
    if ENV.is_production
    else []
)
AUTHENTICATION_BACKENDS = ["combine.logins.GuardedBackend"]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"

# Language and time

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

# Static files: served from the apps' own directories, in every deployment, without a collecting step

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

# Security

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "combine.api.handlers.form_refused"
CSRF_TRUSTED_ORIGINS = list(ENV.csrf_trusted_origins)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    },
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_000_000
if ENV.is_production:
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    SESSION_COOKIE_NAME = "__Host-session"
    CSRF_COOKIE_NAME = "__Host-csrftoken"
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    # TLS ends at the proxy, which also redirects. To answer an API call that came without TLS with a redirect would
    # only hide that its token has already travelled in the open.
    SILENCED_SYSTEM_CHECKS = ["security.W008"]
    # A page of a proxied site posts from https://host, also where the proxy's headers are not trusted.
    CSRF_TRUSTED_ORIGINS += [f"https://{'*' if host[0] == '.' else ''}{host}" for host in ALLOWED_HOSTS]
if ENV.proxy_count:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# Logging: one JSON object a line, or readable lines at home

LOGGING_CONFIG = "combine.logs.configure"
LOGGING = logging_settings(
    level=ENV.log_level,
    log_format=ENV.log_format,
    is_debug=ENV.is_debug,
    is_traced=ENV.otlp_endpoint is not None,
)

# Mail: about gates, sent by workers (see docs/operations.md)

vars().update(email_settings(ENV.email_server))
DEFAULT_FROM_EMAIL = SERVER_EMAIL = ENV.email_from

# REST API

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "combine.api.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "combine.api.parameters.KnownParameters",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["combine.api.parsers.StrictJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "combine.api.pagination.KeysetPagination",
    "DEFAULT_FILTER_BACKENDS": ["executions.api.filters.StrictFilterBackend"],
    "DEFAULT_METADATA_CLASS": "combine.api.metadata.AllowedMethods",
    "EXCEPTION_HANDLER": "combine.api.errors.exception_handler",
    # `format` is a parameter like any other: an endpoint has it or refuses it.
    "URL_FORMAT_OVERRIDE": None,
    "DEFAULT_SCHEMA_CLASS": "combine.api.openapi.schema.OperationSchema",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
REST_KNOX = {
    "AUTH_HEADER_PREFIX": "Bearer",
    "TOKEN_PREFIX": "cmb_",
    "TOKEN_TTL": timedelta(days=365),
}
SPECTACULAR_SETTINGS = OPENAPI_SETTINGS

# Job queue: tasks are in <app>/jobs.py; a dead worker is noticed after 10 s, a delayed job is polled for every second

PROCRASTINATE_AUTODISCOVER_MODULE_NAME = "jobs"
PROCRASTINATE_WORKER_DEFAULTS = {
    "update_heartbeat_interval": 2,
    "stalled_worker_timeout": 10,
    "fetch_job_polling_interval": 1,
}

# The Combine

COMBINE_ENV = ENV.deployment
COMBINE_HOME = ENV.home
COMBINE_HOST = ENV.host
COMBINE_PORT = ENV.port
COMBINE_BASE_URL = ENV.site_url
COMBINE_PACKAGES = list(ENV.packages)
COMBINE_DEMO = ENV.is_demo
COMBINE_WORKERS = ENV.workers
COMBINE_WORKER_CONCURRENCY = ENV.worker_concurrency
COMBINE_WEBHOOKS_ALLOW_PRIVATE = ENV.webhooks_allow_private
COMBINE_MODELS = dict(ENV.models)
COMBINE_THROTTLE = dict(ENV.throttle)
COMBINE_MAX_ACTIVE_RUNS_PER_PROJECT = ENV.max_runs_per_project
COMBINE_MAX_ACTIVE_RUNS_PER_USER = ENV.max_runs_per_user
COMBINE_PROXIES = ENV.proxy_count
REDIS_URL = ENV.redis_url
COMBINE_METRICS_TOKEN = ENV.metrics_token
COMBINE_OTLP_ENDPOINT = ENV.otlp_endpoint
ANTHROPIC_API_KEY = ENV.anthropic_api_key
COMBINE_OFFLINE_MODEL = not ENV.is_production and ENV.anthropic_api_key is None and ENV.anthropic_base_url is None
COMBINE_OFFLINE_MODEL_PORT = ENV.offline_model_port or noted_port(ENV.home) or ENV.derived_offline_port
ANTHROPIC_BASE_URL = (
    f"http://127.0.0.1:{COMBINE_OFFLINE_MODEL_PORT}" if COMBINE_OFFLINE_MODEL else ENV.anthropic_base_url
)
