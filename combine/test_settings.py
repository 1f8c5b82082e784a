"""Settings for tests: the same code on the same PostgreSQL, a few switches thrown. Changes at most six things."""

from __future__ import annotations

import os

# What happens to be set in a developer's shell must not decide a test, and no test may reach a real model.
for name in [name for name in os.environ if name.startswith(("COMBINE_", "ANTHROPIC_")) and name != "COMBINE_HOME"]:
    del os.environ[name]
os.environ |= {"COMBINE_THROTTLE": "off", "COMBINE_DEMO": "0", "COMBINE_LOG_LEVEL": "warning"}

from combine.settings import *  # noqa: F403
from combine.settings import DATABASES

# A name of its own for every session: two sessions on one machine do not get into each other's way.
DATABASES["default"]["TEST"] = {"NAME": f"test_combine_{os.getpid()}"}
COMBINE_WEB_POOL_SIZE = 0
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Each test client would look through all static files otherwise.
WHITENOISE_AUTOREFRESH = True
