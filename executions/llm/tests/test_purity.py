"""What importing this package brings with it: no Django, and the slow SDK only where it is called."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "executions" / "llm"
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if "tests" not in path.parts and path.stem not in ("__init__", "__main__")
)


def loaded_by(statements: str) -> set[str]:
    """Return the top-level modules that a fresh process has loaded after ``statements``."""
    code = f"{statements}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_no_module_loads_django() -> None:
    assert "executions.llm.sdk" in MODULES
    loaded = loaded_by("\n".join(f"import {name}" for name in MODULES))
    assert not loaded & {"django", "rest_framework", "channels", "procrastinate", "psycopg"}


@pytest.mark.parametrize("module", ["client", "prompt", "parsing", "errors", "catalogue", "clarification", "pricing"])
def test_what_a_web_process_imports_does_not_load_the_sdk(module: str) -> None:
    loaded = loaded_by(f"from executions.llm import {module}, catalogue\ncatalogue.resolve_model(None, {{}})")
    assert "anthropic" not in loaded
    assert "aiohttp" not in loaded


def test_the_test_model_starts_with_little() -> None:
    assert not loaded_by("import executions.llm.offline.scripted") & {"anthropic", "aiohttp", "uvicorn", "pydantic"}
