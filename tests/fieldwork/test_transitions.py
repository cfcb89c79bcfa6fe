"""From one state of a work order to another … (spec B3, fieldwork)."""

import pytest

from apps.audit.models import AuditEvent
from apps.core.problems import Problem
from apps.fieldwork.models import WorkOrder, WorkOrderEvent
from apps.fieldwork.services import MOVES, allowed
from apps.fieldwork.services.transitions import Kind, apply_move
from tests.factories import WorkOrderFactory
from tests.fieldwork.working import NOW, audited, do, history, told

pytestmark = pytest.mark.django_db

# What may be done in which state, and to which state it leads. A blank is a refusal.
TABLE = """
              assigned reassigned unassigned started     held    resumed     completed reopened    verified cancelled
PENDING       ASSIGNED .          .          .           .       .           .         .           .        CANCELLED
ASSIGNED      .        ASSIGNED   PENDING    IN_PROGRESS ON_HOLD .           COMPLETED .           .        CANCELLED
IN_PROGRESS   .        ASSIGNED   PENDING    .           ON_HOLD .           COMPLETED .           .        CANCELLED
ON_HOLD       .        ASSIGNED   PENDING    .           .       IN_PROGRESS .         .           .        CANCELLED
COMPLETED     .        .          .          .           .       .           .         IN_PROGRESS VERIFIED .
VERIFIED      .        .          .          .           .       .           .         IN_PROGRESS .        .
CANCELLED     .        .          .          .           .       .           .         .           .        .
"""  # noqa: E501

HEAD, *ROWS = [line.split() for line in TABLE.strip().splitlines()]
CASES = [
    (row[0], verb, "" if leads_to == "." else leads_to)
    for row in ROWS
    for verb, leads_to in zip(HEAD, row[1:], strict=True)
]
REFUSALS = {
    "assigned": "cannot be assigned",
    "reassigned": "cannot be given to somebody else",
    "unassigned": "cannot be taken back",
    "started": "cannot be started",
    "held": "cannot be put on hold",
    "resumed": "cannot be resumed",
    "completed": "cannot be completed",
    "reopened": "cannot be reopened",
    "verified": "cannot be verified",
    "cancelled": "cannot be cancelled",
}
LABELS = {
    "PENDING": "pending",
    "ASSIGNED": "assigned",
    "IN_PROGRESS": "in progress",
    "ON_HOLD": "on hold",
    "COMPLETED": "completed",
    "VERIFIED": "verified",
    "CANCELLED": "cancelled",
}


def test_the_table_knows_every_state_and_every_verb() -> None:
    assert {row[0] for row in ROWS} == set(WorkOrder.Status.values)
    assert set(HEAD) == {kind.value for kind in MOVES}


@pytest.mark.parametrize(("status", "verb", "leads_to"), CASES)
def test_every_verb_in_every_state(status: str, verb: str, leads_to: str) -> None:
    order = WorkOrderFactory(status=status, number="JOB-000123")
    neighbour = WorkOrderFactory(status=status, number="JOB-000123")
    assert (verb in allowed(status)) == bool(leads_to)
    if not leads_to:
        refusal = f"JOB-000123 {REFUSALS[verb]}: it is {LABELS[status]}."
        with pytest.raises(Problem) as refused:
            do(verb, order)
        assert str(refused.value) == refusal
        assert (WorkOrder.objects.get(pk=order.pk).status, told()) == (status, [])
        assert WorkOrderEvent.objects.count() == AuditEvent.objects.count() == 0
        return
    after = do(verb, order)
    stored = WorkOrder.objects.get(pk=order.pk)
    assert after.status == stored.status == leads_to
    assert stored.last_activity_at == NOW
    assert history(order) == [(verb, status, leads_to)]
    assert audited() == [f"work_order_{verb}"]
    assert AuditEvent.objects.get().changes["status"] == [status, leads_to]
    before = neighbour.status
    neighbour.refresh_from_db()
    assert (neighbour.status, neighbour.events.count()) == (before, 0)


def test_resuming_leads_back_to_where_it_was_held_from() -> None:
    waiting, under_way = (
        WorkOrderFactory(status=status) for status in ("ASSIGNED", "IN_PROGRESS")
    )
    for order, came_from in ((waiting, "ASSIGNED"), (under_way, "IN_PROGRESS")):
        do("held", order)
        assert do("resumed", order).status == came_from


def test_it_is_the_last_hold_that_counts() -> None:
    order = WorkOrderFactory(status="ASSIGNED")
    for verb in ("held", "resumed", "started", "held"):
        do(verb, order)
    assert do("resumed", order).status == "IN_PROGRESS"


def test_a_state_that_another_process_left_is_refused_by_the_update_itself() -> None:
    order = WorkOrderFactory(status="ASSIGNED", number="JOB-000123")
    WorkOrder.objects.filter(pk=order.pk).update(status="COMPLETED")
    with pytest.raises(Problem, match=r"^JOB-000123 has changed meanwhile\.$"):
        apply_move(order, Kind.STARTED, by=None, now=NOW)


def test_a_warning_is_forgotten_when_something_happens() -> None:
    order = WorkOrderFactory(status="ASSIGNED", stale_warned_at=NOW)
    assert do("started", order).stale_warned_at is None


def test_the_reason_stands_in_the_history_and_in_the_audit_trail() -> None:
    order = WorkOrderFactory(status="ASSIGNED")
    do("held", order, reason="Parts are on their way")
    assert WorkOrderEvent.objects.get().detail == "Parts are on their way"
    assert AuditEvent.objects.get().reason == "Parts are on their way"
