"""Real workers, a real database, a model on a real socket: killed, paused, stopped and restarted.

Each scenario has a site of its own (``site.py``), and several are played at a time (``conftest.py``).
"""

from __future__ import annotations

import pytest

from tests.acceptance import budgets, crashes, gates, log_lines, receivers, restart, traces, workers
from tests.acceptance.conftest import Batch, Scenario

SCENARIOS: dict[str, Scenario] = {
    scenario.__name__: scenario
    for scenario in (
        crashes.a_poison_step_is_blamed_and_nothing_else_suffers,  # the longest first
        restart.a_database_killed_in_the_middle_loses_nothing,
        restart.a_database_that_drops_connections_loses_nothing,
        crashes.a_worker_killed_among_many_runs_is_survived,
        budgets.runs_of_fifty_branches_never_spend_more_than_the_budget_they_share,
        budgets.a_run_of_fifty_branches_never_spends_more_than_its_budget,
        workers.a_worker_paused_too_long_changes_nothing_when_it_wakes,
        workers.a_cancelled_call_is_closed_within_a_second,
        workers.a_worker_told_to_stop_gives_its_steps_back,
        workers.a_worker_told_to_stop_finishes_what_is_nearly_done,
        workers.a_provider_that_fails_now_and_then_costs_time_only,
        receivers.events_reach_a_receiver_though_workers_are_killed,
        gates.workers_remind_escalate_and_accept_when_a_time_is_over,
        traces.a_run_is_one_connected_trace,
        traces.a_silent_collector_holds_up_nobody,
        log_lines.what_is_written_is_in_no_line_of_the_log,
    )
}
SCENARIOS |= crashes.KILLED_AT | crashes.ANSWER_LOST


@pytest.mark.chaos
@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_scenario(batch: Batch, scenario: Scenario) -> None:
    batch.result(scenario)
