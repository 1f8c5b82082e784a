"""What the composition root adds to the admin site. Django looks for it here."""

from __future__ import annotations

from combine import token_admin

__all__ = ["token_admin"]
