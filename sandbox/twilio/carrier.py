"""Twilio as a vendor of the sandbox: what can be set up, what happens, what is remembered."""

import secrets
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode

from flask import Blueprint
from twilio.request_validator import RequestValidator

from sandbox.callbacks import Callback, Signer
from sandbox.core import Core, Json, Vendor
from sandbox.log import Call
from sandbox.misbehaviour import Misbehaviour
from sandbox.twilio.messages import ENDED, MAGIC, Account, Message, Refusal, shown
from sandbox.twilio.routes import make_blueprint

__all__ = ["Twilio"]

_STOPS = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"})
_STARTS = frozenset({"START", "UNSTOP", "YES"})
_LONGEST = 1600  # characters


class Twilio(Vendor):
    """Every account and message.

    A number that says STOP to an account is closed to it until it says START, as on Twilio's
    own long codes; whether anybody hears of it is the application's affair.
    """

    name: ClassVar[str] = "twilio"
    prefixes: ClassVar[tuple[str, ...]] = ("/2010-04-01/",)
    verbs: ClassVar[frozenset[str]] = frozenset(
        {"add_account", "messages", "receive", "set_automatic", "settle"}
    )

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.reset()

    # ---- as every vendor ------------------------------------------------------------------

    def reset(self) -> None:
        with self.core.lock:
            self.automatic = False
            self.accounts: dict[str, Account] = {}
            self.sent: dict[str, Message] = {}

    def load(self, world: Mapping[str, Any], *, now: datetime) -> None:
        self.automatic = bool(world.get("automatic", False))
        for told in world.get("accounts", []):
            self.add_account(**told)

    def state(self) -> Json:
        with self.core.lock:
            return {
                "automatic": self.automatic,
                "accounts": sorted(self.accounts),
                "messages": [shown(message) for message in self.sent.values()],
            }

    def kept(self) -> Json:
        core = self.core
        with core.lock:
            return {
                "automatic": self.automatic,
                "accounts": [
                    {**asdict(one), "inbound_url": core.path_of(one.inbound_url)}
                    for one in self.accounts.values()
                ],
                "messages": [
                    {**asdict(one), "callback": core.path_of(one.callback)}
                    for one in self.sent.values()
                ],
            }

    def recall(self, kept: Json) -> None:
        core = self.core
        with core.lock:
            self.automatic = kept["automatic"]
            for told in kept["accounts"]:
                account = Account(**told)
                account.inbound_url = core.address(account.inbound_url)
                self.accounts[account.sid] = account
            for told in kept["messages"]:
                message = Message(**told)
                message.callback = core.address(message.callback)
                self.sent[message.sid] = message

    def signer(self, id: str) -> Signer:
        """Return what signs a callback; its id is the account and the path it goes to."""
        sid, _, path = id.partition(" ")
        return self._signed(self.accounts[sid], self.core.address(path))

    def blueprint(self) -> Blueprint:
        return make_blueprint(self)

    def tick(self) -> None:
        """Let messages arrive, when nobody wants to decide by hand."""
        if not self.automatic:
            return
        with self.core.lock:
            for message in list(self.sent.values()):
                if not (message.inbound or message.status in ENDED):
                    self.settle(message.sid)

    # ---- what is set up --------------------------------------------------------------------

    def add_account(
        self, sid: str, *, token: str, senders: list[str] | None = None, inbound_url: str = ""
    ) -> None:
        """Add a customer: who may ask, from which senders, and who hears what is answered."""
        with self.core.lock:
            url = self.core.address(inbound_url)
            self.accounts[sid] = Account(sid, token, list(senders or []), url)

    def set_automatic(self, *, on: bool) -> None:
        """Let messages arrive by themselves, or wait for ``settle``."""
        self.automatic = on

    def misbehave(self, kind: str, **how: Any) -> Misbehaviour:
        """Spoil requests; see ``sandbox/misbehaviour.py``. ``decline`` takes Twilio's code."""
        return self.core.misbehaviours.add(kind, vendor=self.name, **how)

    # ---- what is asked for, always under the lock ------------------------------------------

    def account(self, sid: str, user: str | None, password: str | None) -> Account:
        """Return the account that somebody may use."""
        account = self.accounts.get(sid)
        if account is None or user != sid or password != account.token:
            raise Refusal(20003)
        return account

    def create(self, account: Account, asked: Mapping[str, str], call: Call) -> Message:
        """Take a message, or say why not. The same request again is another message."""
        to, body = asked.get("To", ""), asked.get("Body", "")
        sender = asked.get("MessagingServiceSid") or asked.get("From", "")
        if told := call.told("decline"):
            raise Refusal(int(told["code"]))
        if not to:
            raise Refusal(21604)
        if not body:
            raise Refusal(21602)
        if len(body) > _LONGEST:
            raise Refusal(21617)
        if sender not in account.senders:
            raise Refusal(21701 if sender.startswith("MG") else 21606)
        if code := MAGIC.get(to):
            raise Refusal(code)
        if not (to.startswith("+") and to[1:].isdecimal()):
            raise Refusal(21211)
        if to in account.stopped:
            raise Refusal(21610)
        message = self._add(
            account, to=to, sender=sender, body=body, callback=asked.get("StatusCallback", "")
        )
        self.core.log.effect(
            at=self.core.now(),
            vendor=self.name,
            account=account.sid,
            kind="text",
            id=message.sid,
            amount=1,
            currency="",
            metadata={"to": to},
            call=call,
        )
        return message

    def messages(self, account: str = "", to: str = "") -> list[Json]:
        """Return what was sent and received, newest first, as the API's list is."""
        with self.core.lock:
            return [
                shown(one)
                for one in reversed(self.sent.values())
                if account in {"", one.account} and to in {"", one.to}
            ]

    # ---- what happens ----------------------------------------------------------------------

    def settle(self, sid: str, *, status: str = "delivered", code: int | None = None) -> Json:
        """Bring a message to a state (sent, delivered, undelivered, failed), and tell of it."""
        with self.core.lock:
            message = self.sent[sid]
            message.status, message.code = status, code
            told = {"MessageSid": sid, "SmsSid": sid, "AccountSid": message.account}
            told |= {"MessageStatus": status, "SmsStatus": status, "ApiVersion": "2010-04-01"}
            told |= {"To": message.to, "From": message.sender}
            told |= {"ErrorCode": str(code)} if code else {}
            self._tell(message.account, message.callback, told)
            return shown(message)

    def receive(self, sender: str, body: str, *, account: str = "", **more: str) -> Json:
        """Let somebody send a text to an account (the only one), and tell of it.

        ``more`` are further fields, such as ``OptOutType``.
        """
        with self.core.lock:
            whose = self.accounts[account] if account else next(iter(self.accounts.values()))
            word = body.strip().upper()
            if word in _STOPS and sender not in whose.stopped:
                whose.stopped.append(sender)
            if word in _STARTS and sender in whose.stopped:
                whose.stopped.remove(sender)
            message = self._add(
                whose, to=next(iter(whose.senders), ""), sender=sender, body=body, inbound=True
            )
            message.status = "received"
            told = {"MessageSid": message.sid, "SmsSid": message.sid, "AccountSid": whose.sid}
            told |= {"From": sender, "To": message.to, "Body": body, "NumMedia": "0"}
            self._tell(whose.sid, whose.inbound_url, {**told, "SmsStatus": "received", **more})
            return shown(message)

    # ---- inside ------------------------------------------------------------------------------

    def _add(self, account: Account, **facts: Any) -> Message:
        sid = f"SM{secrets.token_hex(16)}"
        message = Message(sid=sid, account=account.sid, created=self.core.now(), **facts)
        self.sent[sid] = message
        return message

    def _tell(self, sid: str, url: str, told: Mapping[str, str]) -> None:
        self.core.touched.set()
        if url:
            self.core.callbacks.send(
                Callback(
                    vendor=self.name,
                    id=f"{sid} {self.core.path_of(url)}",
                    url=url,
                    body=urlencode(told).encode(),
                    headers=self._signed(self.accounts[sid], url),
                )
            )

    def _signed(self, account: Account, url: str) -> Signer:
        def sign(body: bytes) -> Mapping[str, str]:
            fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
            signature = RequestValidator(account.token).compute_signature(url, fields)
            return {
                "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
                "X-Twilio-Signature": signature,
            }

        return sign
