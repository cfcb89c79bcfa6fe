"""What people answer to text messages: STOP, START, HELP, and anything else (spec A10.4)."""

from collections.abc import Mapping, Sequence

from apps.audit.services import record
from apps.contacts.models import Contact
from apps.core.days import Clock
from apps.firms.models import Firm
from apps.firms.rights import in_charge
from apps.notifications.messages import TEXT_RECEIVED
from apps.notifications.models import Channel, Suppression
from apps.notifications.services.outbox import Draft, notify
from apps.notifications.services.wishes import address_hashes
from apps.webhooks.models import WebhookEvent

STOPS = frozenset(
    ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "REVOKE"]
)
STARTS = frozenset(["START", "UNSTOP", "YES"])
HELPS = frozenset(["HELP", "INFO"])

_LIFTED = (Suppression.Reason.OPT_OUT, Suppression.Reason.HARD_BOUNCE)


def hear(*, event: WebhookEvent, told: Mapping[str, str], clock: Clock) -> str | None:
    """Act on a text that somebody sent to a firm, in the transaction around, and answer it.

    Where Twilio knows the word by itself (``OptOutType``), it has answered already. A second
    STOP is not acknowledged again. Other texts go to the firm's owners and administrators:
    nobody must write into the void.
    """
    firm, sender = event.firm, told.get("From", "")
    if firm is None or not sender:
        return None
    contacts = list(Contact.objects.for_firm(firm).present().filter(phone=sender))
    word, answered = _word(told), "OptOutType" in told
    words = ""
    if word in STOPS:
        words = _stop(firm, sender, contacts)
    elif word in STARTS:
        words = _start(firm, sender, contacts)
    elif word in HELPS:
        words = _help(firm)
    else:
        _pass_on(firm, sender, contacts, event, told.get("Body", ""))
    return "" if answered else words


def _word(told: Mapping[str, str]) -> str:
    """Return the one word that a message is, in capitals; longer ones are no command."""
    written = told.get("OptOutType") or told.get("Body", "")
    return "".join(filter(str.isalnum, written)).upper()


def _stop(firm: Firm, sender: str, contacts: Sequence[Contact]) -> str:
    _, is_new = Suppression.objects.get_or_create(
        firm=firm,
        channel=Channel.SMS,
        address_hash=address_hashes(firm.pk, sender)[0],
        defaults={"reason": Suppression.Reason.OPT_OUT},
    )
    if not is_new:
        return ""
    for contact in contacts:
        record("sms_stopped", contact, actor=None)
    return f"{firm.name}: you will get no more text messages. Reply START to get them again."


def _start(firm: Firm, sender: str, contacts: Sequence[Contact]) -> str:
    """Lift what STOP did. Who was erased stays so, and without consent nothing is sent."""
    stopped = Suppression.objects.filter(
        firm=firm,
        channel=Channel.SMS,
        address_hash__in=address_hashes(firm.pk, sender),
        reason__in=_LIFTED,
    )
    if not stopped.delete()[0]:
        return ""
    for contact in contacts:
        record("sms_started", contact, actor=None)
    return f"{firm.name}: you will get text messages again. Reply STOP to end."


def _help(firm: Firm) -> str:
    settings = getattr(firm, "settings", None)
    reach = f" Write to {settings.reply_to}." if settings and settings.reply_to else ""
    return f"{firm.name}:{reach} Reply STOP to end text messages."


def _pass_on(
    firm: Firm, sender: str, contacts: Sequence[Contact], event: WebhookEvent, body: str
) -> None:
    names = ", ".join(str(contact) for contact in contacts) or sender
    notify(
        [
            Draft(
                type=TEXT_RECEIVED,
                firm_id=firm.pk,
                recipient=person,
                dedupe_key=f"text-received:{event.event_id}",
                about=contacts[0] if contacts else None,
                context={"from": names, "number": sender, "text": body},
            )
            for person in in_charge([firm.pk]).get(firm.pk, [])
        ]
    )
