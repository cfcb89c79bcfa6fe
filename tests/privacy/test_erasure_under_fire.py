"""Killed at every point, and run twice at once, an erasure ends and does nothing twice."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.db import connections

from apps.audit.models import AuditEvent
from apps.contacts.models import Contact, Tombstone
from apps.firms.models import User
from apps.notifications.models import Notification
from apps.privacy.models import ErasureAction, ErasurePart, ErasureRequest, ErasureStep
from apps.privacy.services import execute_erasure_request
from sandbox import Sandbox
from tests.billing.at_once import at_once
from tests.billing.paying import open_gateway
from tests.privacy.dump import places
from tests.privacy.erasing import (
    EMAIL,
    NAME,
    NOW,
    a_firm,
    account_of_bob,
    bob_of,
    execute,
    furnish,
    request_of,
)
from tests.proof.points import Point, Steps, die_at

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

STEPS = Steps(
    function="apps.privacy.services.execute_erasure_request",
    claim=r'INSERT INTO "privacy_erasurepart"',
    call=("DELETE", "/v1/customers/*"),
    record=r'UPDATE "privacy_erasurestep"',
)
TOTALS = "4 erased, 7 anonymised, 12 retained"


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def request_(sandbox: Sandbox) -> ErasureRequest:
    """Bob, whom two firms and their gateways know, wants to be erased everywhere."""
    user = account_of_bob()
    for name in ("Alder", "Birch"):
        firm = a_firm(name)
        key, customer = f"sk_test_{name}", f"cus_{name}"
        open_gateway(firm, sandbox, key=key)
        sandbox.stripe.add_customer(id=customer, name=NAME, email=EMAIL, account=key)
        furnish(bob_of(firm, user=user), customer=customer)
    return request_of(user=user)


def killed(point: Point, nth: int) -> bool:
    """Carry out what is due in a process that dies at a point; tell whether it did."""
    connections.close_all()
    pid = os.fork()
    if pid == 0:
        try:
            die_at(point, STEPS, nth=nth)
            execute_erasure_request()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


def assert_erased_once(request: ErasureRequest, sandbox: Sandbox) -> None:
    request.refresh_from_db()
    assert request.status == "completed"
    assert ErasurePart.objects.count() == 3
    done = AuditEvent.objects.filter(action="person_erased")
    assert done.count() == 3
    assert AuditEvent.objects.filter(action="erasure_completed").count() == 1
    totals = {
        decision: sum(
            ErasureAction.objects.filter(decision=decision).values_list("rows", flat=True)
        )
        for decision in ("erased", "anonymised", "retained")
    }
    assert totals == {"erased": 4, "anonymised": 7, "retained": 12}
    assert not ErasureStep.objects.filter(done_at=None).exists()
    assert [one.get("deleted") for one in sandbox.stripe.customers] == [True, True]
    assert Tombstone.objects.count() == 2
    assert Notification.objects.count() == Contact.objects.present().count() == 0
    assert User.objects.filter(erased_at=None, username="bob_marley").count() == 0
    kept = {"billing_invoice.billed_to", "billing_accountcredit.note"}
    assert places("bob@bobmail|bob.?marley") == kept


@pytest.mark.parametrize(
    ("point", "nth"),
    [
        *((Point.IN_CLAIM, nth) for nth in (1, 2, 3)),
        *((Point.AFTER_CLAIM, nth) for nth in (1, 2, 3)),
        (Point.BEFORE_CALL, 2),
        *((Point.BEFORE_RECORD, nth) for nth in (1, 2)),
        (Point.IN_RECORD, 1),
        (Point.AFTER_RECORD, 4),
    ],
)
def test_killed_anywhere_it_is_finished_by_the_next_run(
    request_: ErasureRequest, sandbox: Sandbox, point: Point, nth: int
) -> None:
    assert killed(point, nth)
    assert execute(request_).endswith(f"Erasure completed: {TOTALS}.\n")
    assert_erased_once(request_, sandbox)
    assert "nothing to do" in execute(request_)


def test_killed_again_and_again_it_ends(request_: ErasureRequest, sandbox: Sandbox) -> None:
    deaths = 0
    while killed(Point.AFTER_CLAIM, 1) or killed(Point.BEFORE_RECORD, 1):
        deaths += 1
        assert deaths < 20
    assert deaths >= 3
    execute(request_)
    assert_erased_once(request_, sandbox)


def test_two_runs_at_once_erase_once(request_: ErasureRequest, sandbox: Sandbox) -> None:
    errors = at_once(*[lambda: execute_erasure_request(request_id=request_.pk)] * 2)
    assert errors == []
    execute(request_)
    assert_erased_once(request_, sandbox)


def test_two_runs_at_once_go_on_with_what_is_left_once(
    request_: ErasureRequest, sandbox: Sandbox
) -> None:
    assert killed(Point.AFTER_CLAIM, 1)
    errors = at_once(*[lambda: execute_erasure_request(request_id=request_.pk)] * 2)
    assert errors == []
    execute(request_)
    assert_erased_once(request_, sandbox)
