"""From alerts to messages: one for each channel and look, and nothing told twice."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Max, Q

from apps.monitoring import words
from apps.monitoring.models import Alert, Delivery
from apps.monitoring.words import News

REMIND = timedelta(days=1)  # of what is still open and acknowledged by nobody
# While it is known that nothing runs, all that comes due is news only once an hour.
GATHER = timedelta(hours=1)

_CAUSES = (Alert.Kind.NO_CLUSTER, Alert.Kind.STUCK)
_CONSEQUENCES = (Alert.Kind.MISSED, Alert.Kind.LATE)


def tell(recovered: Sequence[Alert], *, now: datetime) -> None:
    """Write down what has to be sent, and on the alerts that it is told.

    To be called in the transaction in which the alerts changed.
    """
    channels = _channels()
    if not channels:
        return
    news = News(
        opened=_news(now),
        reminded=list(
            Alert.objects.worrying().filter(told_at__lte=now - REMIND).order_by("pk")
        ),
        # Also what was over before anybody could be told.
        recovered=[one for one in recovered if one.told_at or one.opened_at == now],
    )
    if not news:
        return
    told = [one.pk for one in (*news.opened, *news.reminded)]
    Alert.objects.filter(pk__in=told).update(told_at=now)
    letter = words.letter_of(news)
    bodies = {
        Delivery.Channel.EMAIL: letter.body,
        Delivery.Channel.WEBHOOK: json.dumps(payload_of(news, now=now), ensure_ascii=False),
    }
    for channel in channels:
        Delivery.objects.create(
            channel=channel,
            subject=letter.subject[:200],
            body=bodies[channel],
            made_at=now,
            due_at=now,
        )


def payload_of(news: News, *, now: datetime) -> dict[str, Any]:
    """Return what a webhook is told; its fields are a contract (docs/monitoring.md)."""
    return {
        "type": "alerts.changed",
        "timestamp": now.isoformat(),
        "data": {
            "summary": words.subject_of(news),
            "opened": list(map(_fields, words.worst_first(news.opened))),
            "reminded": list(map(_fields, words.worst_first(news.reminded))),
            "recovered": list(map(_fields, words.worst_first(news.recovered))),
        },
    }


def _fields(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.pk,
        "kind": alert.kind,
        "job": alert.job,
        "run": alert.run_number,
        "text": alert.text,
        "times": alert.times,
        "opened_at": alert.opened_at.isoformat(),
        "recovered_at": alert.recovered_at.isoformat() if alert.recovered_at else None,
        "url": words.url_of(alert),
    }


def _channels() -> list[Delivery.Channel]:
    channels = []
    if settings.ALERT_EMAILS:
        channels.append(Delivery.Channel.EMAIL)
    if settings.ALERT_WEBHOOK_URL:
        channels.append(Delivery.Channel.WEBHOOK)
    return channels


def _news(now: datetime) -> list[Alert]:
    """Return what has not been told; mere consequences of what is known wait a while."""
    untold = Alert.objects.still_open().unacknowledged().filter(told_at=None).order_by("pk")
    known = Alert.objects.still_open().filter(kind__in=_CAUSES, told_at__isnull=False)
    if known.exists():
        last = Alert.objects.aggregate(
            at=Max("told_at", filter=Q(kind__in=(*_CAUSES, *_CONSEQUENCES)))
        )["at"]
        if last > now - GATHER:
            untold = untold.exclude(kind__in=_CONSEQUENCES)
    return list(untold)
