"""Episodes: each stretch of bad weather is told of once, and once more if it gets worse."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from apps.audit.services import event, record_all
from apps.contacts.models import Contact
from apps.core.reports import Item
from apps.firms.models import Role, User
from apps.firms.rights import in_charge
from apps.leasing.models import Property
from apps.leasing.services.parties import renters_at
from apps.notifications.services import Draft, notify
from apps.weather.messages import URGENT_WEATHER_ALERT, WEATHER_ALERT
from apps.weather.models import PAUSE, WeatherAlert
from apps.weather.services.findings import Finding, WeatherReason
from apps.weather.services.readings import State

Severity = WeatherAlert.Severity

SENT, ACTIVE, CLOSED = "sent", "already active", "closed"  # tallies
ENOUGH = 2  # calm observations in a row, to believe that it is over

Items = Sequence[Item[Finding]]
_COLUMNS = (
    *("severity", "notified_severity", "message_id", "name", "last_seen_at", "observed_at"),
    *("calm_checks", "closed_at", "updated_at"),
)


@dataclass
class _Batch:
    """What a batch of findings changes."""

    now: datetime
    opened: list[WeatherAlert] = field(default_factory=list)
    changed: list[WeatherAlert] = field(default_factory=list)
    told: dict[int, tuple[Item[Finding], WeatherAlert, str]] = field(default_factory=dict)
    trail: list[tuple[str, WeatherAlert]] = field(default_factory=list)

    def tell(self, item: Item[Finding], alert: WeatherAlert, upgraded: str = "") -> None:
        """Note that people are to be told."""
        self.told[id(alert)] = (item, alert, upgraded)


def settle(items: Items, *, now: datetime) -> None:
    """Open, continue and close the episodes of a batch, and put the alerts into the outbox."""
    homes = {item.thing.home.pk for item in items}
    _lock(homes)
    known = _remembered(homes, now)
    batch = _Batch(now)
    for item in items:
        found = item.thing
        alert = known.get((found.home.pk, found.kind, found.key))
        if alert is None:
            _begin(item, batch)
        elif alert.closed_at is None:
            _go_on(item, alert, batch)
        elif found.state is State.HIT:
            words = f"{found.home}: {found.name} again, the last alert has just ended"
            item.skip(WeatherReason.AGAIN_SOON, words)
        else:
            item.skip(WeatherReason.MEANWHILE)
    WeatherAlert.objects.bulk_create(batch.opened)
    WeatherAlert.objects.bulk_update(batch.changed, _COLUMNS)
    record_all(event(f"weather_alert_{what}", alert) for what, alert in batch.trail)
    _announce(batch)


# ---- what changes ---------------------------------------------------------------------------


def _lock(homes: set[int]) -> None:
    """Let another run wait until this batch is committed."""
    rows = Property.objects.filter(pk__in=homes).order_by("pk")
    list(rows.select_for_update(no_key=True).values_list("pk"))


def _remembered(homes: set[int], now: datetime) -> dict[tuple[int, str, str], WeatherAlert]:
    """Return the open episodes of properties, and what closed a moment ago."""
    rows = WeatherAlert.objects.remembered(now=now).filter(property__in=homes)
    found: dict[tuple[int, str, str], WeatherAlert] = {}
    for alert in rows.select_related("property").order_by("pk"):
        key = (alert.property_id, alert.kind, alert.source_key)
        if key not in found or found[key].closed_at is not None:
            found[key] = alert
    return found


def _begin(item: Item[Finding], batch: _Batch) -> None:
    found = item.thing
    if found.state is not State.HIT:
        item.skip(WeatherReason.MEANWHILE)  # closed since we looked
        return
    alert = WeatherAlert(
        firm_id=found.home.firm_id,
        property=found.home,
        kind=found.kind,
        source_key=found.key,
        message_id=found.message_id,
        name=found.name,
        severity=found.severity,
        notified_severity=found.severity,
        opened_at=batch.now,
        last_seen_at=batch.now,
        observed_at=found.at,
    )
    batch.opened.append(alert)
    batch.trail.append(("opened", alert))
    batch.tell(item, alert)


def _go_on(item: Item[Finding], alert: WeatherAlert, batch: _Batch) -> None:
    """Bring an open episode up to date; the same observation counts only once."""
    found = item.thing
    if found.at <= alert.observed_at:
        if found.state is State.HIT:
            item.skip(WeatherReason.ALREADY, _already(found))
            item.tallies = [ACTIVE]
        else:
            item.skip(WeatherReason.ALREADY)
        return
    batch.changed.append(alert)
    alert.observed_at, alert.updated_at = found.at, batch.now
    if found.state is State.HIT:
        _hit(item, alert, batch)
    elif found.state is State.OVER or _is_over(alert, found, batch.now):
        alert.closed_at = batch.now
        batch.trail.append(("closed", alert))
        item.does("close", tally=CLOSED)
        over = f"{found.home}: {alert.name} is over"
        item.says(over, would=f"{over}, would close the alert")
    else:
        item.does("wait for it to be over")


def _hit(item: Item[Finding], alert: WeatherAlert, batch: _Batch) -> None:
    found = item.thing
    alert.last_seen_at, alert.calm_checks = batch.now, 0
    alert.severity, alert.name = found.severity, found.name
    alert.message_id = found.message_id
    if found.severity.rank > Severity(alert.notified_severity).rank:
        alert.notified_severity = found.severity
        batch.trail.append(("upgraded", alert))
        batch.tell(item, alert, upgraded=f"upgraded to {found.severity.label.lower()}, ")
    else:
        item.does("keep open", tally=ACTIVE)
        item.says(_already(found), bullet="-")


def _is_over(alert: WeatherAlert, found: Finding, now: datetime) -> bool:
    """Count how often in a row it was calm; near the limit it may come back at any time."""
    alert.calm_checks = alert.calm_checks + 1 if found.state is State.CALM else 0
    return alert.calm_checks >= ENOUGH and now - alert.last_seen_at >= PAUSE


def _already(found: Finding) -> str:
    return f"{found.home}: {found.name} alert already active"


# ---- told -----------------------------------------------------------------------------------


def _announce(batch: _Batch) -> None:
    """Tell who lives at the properties and who manages them; say how many were."""
    drafts = [draft for one in _recipients(batch) for draft in one]
    reached = Counter[int]()
    for planned in notify(drafts):
        if planned.channels and isinstance(planned.draft.recipient, Contact):
            assert planned.draft.about is not None
            reached[planned.draft.about.pk] += 1
    for item, alert, upgraded in batch.told.values():
        found, count = item.thing, reached[alert.pk]
        tenants = f"{count} tenant{'s' * (count != 1)}"
        item.does(f"{upgraded}alert of {found.words}", tally=SENT)
        item.says(
            f"{found.home}: {found.words} - {upgraded}alerted {tenants}",
            would=f"{found.home}: {found.words} - {upgraded}would alert {tenants}",
            bullet="⚠",
        )


def _recipients(batch: _Batch) -> Iterator[Iterator[Draft]]:
    by_day: dict[date, set[int]] = defaultdict(set)
    for item, alert, _ in batch.told.values():
        by_day[item.thing.today].add(alert.property_id)
    renters: dict[int, list[Contact]] = {}
    for today, homes in by_day.items():
        renters |= renters_at(homes, today=today)
    firms = {alert.firm_id for _, alert, _ in batch.told.values()}
    managers = in_charge(firms, roles=[Role.MANAGER]) if firms else {}
    leaders = in_charge(firms - managers.keys()) if firms - managers.keys() else {}
    for item, alert, upgraded in batch.told.values():
        people: list[Contact | User] = [
            *renters.get(alert.property_id, ()),
            *(managers | leaders).get(alert.firm_id, ()),
        ]
        yield _drafts(people, alert, _context(item.thing, upgraded))


def _context(found: Finding, upgraded: str) -> Mapping[str, Any]:
    return {
        "home": str(found.home),
        "zone": found.home.timezone,
        "kind": found.kind.value,
        "name": found.name,
        "upgraded": bool(upgraded),
        **found.facts,
    }


def _drafts(
    people: Sequence[Contact | User], alert: WeatherAlert, context: Mapping[str, Any]
) -> Iterator[Draft]:
    is_urgent = Severity(alert.severity) != Severity.MODERATE
    for person in people:
        yield Draft(
            type=URGENT_WEATHER_ALERT if is_urgent else WEATHER_ALERT,
            firm_id=alert.firm_id,
            recipient=person,
            dedupe_key=f"weather:{alert.pk}:{alert.severity}",
            about=alert,
            context=context,
        )
