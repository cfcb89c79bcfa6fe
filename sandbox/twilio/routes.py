"""Twilio's HTTP: make a message, list, read one (https://www.twilio.com/docs/messaging/api)."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Blueprint, Response, json, request

from sandbox.core import Json, current_call
from sandbox.twilio.messages import Account, Refusal, shown

if TYPE_CHECKING:
    from sandbox.twilio.carrier import Twilio

__all__ = ["make_blueprint"]

API = "/2010-04-01/Accounts/<sid>"


def make_blueprint(carrier: "Twilio") -> Blueprint:
    """Return the routes."""
    routes = Blueprint("twilio", __name__)

    @routes.errorhandler(Refusal)
    def refused(refusal: Refusal) -> Response:
        told = {"code": refusal.code, "message": refusal.words, "status": refusal.status}
        about = f"https://www.twilio.com/docs/errors/{refusal.code}"
        return _answer(refusal.status, {**told, "more_info": about})

    @routes.post(f"{API}/Messages.json")
    def create(sid: str) -> Response:
        def act(account: Account) -> tuple[int, Json]:
            asked = request.form.to_dict()
            return 201, shown(carrier.create(account, asked, current_call()))

        return _do(carrier, sid, act)

    @routes.get(f"{API}/Messages.json")
    def listed(sid: str) -> Response:
        def act(account: Account) -> tuple[int, Json]:
            found = carrier.messages(account.sid, request.args.get("To", ""))
            size = request.args.get("PageSize", 50, type=int)
            page = {"messages": found[:size], "page": 0, "page_size": size}
            return 200, {**page, "next_page_uri": None, "uri": request.path}

        return _do(carrier, sid, act)

    @routes.get(f"{API}/Messages/<message>.json")
    def one(sid: str, message: str) -> Response:
        def act(account: Account) -> tuple[int, Json]:
            found = carrier.sent.get(message)
            if found is None or found.account != account.sid:
                raise Refusal(20404)
            return 200, shown(found)

        return _do(carrier, sid, act)

    return routes


def _do(carrier: "Twilio", sid: str, act: Callable[[Account], tuple[int, Json]]) -> Response:
    """Do something for whoever's account it is."""
    call, asker = current_call(), request.authorization
    call.account = sid
    carrier.core.during(call)
    with carrier.core.lock:
        user, password = (asker.username, asker.password) if asker else (None, None)
        return _answer(*act(carrier.account(sid, user, password)))


def _answer(status: int, told: Json) -> Response:
    return Response(json.dumps(told), status, content_type="application/json")
