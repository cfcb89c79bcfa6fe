"""Act on what mail servers report: give up an address, write down that a message is lost."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from apps.core.days import Clock
from apps.notifications import channels
from apps.notifications.models import Channel, Delivery, Suppression
from apps.notifications.reports import Kind, Report, read_report, read_unsubscribing
from apps.notifications.services.letters import find_by_reference
from apps.notifications.services.results import follow
from apps.notifications.services.wishes import prefer, read_unsubscribe_token, suppress
from apps.webhooks.models import WebhookEvent

_CLOSES = {
    Kind.GONE: Suppression.Reason.HARD_BOUNCE,
    Kind.COMPLAINT: Suppression.Reason.COMPLAINT,
}
_WORDS = {Kind.GONE: "bounced", Kind.FAILED: "bounced", Kind.COMPLAINT: "complaint"}


class MailReports:
    """Acts on mail that came back: bounces, complaints, and mails that say *unsubscribe*."""

    def prepare(self, events: Sequence[WebhookEvent]) -> Mapping[int, Callable[[], None]]:
        """Nothing has to be asked: a report tells all there is."""
        return {event.pk: lambda: None for event in events}

    def apply(self, event: WebhookEvent, fetched: Any, *, clock: Clock) -> bool:
        """Do what a mail asks for; False when it is about nothing of ours."""
        raw = bytes(event.raw_body)
        if token := read_unsubscribing(raw):
            return _unsubscribe(token, event)
        report = read_report(raw)
        return report is not None and _act(report, event, clock)


def _unsubscribe(token: str, event: WebhookEvent) -> bool:
    asked = read_unsubscribe_token(token)
    if asked is None or event.firm_id not in {None, asked.firm.pk}:
        return False
    prefer(
        firm_id=asked.firm.pk,
        recipient_key=asked.recipient_key,
        channel=Channel.EMAIL,
        category=asked.category,
        wanted=False,
    )
    return True


def _act(report: Report, event: WebhookEvent, clock: Clock) -> bool:
    """Believe a report about a message that only its recipient and their server have seen.

    Its name holds the microsecond it was made in. The address is closed only while it is
    still the recipient's: nobody closes another's by a report of their own.
    """
    delivery = find_by_reference(report.reference, Channel.EMAIL, firm_id=event.firm_id)
    if delivery is None:
        return False
    if report.kind in {Kind.GONE, Kind.FAILED}:
        lost = Delivery.objects.filter(pk=delivery.pk) | Delivery.objects.filter(
            carried_by=delivery.pk
        )
        reason = f"{_WORDS[report.kind]} {report.code}".strip()
        lost.filter(status=Delivery.Status.SENT).update(
            status=Delivery.Status.FAILED, reason=reason, updated_at=clock.now
        )
        follow(list(lost.values_list("notification_id", flat=True)), clock.now)
    address = channels.address(delivery.notification.recipient, Channel.EMAIL)
    if report.kind in _CLOSES and address and address.lower() == report.address:
        suppress(
            firm_id=delivery.firm_id,
            channel=Channel.EMAIL,
            address=address,
            reason=_CLOSES[report.kind],
        )
    return True
