"""Accounts, messages, and what Twilio says of them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime

from sandbox.core import Json

__all__ = ["ENDED", "MAGIC", "Account", "Message", "Refusal", "shown"]

ENDED = frozenset({"delivered", "undelivered", "failed"})

# https://www.twilio.com/docs/iam/test-credentials: numbers that always come to an error.
MAGIC = {
    "+15005550001": 21211,
    "+15005550002": 21612,
    "+15005550003": 21408,
    "+15005550004": 21610,
    "+15005550009": 21614,
}

# https://www.twilio.com/docs/api/errors
WORDS = {
    20003: (401, "Authenticate"),
    20404: (404, "The requested resource was not found"),
    20429: (429, "Too Many Requests"),
    21211: (400, "The 'To' number is not a valid phone number."),
    21212: (400, "The 'From' number is not a valid phone number, shortcode, or sender ID."),
    21408: (400, "Permission to send an SMS has not been enabled for this region."),
    21602: (400, "Message body is required."),
    21604: (400, "A 'To' phone number is required."),
    21606: (400, "The 'From' phone number is not a valid, message-capable Twilio number."),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    21611: (429, "This 'From' number has exceeded the maximum number of queued messages"),
    21612: (400, "Message cannot be sent with the current combination of 'To' and 'From'."),
    21614: (400, "'To' number is not a valid mobile number"),
    21617: (400, "The concatenated message body exceeds the 1600 character limit"),
    21701: (404, "The messaging service was not found."),
}


class Refusal(Exception):  # noqa: N818 - read aloud: Twilio's refusal
    """A request that Twilio will not do."""

    def __init__(self, code: int, status: int = 0) -> None:
        known, self.words = WORDS.get(code, (400, "Bad request"))
        super().__init__(self.words)
        self.code, self.status = code, status or known


@dataclass
class Account:
    """A customer of Twilio's."""

    sid: str
    token: str
    senders: list[str] = field(default_factory=list)  # numbers, and messaging services
    inbound_url: str = ""
    stopped: list[str] = field(default_factory=list)  # numbers that said STOP to it


@dataclass
class Message:
    """A text message, in either direction."""

    sid: str
    account: str
    to: str
    sender: str
    body: str
    created: float
    status: str = "queued"
    callback: str = ""
    code: int | None = None
    inbound: bool = False


def shown(message: Message) -> Json:
    """Return a message as the API shows it."""
    created = format_datetime(datetime.fromtimestamp(message.created, UTC), usegmt=False)
    service = message.sender.startswith("MG")
    place = f"/2010-04-01/Accounts/{message.account}/Messages/{message.sid}"
    return {
        "account_sid": message.account,
        "api_version": "2010-04-01",
        "body": message.body,
        "date_created": created,
        "date_sent": None if message.status == "queued" else created,
        "date_updated": created,
        "direction": "inbound" if message.inbound else "outbound-api",
        "error_code": message.code,
        "error_message": WORDS[message.code][1] if message.code in WORDS else None,
        "from": None if service else message.sender,
        "messaging_service_sid": message.sender if service else None,
        "num_media": "0",
        "num_segments": "1",
        "price": None,
        "price_unit": "USD",
        "sid": message.sid,
        "status": message.status,
        "subresource_uris": {"media": f"{place}/Media.json"},
        "to": message.to,
        "uri": f"{place}.json",
    }
