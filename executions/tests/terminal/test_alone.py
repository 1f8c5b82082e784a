"""The command as a process of its own, in a new home: it brings a worker and the offline model, and takes them away."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from executions.tests.engine_definitions import ROLE, TASK, chain, note, step, workflow

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal is Linux's")]

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 60.0

Manage = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """A home with an embedded database, small workflows, a long one and an administrator who may accept."""
    home = Path(tempfile.mkdtemp(prefix="combine-alone-"))
    home.chmod(0o755)  # as root the database runs as another user, who must be able to get there
    package = home / "package"
    for directory in ("workflows", "prompts/roles", "prompts/tasks"):
        (package / directory).mkdir(parents=True)
    (package / "prompts/roles" / f"{ROLE}.txt").write_text("You write.", encoding="utf-8")
    (package / "prompts/tasks" / f"{TASK}.txt").write_text("Write it.", encoding="utf-8")
    reviewed = workflow({"note": note(accepted_by=("editor",))}, step("note"), workflow_id="reviewed")
    for definition in (reviewed, {**chain(3), "workflow_id": "chain"}, {**chain(20), "workflow_id": "long"}):
        for each in definition["document_types"].values():
            del each["schema"]
        path = package / "workflows" / f"{definition['workflow_id']}.json"
        path.write_text(json.dumps(definition), encoding="utf-8")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("COMBINE_", "ANTHROPIC_", "DJANGO_")) and name not in ("DATABASE_URL", "REDIS_URL")
    }
    values = {
        **kept,
        "COMBINE_HOME": str(home / "var"),
        "COMBINE_PACKAGES": f"{package}:{ROOT / 'examples'}",
        "NO_COLOR": "1",
    }
    try:
        manage(values, "migrate", "--verbosity", "0", "--skip-checks")
        manage(values, "create_user", "root", "--roles", "admin,operator,editor,pm,architect", "--skip-checks")
        yield values
    finally:
        manage(values, "shell", "-c", "from combine.database import stop_database; stop_database()", is_ok=False)
        shutil.rmtree(home, ignore_errors=True)


def manage(environment: dict[str, str], *arguments: str, is_ok: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        stdin=subprocess.DEVNULL,
    )
    assert not is_ok or done.returncode == 0, done.stderr
    return done


def begin(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(ROOT / "manage.py"), "run_workflow", *arguments]
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def read_until(process: subprocess.Popen[str], words: str) -> str:
    assert process.stderr is not None
    seen = ""
    while words not in seen:
        line = process.stderr.readline()
        assert line, seen
        seen += line
    return seen


def helpers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return [child for child in psutil.Process(process.pid).children(recursive=True) if "postgres" not in child.name()]


def wait_for_end(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return those that still run after a few seconds; a zombie is gone, whoever has yet to reap it."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        alive = [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
        if not alive:
            return []
        time.sleep(0.05)
    return alive


def test_alone_the_command_brings_whom_it_needs_and_completes(environment: dict[str, str]) -> None:
    process = begin(environment, "reviewed", "--project", "p", "--brief", "A shop.", "--accept-all", "--json")
    shown = read_until(process, "note: started")
    helpers = helpers_of(process)
    stdout, _ = process.communicate(timeout=PATIENCE)
    last = json.loads(stdout.splitlines()[-1])
    assert "No worker is running: this command brings its own" in shown
    assert process.returncode == 0
    assert (last["status"], [made["status"] for made in last["documents"]]) == ("completed", ["accepted"])
    assert len(helpers) == 2
    assert wait_for_end(helpers) == []
    assert manage(environment, "verify").returncode == 0


def test_the_shipped_example_completes_without_any_answer(environment: dict[str, str]) -> None:
    brief = ROOT / "examples/software_product/brief.json"
    arguments = ("software_product", "--project", "lantern", "--brief", str(brief), "--accept-all", "--json")
    done = manage(environment, "run_workflow", *arguments)
    last = json.loads(done.stdout.splitlines()[-1])
    types = [made["document_type"] for made in last["documents"]]
    epic_count, story_count = types.count("epic_architecture"), types.count("implementation_plan")
    assert last["status"] == "completed"
    assert epic_count > 1
    assert story_count > epic_count
    assert len(types) == 3 + 2 * epic_count + story_count
    assert "assumed AUDIENCE = " in done.stderr
    assert manage(environment, "verify").returncode == 0


def test_ctrl_c_takes_the_helpers_away_and_says_that_the_execution_goes_on(environment: dict[str, str]) -> None:
    process = begin(environment, "long", "--project", "p", "--brief", "A shop.")
    read_until(process, "s1: started")
    helpers = helpers_of(process)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "is not cancelled and goes on." in stderr
    assert "The worker of this command stops now, so it waits for another: manage.py up" in stderr
    assert stdout == ""
    assert wait_for_end(helpers) == []


def test_a_reader_that_goes_away_ends_the_following_not_the_execution(environment: dict[str, str]) -> None:
    process = begin(environment, "long", "--project", "p", "--brief", "A shop.", "--json")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["event_type"] == "execution_started"
    helpers = helpers_of(process)
    process.stdout.close()
    assert process.wait(timeout=PATIENCE) == 130
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    assert wait_for_end(helpers) == []


def test_nothing_survives_a_kill_of_the_command_and_the_next_one_takes_over(environment: dict[str, str]) -> None:
    process = begin(environment, "chain", "--project", "p", "--brief", "A shop.", "--accept-all")
    read_until(process, "s1: started")
    helpers = helpers_of(process)
    process.kill()
    process.communicate(timeout=PATIENCE)
    assert len(helpers) == 2
    assert wait_for_end(helpers) == []
    # The dead worker counts as alive for its last seconds; then the command brings its own.
    done = manage(environment, "run_workflow", "chain", "--project", "p", "--brief", "A shop.", "--quiet")
    assert "completed" in done.stdout.splitlines()[0]


def test_a_terminal_sees_what_is_at_work_and_is_left_as_it_was(environment: dict[str, str]) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, str(ROOT / "manage.py"), "run_workflow", "reviewed", "--project", "p", "--brief", "x"]
    process = subprocess.Popen(
        [*command, "--accept-all"],
        env={**environment, "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    assert process.wait(timeout=PATIENCE) == 0
    text = shown.decode()
    assert "0 of 1 step" in text
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert "✓ note" in plain
    assert "waits for acceptance by editor" in plain
    assert "\x1b[3" not in text, "NO_COLOR is set"
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l"), "the cursor is shown again"


def test_wrong_usage_exits_2(environment: dict[str, str]) -> None:
    assert manage(environment, "run_workflow", "chain", "--project", "p", is_ok=False).returncode == 2
    done = manage(environment, "run_workflow", "chain", "--project", "p", "--brief", "[1]", is_ok=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("--brief: the JSON is a list")
