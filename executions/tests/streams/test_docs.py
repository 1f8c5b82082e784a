"""The clients of docs/streaming.md are run as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
from django.conf import settings
from django.db import connection

from executions.models import EventType, Execution
from executions.streams.consumers import _CODE_OF_ENDING, _CODE_OF_STATUS
from executions.tests.engine_cast import person, start
from executions.tests.engine_definitions import single
from executions.tests.pretend_worker import Answer, Scripted, drive
from executions.tests.streams.clients import JSON
from executions.tests.streams.histories import table
from executions.tests.streams.web import ROOT, WebProcess, bearer, session

T = TypeVar("T")

PAGE = (ROOT / "docs" / "streaming.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def finish(execution: Execution) -> threading.Timer:
    """Bring an execution to its end a moment from now."""

    def act() -> None:
        try:
            drive(execution)
        finally:
            connection.close()

    timer = threading.Timer(0.7, act)
    timer.start()
    return timer


def test_the_python_client(web: WebProcess, tmp_path: Path) -> None:
    execution, token = start(single()), bearer(person("olga"))["Authorization"].removeprefix("Bearer ")
    (tmp_path / "watch.py").write_text(block("python"))
    timer = finish(execution)

    command = [sys.executable, str(tmp_path / "watch.py"), web.host, str(execution.pk)]
    ran = subprocess.run(command, env={**os.environ, "TOKEN": token}, capture_output=True, text=True, timeout=30)

    timer.join()
    assert ran.stderr == ""
    expected = [f"{event['seq']} {event['event_type']} {event['path'] or ''}" for event in table(execution)]
    assert ran.stdout.splitlines() == expected


def test_the_curl_client(web: WebProcess, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl: install the package of that name (apt-get install curl)")
    execution, token = start(single()), bearer(person("olga"))["Authorization"].removeprefix("Bearer ")
    drive(execution, Scripted(note=Answer(text="I will not.", stop_reason="refusal")))

    given = {"TOKEN": token, "API": f"http://{web.host}/api/v1", "EXECUTION": str(execution.pk)}
    command = ["bash", "-e", "-c", block("bash")]
    ran = subprocess.run(command, env={**os.environ, **given}, cwd=tmp_path, capture_output=True, text=True, timeout=30)

    assert (ran.returncode, ran.stderr) == (0, "")
    expected = [[f"id: {event['seq']}", f"event: {event['event_type']}"] for event in table(execution)]
    assert ran.stdout.splitlines() == ["event: connected", *(line for lines in expected for line in lines)]


def test_the_browser_client(web: WebProcess) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    if not Path("/usr/bin/chromium").exists():
        pytest.skip("there is no chromium: install the package of that name (apt-get install chromium)")
    execution, olga = start(single()), session(person("olga"))
    failed = start(single())
    drive(failed, Scripted(note=Answer(text="I will not.", stop_reason="refusal")))
    histories = [table(failed)]

    def look() -> list[list[JSON]]:
        with sync_api.sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            context = browser.new_context()
            context.add_cookies(
                [{"name": settings.SESSION_COOKIE_NAME, "value": olga.session_key, "url": f"http://{web.host}"}]
            )
            page = context.new_page()
            page.goto(f"http://{web.host}/admin/login/")
            page.evaluate(
                f"""(ids) => {{ {block("javascript")}
                    window.told = ids.map(() => []);
                    window.sources = ids.map((id, n) => watch(id, (frame) => window.told[n].push(frame)));
                }}""",
                [str(failed.pk), str(execution.pk)],
            )
            timer = finish(execution)
            page.wait_for_function("() => window.sources.every((source) => source.readyState === 2)", timeout=20_000)
            timer.join()
            told: list[list[JSON]] = page.evaluate("() => window.told")
            browser.close()
            return told

    told = _in_thread(look)
    histories.append(table(execution))
    assert [[frame["event_type"] for frame in frames[:1]] for frames in told] == [["connected"], ["connected"]]
    assert [frames[1:] for frames in told] == histories


def _in_thread(function: Callable[[], T]) -> T:
    """Run what has an event loop of its own in a thread: Django would not be called beside one."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(function).result(60)


def test_the_page_knows_every_type_of_event_and_every_code() -> None:
    types = re.search(r"const TYPES = \[(.*?)\];", PAGE, re.DOTALL)
    assert types is not None
    assert set(re.findall(r'"(\w+)"', types[1])) == {*EventType.values, "connected", "step_output"}
    listed = {int(code) for code in re.findall(r"^\|[^|]*\| (\d{4}) \|", PAGE, re.MULTILINE)}
    assert listed == {*_CODE_OF_ENDING.values(), *_CODE_OF_STATUS.values(), 1008, 1009, 1012}
