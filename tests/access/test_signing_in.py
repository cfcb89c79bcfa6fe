"""Whoever guesses passwords …"""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from axes.models import AccessAttempt
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from tests.factories import PASSWORD, MembershipFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 6, 10, 9, 0, tzinfo=UTC)
DOORS = ["admin:login", "subscriptions:sign-in"]


@pytest.fixture(autouse=True)
def ada() -> None:
    MembershipFactory(user__username="ada")


@pytest.fixture
def clock() -> Any:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


def guess(name: str = "ada", password: str = "a guess", door: str = DOORS[0], **of: Any) -> Any:
    return Client().post(reverse(door), {"username": name, "password": password}, **of)


@pytest.mark.parametrize("door", DOORS)
def test_is_locked_out_after_five_and_told_when_to_come_back(door: str, clock: Any) -> None:
    assert [guess(door=door).status_code for _ in range(5)] == [200, 200, 200, 200, 429]
    clock.shift(timedelta(minutes=5, seconds=30))
    answer = guess(password=PASSWORD, door=door)
    assert answer.status_code == 429
    assert "Nobody was signed in: try again in 10 minutes." in answer.content.decode()
    assert answer["Retry-After"] == "570"
    clock.shift(timedelta(minutes=9, seconds=31))  # trying meanwhile made it no longer
    assert guess(password=PASSWORD, door=door).status_code == 302
    assert not AccessAttempt.objects.exists()


def test_learns_nothing_about_who_there_is(clock: Any) -> None:
    def seen(name: str) -> list[tuple[int, str]]:
        answers = [guess(name) for _ in range(6)]
        return [
            (one.status_code, one.content.decode().replace(name, "").split("<main")[-1][-900:])
            for one in answers
            if one.status_code == 429
        ]

    assert seen("ada") == seen("nobody-at-all") != []


def test_keeps_nobody_out_who_signs_in_elsewhere(settings: Settings, clock: Any) -> None:
    settings.TRUSTED_PROXIES = 1
    for _ in range(5):
        guess(HTTP_X_FORWARDED_FOR="10.9.9.9, 203.0.113.7")
    refused = guess(password=PASSWORD, HTTP_X_FORWARDED_FOR="10.1.1.1, 203.0.113.7")
    let_in = guess(password=PASSWORD, HTTP_X_FORWARDED_FOR="203.0.113.7, 203.0.113.8")
    assert (refused.status_code, let_in.status_code) == (429, 302)


def test_is_let_in_by_an_operator(clock: Any) -> None:
    for _ in range(5):
        guess()
    call_command("axes_reset_username", "ada")
    assert guess(password=PASSWORD).status_code == 302


def test_leaves_no_password_and_no_name_in_logs(
    caplog: pytest.LogCaptureFixture, clock: Any
) -> None:
    with caplog.at_level(logging.INFO):
        for _ in range(6):
            guess(password="a-guess-of-mine")
    kept = AccessAttempt.objects.get()
    assert "a-guess-of-mine" not in caplog.text + kept.post_data + kept.get_data
    assert '"ada"' not in caplog.text
