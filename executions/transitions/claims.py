"""Claims: a step that may start gets an attempt, a fencing token and a ledger row, before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from documents import database
from executions import ledger, wakeups
from executions.engine.plan import StartStep
from executions.engine.state import ErrorCode, StepStatus
from executions.llm.prompt import build_request
from executions.models import EventType
from executions.transitions import budgets
from executions.transitions.inputs import Gathered, InputMissing, gather_all, may_ask, prompt_inputs
from executions.transitions.iteration import carry_out_structure
from executions.transitions.rows import StepRow
from executions.transitions.unit import Unit
from executions.values import Claim, StoredAnswer
from workflows.definition import ProductionStep

# A step that has lost its worker this often may be what kills it: it runs alone before it is blamed.
SUSPECT_AFTER = 2

# How long a run waits before it looks again whether what others have reserved of a shared budget is free.
BUDGET_PAUSE = timedelta(seconds=1)

_RESUMABLE = (
    "SELECT response_text, stop_reason, is_offline FROM executions_llmcall WHERE id = %s AND status = 'succeeded'"
)


@dataclass(frozen=True, slots=True)
class Ready:
    """The steps of an execution that were claimed, and whether more of it may start now."""

    claims: list[Claim]
    has_more: bool


def claim_ready(wanted: Sequence[tuple[Unit, int]], *, worker_id: int | None) -> dict[UUID, Ready]:
    """Claim, in each unit, up to so many steps that may start now; settle the status for what is left."""
    starting = []
    left_over: set[UUID] = set()
    for unit, limit in wanted:
        carry_out_structure(unit)
        if not unit.is_over and limit:
            starts = [command for command in unit.plan() if isinstance(command, StartStep)]
            if starts:
                starting.append((unit, [unit.steps[command.path] for command in starts[:limit]]))
            if len(starts) > limit:
                left_over.add(unit.execution.id)
    gathered = gather_all(starting)
    accounts = budgets.open_accounts([unit for unit, _ in starting])
    ready = {}
    for unit, steps in starting:
        execution_id = unit.execution.id
        shared = accounts.of(unit)
        budgets.warn_of_shared(unit, shared)
        claims = _claim(unit, steps, worker_id, gathered[execution_id], shared)
        # Where not all of these could start, what is in flight has to settle first.
        ready[execution_id] = Ready(claims, has_more=execution_id in left_over and len(claims) == len(steps))
    accounts.write()
    for unit, _ in wanted:
        unit.settle_status()
    return ready


def _claim(
    unit: Unit,
    steps: Sequence[StepRow],
    worker_id: int | None,
    gathered: Gathered,
    accounts: Sequence[budgets.Account],
) -> list[Claim]:
    claims = []
    for step in steps:
        if unit.is_draining:
            break
        node = unit.layout.nodes[step.step_id]
        assert isinstance(node.step, ProductionStep)
        try:
            inputs = prompt_inputs(unit, step, gathered)
        except InputMissing as error:
            _start(unit, step, node.step, "")
            unit.fail_step(step, ErrorCode.INPUT_MISSING, str(error))
            break
        request = build_request(inputs)
        stored = _stored_answer(step)
        bound = None
        if stored is None and (accounts or unit.execution.budget_usd is not None):
            reserved = budgets.reserve(unit, request, accounts)
            if isinstance(reserved, budgets.Refusal):
                _refuse(unit, step, node.step, request.model, reserved)
                break
            bound = reserved
        claims.append(
            Claim(
                execution_id=unit.execution.id,
                step_row_id=step.id,
                path=step.path,
                step_id=step.step_id,
                token=uuid4(),
                call_id=UUID(step.carry["resume_call"]) if stored else uuid4(),
                request=request,
                request_chars=request.char_count(),
                step=node.step,
                doc_type=inputs.doc_type,
                collection=inputs.collection,
                may_ask=may_ask(node.step, step),
                attempt=step.attempt + (step.status is StepStatus.PENDING),
                runs_alone=step.crashes >= SUSPECT_AFTER,
                stored_answer=stored,
                feedback=inputs.feedback,
            )
        )
        _start(unit, step, node.step, request.model)
        _write_claim(unit, step, claims[-1], worker_id, bound, [account.id for account in accounts])
    return claims


def _start(unit: Unit, step: StepRow, production: ProductionStep, model: str) -> None:
    """Move a step to running; its first start, and each start after a retry of the execution, is an event."""
    if step.status is StepStatus.PENDING:
        step.attempt += 1
        unit.move_step(step, StepStatus.RUNNING)
        data = {"attempt": step.attempt, "role": production.role, "model": model}
        unit.event(EventType.STEP_STARTED, data, step)


def _refuse(unit: Unit, step: StepRow, production: ProductionStep, model: str, refusal: budgets.Refusal) -> None:
    """Fail a step that no budget covers, unless something may still be free: then the rest is looked at again."""
    if unit.in_flight():
        return  # it will settle, and whoever records it claims
    if not refusal.is_final:
        wakeups.tx_look_again(unit.execution.id, at=unit.now + BUDGET_PAUSE)
        return
    _start(unit, step, production, model)
    budgets.warn_of_refusal(unit, refusal)
    unit.fail_step(step, ErrorCode.BUDGET_EXHAUSTED, refusal.detail)


def _write_claim(
    unit: Unit, step: StepRow, claim: Claim, worker_id: int | None, bound: Decimal | None, account_ids: list[int]
) -> None:
    step.token, step.due_at = claim.token, None
    step.tries += 1
    unit.touch(step)
    unit.attempt(
        {
            "id": claim.token,
            "step_id": step.id,
            "n": step.tries,
            "content_attempt": claim.attempt,
            "worker_id": worker_id,
        }
    )
    if claim.stored_answer is not None:
        return  # the call was paid for by the attempt that is named in the ledger
    unit.call(
        {
            "id": claim.call_id,
            "step_id": step.id,
            "attempt_id": claim.token,
            "model": claim.request.model,
            "request_sha256": claim.request.digest(),
            "request_chars": claim.request_chars,
            "max_tokens": claim.request.max_tokens,
            "reserved_usd": bound or Decimal(0),
            "budget_accounts": account_ids or None,
        }
    )


def _stored_answer(step: StepRow) -> StoredAnswer | None:
    call_id = step.carry.get("resume_call")
    if call_id is None:
        return None
    found = database.rows(_RESUMABLE, (UUID(call_id),))
    if not found:
        return None
    return StoredAnswer(text=ledger.decode_text(found[0][0]), stop_reason=found[0][1], is_offline=found[0][2])
