"""The figures of the cost pages, without any page: what :mod:`telemetry.pages` shows, and nothing of how it looks."""
