"""What a bank's no means."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from apps.billing.models import PaymentAttempt
from apps.billing.services.declines import HARD, classify, ending, next_attempt_at
from apps.integrations.payments import Decline

F = PaymentAttempt.FailureClass


@pytest.mark.parametrize("code", sorted(HARD))
def test_a_dead_card_is_never_tried_again(code: str) -> None:
    assert classify(Decline(code)) == F.HARD


@pytest.mark.parametrize(
    "code",
    ["do_not_honor", "generic_decline", "insufficient_funds", "issuer_not_available",
     "processing_error", "try_again_later", "a_code_of_next_year"],
)  # fmt: skip
def test_anything_else_may_be_tried_again(code: str) -> None:
    assert classify(Decline(code, "try_again_later")) == F.SOFT


def test_the_banks_advice_not_to_try_again_is_taken() -> None:
    assert classify(Decline("fraudulent", "do_not_try_again")) == F.HARD


def test_an_authentication_is_the_customers_to_give() -> None:
    assert classify(Decline("authentication_required")) == F.AUTHENTICATION


@pytest.mark.parametrize(
    ("failures", "next_day"),
    [(1, "2025-01-13 03:00"), (2, "2025-01-17 03:00"), (3, "2025-01-24 03:00"), (4, "")],
)
def test_the_next_attempt_is_3_7_or_14_days_later(failures: int, next_day: str) -> None:
    zone = ZoneInfo("America/New_York")
    failed_at = datetime(2025, 1, 10, 3, 0, 41, tzinfo=zone)
    at = next_attempt_at(failures=failures, failed_at=failed_at, zone_name=zone.key)
    assert (f"{at.astimezone(zone):%Y-%m-%d %H:%M}" if at else "") == next_day


@pytest.mark.parametrize(
    ("zone", "failed", "next_local", "next_utc"),
    [
        # Spring: the clock goes forward between the attempts; the wall time stays.
        ("America/New_York", "2025-03-07 03:00", "2025-03-10 03:00", "2025-03-10 07:00"),
        # The wall time does not exist that day: the first instant after it.
        ("America/New_York", "2025-03-06 02:30", "2025-03-09 03:00", "2025-03-09 07:00"),
        # Autumn: the hour happens twice; the first one counts.
        ("Europe/London", "2025-10-23 01:30", "2025-10-26 01:30", "2025-10-26 00:30"),
    ],
)
def test_the_local_wall_time_stays_when_the_clocks_change(
    zone: str, failed: str, next_local: str, next_utc: str
) -> None:
    here = ZoneInfo(zone)
    at = next_attempt_at(
        failures=1,
        failed_at=datetime.fromisoformat(failed).replace(tzinfo=here),
        zone_name=zone,
    )
    assert at is not None
    assert f"{at.astimezone(here):%Y-%m-%d %H:%M}" == next_local
    assert f"{at:%Y-%m-%d %H:%M}" == next_utc


@pytest.mark.parametrize(
    ("failure", "failures", "words"),
    [
        (F.SOFT, 1, "will retry in 3 days"),
        (F.SOFT, 2, "will retry in 7 days"),
        (F.SOFT, 3, "will retry in 14 days"),
        (F.SOFT, 4, "no retries left; manual intervention required"),
        (F.HARD, 0, "card cannot be retried; customer must update payment method"),
        (F.AUTHENTICATION, 0, "customer authentication required"),
    ],
)
def test_the_brackets_say_what_follows(failure: F, failures: int, words: str) -> None:
    assert ending(failure, failures=failures) == words
