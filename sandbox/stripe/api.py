"""What happens around every request to Stripe: the key, the parameters, idempotency."""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, json, request
from stripe._api_version import _ApiVersion

from sandbox.core import Core, Json, current_call
from sandbox.log import Call
from sandbox.stripe.errors import StripeError
from sandbox.stripe.expansion import check_expand, shown
from sandbox.stripe.parameters import Params, check, decode
from sandbox.stripe.state import Account

if TYPE_CHECKING:
    from sandbox.stripe.vendor import Stripe

__all__ = ["Ask", "endpoint", "routes"]


@dataclass(frozen=True)
class Ask:
    """One request that may be executed: known account, valid parameters, lock held."""

    stripe: "Stripe"
    account: Account
    params: Params
    call: Call
    host: str  # http://127.0.0.1:1234, where the hosted pages are

    @property
    def core(self) -> Core:
        return self.stripe.core

    @property
    def now(self) -> int:
        return int(self.core.now())

    def page(self, kind: str, **equal: Any) -> Json:
        """Return a page of the account's objects of a kind that have these values."""
        return self.account.table(kind).page(
            self.params,
            url=self.call.path,
            where=lambda row: all(row[name] == value for name, value in equal.items()),
        )


View = Callable[..., Json]


@dataclass(frozen=True)
class _Endpoint:
    method: str
    rule: str
    kind: str
    shape: type
    view: View


_ENDPOINTS: list[_Endpoint] = []


def endpoint(method: str, rule: str, kind: str, shape: type) -> Callable[[View], View]:
    """Answer ``/v1`` + rule with objects of a kind.

    ``shape`` is the SDK's TypedDict of the valid parameters.
    """

    def register(view: View) -> View:
        _ENDPOINTS.append(_Endpoint(method, rule, kind, shape, view))
        return view

    return register


def routes(stripe: "Stripe", blueprint: Blueprint) -> None:
    """Add every endpoint to the blueprint, and a refusal of every other path."""
    for each in _ENDPOINTS:
        blueprint.add_url_rule(
            f"/v1{each.rule}",
            endpoint=f"{each.method} {each.rule}".replace(".", "_"),
            view_func=_wrapped(stripe, each),
            methods=[each.method],
        )

    def unknown(rest: str = "") -> Response:
        message = (
            f"Unrecognized request URL ({request.method}: {request.path}). Please see "
            "https://stripe.com/docs or we can help at https://support.stripe.com/."
        )
        return _refusal(StripeError(404, "invalid_request_error", message), current_call())

    methods = ["GET", "POST", "DELETE", "PUT", "PATCH"]
    blueprint.add_url_rule("/v1/<path:rest>", "unknown", unknown, methods=methods)


def _wrapped(stripe: "Stripe", point: _Endpoint) -> Callable[..., Response]:
    def answer(**ids: str) -> Response:
        call = current_call()
        try:
            account = _authenticate(stripe, call)
            call.idempotency_key = request.headers.get("Idempotency-Key", "")
            pairs = request.form if request.method == "POST" else request.args
            tree = decode(pairs.items(multi=True))
            params = check(tree, point.shape)
            listed = "ListParams" in point.shape.__name__
            check_expand(point.kind, params.get("expand", ()), listed=listed)
            asked = Ask(stripe, account, params, call, request.host_url.rstrip("/"))
            keyed = bool(call.idempotency_key) and request.method == "POST"
            if not keyed:
                stripe.core.during(call)
                status, body, headers = _execute(point.view, asked, ids)
                return _response(status, body, call, headers)
            return _idempotently(point, asked, ids, tree)
        except StripeError as error:
            return _refusal(error, call)

    return answer


def _idempotently(point: _Endpoint, asked: Ask, ids: dict[str, str], tree: Json) -> Response:
    call, keys, core = asked.call, asked.stripe.keys, asked.core
    account, key = asked.account.scope, call.idempotency_key
    with core.lock:
        stored = keys.begin(
            account,
            key,
            request=(call.method, call.path, tree),
            request_id=_request_id(call),
            now=core.now(),
        )
    if stored:
        assert stored.status is not None
        call.replayed = True
        headers = {"Idempotent-Replayed": "true", "Original-Request": stored.request_id}
        return _response(stored.status, stored.body, call, headers)
    kept = False
    try:
        core.during(call)
        with core.lock:
            status, body, headers = _execute(point.view, asked, ids)
            told = call.told("error_after")
            if told is not None and told.get("stored", told.get("status", 500) == 500):
                status, body = 500, _unknown_error()
            keys.store(account, key, status=status, body=body)
            kept = True
    finally:
        if not kept:
            with core.lock:
                keys.forget(account, key)
    return _response(status, body, call, headers)


def _execute(view: View, asked: Ask, ids: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
    """Do it. Only what was executed is returned, a decline too; the rest is raised."""
    expand = asked.params.pop("expand", ())
    with asked.core.lock:
        try:
            row = view(asked, **ids)
            return 200, _encode(shown(asked.account, row, expand)), {}
        except StripeError as error:
            if not error.executed:
                raise
            body = {"error": error.error}
            return error.status, _encode(body), error.headers


def _authenticate(stripe: "Stripe", call: Call) -> Account:
    key = _secret_key(request.headers.get("Authorization", ""))
    if not key:
        message = (
            "You did not provide an API key. You need to provide your API key in the "
            "Authorization header, using Bearer auth (e.g. 'Authorization: Bearer "
            "YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for details."
        )
        raise StripeError(401, "invalid_request_error", message)
    shown = re.sub(r"(?<=^.{7}).*(?=.{4}$)", "*" * 8, key)
    account = stripe.accounts.get(key)
    if account is None:
        call.account = "unknown"
        raise StripeError(401, "invalid_request_error", f"Invalid API Key provided: {shown}")
    call.account = account.id
    if account.revoked:
        message = f"Expired API Key provided: {shown}"
        raise StripeError(401, "invalid_request_error", message, code="api_key_expired")
    if account.restricted:
        message = (
            f"The provided key '{shown}' does not have the required permissions for this "
            f"endpoint on account '{account.id}'."
        )
        raise StripeError(
            403, "invalid_request_error", message, code="more_permissions_required"
        )
    return account


def _secret_key(header: str) -> str:
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


def _request_id(call: Call) -> str:
    return f"req_sandbox{call.number}"


def _encode(body: Json) -> bytes:
    return json.dumps(body, sort_keys=False).encode()


def _unknown_error() -> bytes:
    message = "An unknown error occurred"
    return _encode({"error": {"message": message, "type": "api_error"}})


def _refusal(error: StripeError, call: Call) -> Response:
    return _response(error.status, _encode({"error": error.error}), call, error.headers)


def _response(
    status: int, body: bytes, call: Call, headers: dict[str, str] | None = None
) -> Response:
    response = Response(body, status, headers, content_type="application/json")
    response.headers["Request-Id"] = _request_id(call)
    response.headers["Stripe-Version"] = request.headers.get(
        "Stripe-Version", _ApiVersion.CURRENT
    )
    if call.idempotency_key:
        response.headers["Idempotency-Key"] = call.idempotency_key
    return response
