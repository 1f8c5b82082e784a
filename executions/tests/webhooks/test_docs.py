"""docs/webhooks.md says what the code does, and its code runs as written."""

from __future__ import annotations

import json
import re
import threading
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from executions.models import EventType
from executions.webhooks import messages, sending
from executions.webhooks.deliveries import DELAYS
from executions.webhooks.messages import Happening, body_of
from executions.webhooks.sending import Sender
from executions.webhooks.signing import make_secret, signed_headers

PAGE = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
LIBRARY, BY_HAND, RECEIVER = range(3)


def run(*numbers: int) -> dict[str, Any]:
    """Run blocks of the page as one module; return its names."""
    names: dict[str, Any] = {}
    for number in numbers:
        exec(compile(BLOCKS[number], f"docs/webhooks.md:{number}", "exec"), names)  # noqa: S102 - our own page
    return names


def message(**keys: Any) -> bytes:
    return body_of(
        Happening(event_type="step_started", at=datetime.now(UTC), project_id="apollo", webhook_id=uuid4(), **keys)
    )


@pytest.mark.parametrize("number", [LIBRARY, BY_HAND])
def test_both_ways_to_read_a_message_take_ours_and_no_others(number: int) -> None:
    read = run(number)["read"]
    old, new = make_secret(), make_secret()
    body, now = message(), datetime.now(UTC)
    headers = signed_headers(message_id="m1", at=now, body=body, keys=[new, old])
    for secret in (old, new):
        assert read(secret, headers, body) == json.loads(body)
    late = signed_headers(message_id="m1", at=now - timedelta(minutes=6), body=body, keys=[new])
    for secret, given, what in (
        (make_secret(), headers, body),
        (new, headers, body + b" "),
        (new, headers | {"webhook-id": "m2"}, body),
        (new, late, body),
    ):
        with pytest.raises((ValueError, WebhookVerificationError)):
            read(secret, given, what)


def test_by_hand_it_is_ten_lines() -> None:
    lines = [line for line in BLOCKS[BY_HAND].splitlines() if line.strip()]
    assert len(lines) <= 10


@pytest.mark.parametrize("reader", [LIBRARY, BY_HAND])
async def test_the_receiver_takes_what_is_sent_and_does_it_once(reader: int) -> None:
    secret, done = make_secret(), list[Any]()
    handler = run(reader, RECEIVER)["handler"](secret, done.append)
    handler.log_message = lambda *_: None
    sender = Sender(allow_private=True, timeout=5.0)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        statuses = []
        for keys in ([secret], [secret], [make_secret()]):
            body = message()
            headers = signed_headers(message_id="m1", at=datetime.now(UTC), body=body, keys=keys)
            statuses.append((await sender.post(url, headers=headers, body=body)).http_status)
        server.shutdown()
        thread.join()
    sender.close()
    assert statuses == [204, 204, 401]
    assert [each["type"] for each in done] == ["step_started"]


def test_the_table_of_attempts_is_that_of_the_code() -> None:
    units = {"seconds": 1, "minutes": 60, "hours": 3600}
    rows = re.findall(r"^\| (\d+) \| (?:at once.*|(\d+) (\w+)) \|$", PAGE, re.MULTILINE)
    waits = [timedelta(seconds=int(count or 0) * units.get(unit, 0)) for _, count, unit in rows]
    assert [int(number) for number, _, _ in rows] == list(range(1, len(DELAYS) + 1))
    assert waits == list(DELAYS)


def test_every_error_code_is_explained() -> None:
    sources = "".join(
        path.read_text() for path in Path(sending.__file__).parent.glob("*.py") if path.name != "addresses.py"
    )
    used = set(re.findall(r"[\"']([A-Z]+_?[A-Z]+)[\"'],", sources)) | set(re.findall(r"error_code = '(\w+)'", sources))
    table = PAGE[PAGE.index("| Error code |") :]
    explained = {
        code for cell in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for code in re.findall(r"`(\w+)`", cell)
    }
    assert used == explained


def test_the_example_is_a_message_of_ours() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    shown = json.loads(example)
    assert shown["type"] in EventType.values
    always = ["webhook_id", "project_id", "execution_id", "seq", "step_id", "path"]
    assert list(shown["data"])[:6] == always
    sentence = re.findall(r"keys above there are, where the event has them, `([\w ]+)`", PAGE)[0]
    assert {*shown["data"], *sentence.split()} == {*always, *messages._THIN}
