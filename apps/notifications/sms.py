"""SMS: how a text is written, from whom it comes, and how the carrier's answers are read."""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse

from apps.core.problems import Problem
from apps.integrations.sms import (
    AccountDown,
    Later,
    NotTaken,
    Text,
    Texts,
    Unknown,
    get_texts,
    segments,
)
from apps.notifications.sending import ChannelDown, Letter, Refused
from apps.webhooks.models import GatewayAccount
from apps.webhooks.services import accounts_by_firm, find_account

PROVIDER = GatewayAccount.Provider.TWILIO
REFERENCE = "delivery"  # in the address of a callback: which message it is about


def firms_with_sms(firm_ids: Iterable[int]) -> set[int]:
    """Return which firms have an account that text messages can be sent from."""
    return set(accounts_by_firm(provider=PROVIDER, firm_ids=firm_ids))


@dataclass(frozen=True, slots=True)
class _Addressed:
    """A text, and the firm from whose account it goes."""

    firm_id: int
    text: Text


class SmsSender:
    """Sends from each firm's own account, which is opened with its first message."""

    def __init__(self) -> None:
        self._accounts: dict[int, GatewayAccount | None] = {}
        self._open: dict[int, Texts] = {}

    def compose(self, letter: Letter) -> _Addressed:
        """Return a text that says whose it is and how to end such messages."""
        firm = letter.firm
        account = self._account(firm.pk)
        if account is None or letter.from_platform:
            raise Problem("no account for text messages")
        said = letter.words.short or letter.words.subject
        body = f"{firm.name}: {said.strip()}\nReply STOP to end."
        if (count := segments(body)) > settings.SMS_SEGMENTS:
            raise Problem(f"too long for an SMS ({count} segments)")
        path = reverse("webhooks:twilio", args=[account.key])
        about = urlencode({REFERENCE: letter.reference})
        callback = f"{settings.SITE_URL}{path}?{about}"
        return _Addressed(firm.pk, Text(letter.address, body, callback))

    def send(self, message: _Addressed) -> str:
        """Hand one text to the carrier. What may have been sent is never sent again."""
        firm_id = message.firm_id
        try:
            return self._texts(firm_id).send(message.text)
        except AccountDown as down:
            raise ChannelDown(str(down), firm_id=firm_id) from None
        except NotTaken as no:
            how = {"bounced": no.bad_number, "opted_out": no.opted_out}
            raise Refused(str(no), final=True, **how) from None
        except Later as later:
            raise Refused(str(later)) from None
        except Unknown as unknown:
            raise Refused(str(unknown), final=True, broken=True) from None

    def close(self) -> None:
        """Give every connection back."""
        for texts in self._open.values():
            texts.close()
        self._open.clear()

    def _account(self, firm_id: int) -> GatewayAccount | None:
        if firm_id not in self._accounts:
            self._accounts[firm_id] = find_account(firm_id=firm_id, provider=PROVIDER)
        return self._accounts[firm_id]

    def _texts(self, firm_id: int) -> Texts:
        if firm_id not in self._open:
            account = self._account(firm_id)
            assert account is not None  # or it could not have been composed
            self._open[firm_id] = get_texts(**account.credentials)
        return self._open[firm_id]
