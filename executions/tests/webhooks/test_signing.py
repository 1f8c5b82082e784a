"""Signatures that the reference library takes, secrets as long as they must be, and stored so that none is read."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from pytest_django import Settings
from standardwebhooks.webhooks import Webhook as Reference
from standardwebhooks.webhooks import WebhookVerificationError

from executions.webhooks.messages import Happening, body_of
from executions.webhooks.sealing import SecretUnreadable, seal, unseal
from executions.webhooks.signing import make_secret, signed_headers

ID = UUID("11111111-2222-4333-8444-555555555555")
AT = datetime(2026, 11, 23, 10, 20, 30, 5000, tzinfo=UTC)


def test_a_known_message_has_a_known_signature() -> None:
    """The example of the specification's reference implementations."""
    headers = signed_headers(
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        at=datetime.fromtimestamp(1614265330, UTC),
        body=b'{"test": 2432232314}',
        keys=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_the_reference_library_takes_our_signatures_and_no_others() -> None:
    old, new = make_secret(), make_secret()
    body = '{"type":"x","text":"Zürich"}'.encode()
    headers = signed_headers(message_id="m1", at=datetime.now(UTC), body=body, keys=[new, old])
    for secret in (old, new):
        assert Reference(secret).verify(body, headers) == {"type": "x", "text": "Zürich"}
    for wrong in ({"webhook-id": "m2"}, {"webhook-timestamp": "1"}, {"webhook-signature": "v1,AAAA"}):
        with pytest.raises(WebhookVerificationError):
            Reference(new).verify(body, headers | wrong)
    with pytest.raises(WebhookVerificationError):
        Reference(new).verify(body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Reference(make_secret()).verify(body, headers)


def test_secrets_are_long_and_each_another() -> None:
    made = {make_secret() for _ in range(50)}
    assert len(made) == 50
    for secret in made:
        assert secret.startswith("whsec_")
        assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) <= 64


def test_a_stored_secret_is_read_back_only_with_the_key_it_was_stored_under(settings: Settings) -> None:
    settings.SECRET_KEY = "first" * 20
    secret = make_secret()
    stored = seal(secret)
    assert secret.removeprefix("whsec_") not in stored
    assert unseal(stored) == secret
    assert seal(secret) != stored
    settings.SECRET_KEY = "second" * 20
    with pytest.raises(SecretUnreadable):
        unseal(stored)
    settings.SECRET_KEY_FALLBACKS = ["first" * 20]
    assert unseal(stored) == secret


def test_a_message_names_things_and_repeats_nobodys_words() -> None:
    facts = {
        "gate_id": "g", "document_id": "d", "decision": "reject", "code": "X", "comment": "SECRET", "by": "SECRET",
        "questions": ["SECRET"], "detail": "SECRET", "reason": "SECRET", "findings": ["SECRET"], "items": ["SECRET"],
    }  # fmt: skip
    happening = Happening(
        event_type="acceptance_decided", at=AT, project_id="apollo", webhook_id=ID, execution_id=ID, seq=7,
        step_id="note", path="p" * 2000, facts=facts,
    )  # fmt: skip
    body = body_of(happening)
    assert json.loads(body) == {
        "type": "acceptance_decided",
        "timestamp": "2026-11-23T10:20:30.005000Z",
        "data": {
            "webhook_id": str(ID), "project_id": "apollo", "execution_id": str(ID), "seq": 7, "step_id": "note",
            "path": "p" * 2000, "document_id": "d", "gate_id": "g", "decision": "reject", "code": "X",
        },
    }  # fmt: skip
    assert b"SECRET" not in body
    assert len(body) < 20_000
    assert body_of(happening) == body


def test_a_test_names_only_the_webhook() -> None:
    body = json.loads(body_of(Happening(event_type="webhook.test", at=AT, project_id="apollo", webhook_id=ID)))
    assert body["data"] == {"webhook_id": str(ID), "project_id": "apollo"}
