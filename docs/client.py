"""Start a workflow, follow it, answer what it asks, accept what it shows, keep its documents.

python docs/client.py http://127.0.0.1:8000/api/v1 TOKEN software_product apollo "A library that lends tools"
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen


def call(path: str, body: Any = None) -> Any:
    """Send a request; with a body it is a POST. A refusal is raised as an HTTPError, whose text is the problem."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    return urlopen(Request(path if "://" in path else API + path, data, headers), timeout=60)


def events(run: str) -> Iterator[Any]:
    """Yield every event once. When the connection ends, come again with the number of the last one."""
    last = 0
    while True:
        try:
            with call(f"/executions/{run}/stream?after={last}") as stream:
                if stream.status == 204:  # that was the last event of a run that is over
                    return
                for frame in (json.loads(line[5:]) for line in stream if line.startswith(b"data:")):
                    if frame["seq"]:  # the snapshot at the beginning and live text have no number
                        yield frame
                        last = frame["seq"]
        except (ConnectionError, TimeoutError):
            time.sleep(3)


def answer(question: Any) -> Any:
    """Take the default, or ask who sits here. Texts are typed as they are, everything else as JSON."""
    if question["default"] is not None:
        return question["default"]
    typed = input(f"{question['text']} ({question['answer_type']}) ")
    return typed if question["answer_type"] in ("free_text", "single_choice", "date", "uuid") else json.loads(typed)


API, TOKEN, workflow, project, idea = sys.argv[1:]
start = {"project_id": project, "initial_context": {"idea": idea}}
run = json.load(call(f"/workflows/{workflow}/start", start))["execution_id"]
for event in events(run):
    print(event["seq"], event["event_type"], event["path"] or "")
    data = event["data"]
    if event["event_type"] == "clarification_needed":
        answers = {question["id"]: answer(question) for question in data["questions"]}
        call(f"/executions/{run}/clarification", {"gate_id": data["gate_id"], "answers": answers})
    elif event["event_type"] == "acceptance_needed":
        decision = {"gate_id": data["gate_id"], "document_id": data["document_id"], "decision": "accept"}
        call(f"/executions/{run}/acceptance", decision)

page = {"next": f"/documents?execution_id={run}&latest=true"}
while page["next"]:
    page = json.load(call(page["next"]))
    for document in page["results"]:
        name = f"{document['scope_id']}-{document['document_type']}.json".replace(":", "-")
        Path(name).write_text(json.dumps(document["content"], indent=2), encoding="utf-8")
        print(name)
