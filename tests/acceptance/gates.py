"""Gates that nobody decides on in time, with real workers and a mail server on a real socket."""

from __future__ import annotations

from django.contrib.auth.models import User

from executions.models import Decision, Gate, GateNotice
from executions.tests.desk.mail_server import mail_server
from executions.tests.engine_cast import person
from executions.tests.engine_definitions import reviewed
from tests.acceptance.site import Place, Site


def workers_remind_escalate_and_accept_when_a_time_is_over(place: Place) -> None:
    """Three of them do each thing once: the mail, the escalation, the decision by the policy; and the runs go on."""
    what = reviewed("editor", due_in="PT6S", escalate_to=["head"], on_timeout="accept")
    with Site(place) as site, mail_server() as mail:
        for name, role in (("ed", "editor"), ("boss", "head")):
            person(name, role)
            User.objects.filter(username=name).update(email=f"{name}@example.org")
        for _ in range(3):
            site.worker(environment={"COMBINE_EMAIL_URL": f"smtp://127.0.0.1:{mail.port}"})
        executions = site.start(what, 2)
        site.wait_for_end(executions)
        site.wait_until(lambda: not GateNotice.objects.filter(status="pending").exists(), "all mail is sent")
        assert sorted(Decision.objects.values_list("by", "channel")) == [("policy", "policy")] * 2
        assert set(Gate.objects.values_list("status", flat=True)) == {"decided"}
        ended = [message for message in mail.messages if "Not decided in time" in str(message.get_content())]
        assert {str(message["To"]) for message in ended} == {"ed@example.org", "boss@example.org"}
        told = "".join(str(message.get_content()) for message in mail.messages if message["To"] == "ed@example.org")
        for kind, wording in (("opened", "Waits for your decision"), ("ended", "Not decided in time")):
            rows = GateNotice.objects.filter(kind=kind, user__username="ed")
            assert list(rows.values_list("status", flat=True)) == ["sent"] * 2
            assert told.count(wording + ",") + told.count(wording + ":") == 2
        site.check()
