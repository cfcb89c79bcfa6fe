"""Stripe's errors, in Stripe's words."""

from typing import Any

__all__ = [
    "StripeError",
    "invalid",
    "missing_object",
    "unexpected_state",
]

DOCS = "https://stripe.com/docs/error-codes/"


class StripeError(Exception):
    """An answer other than 200. ``executed`` ones are stored under the idempotency key."""

    def __init__(
        self,
        status: int,
        type: str,
        message: str,
        *,
        code: str = "",
        param: str = "",
        executed: bool = False,
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.executed = executed
        self.headers = headers or {}
        self.error: dict[str, Any] = {"message": message, "type": type, **extra}
        if code:
            self.error |= {"code": code, "doc_url": DOCS + code.replace("_", "-")}
        if param:
            self.error["param"] = param


def invalid(message: str, *, param: str = "", code: str = "") -> StripeError:
    """Return the refusal of a request that makes no sense."""
    return StripeError(400, "invalid_request_error", message, param=param, code=code)


def missing_object(kind: str, id: str, *, param: str = "id", status: int = 400) -> StripeError:
    """Return the refusal of an id that this account does not have; 404 if it is the path's."""
    message = f"No such {kind}: '{id}'"
    error = "invalid_request_error"
    return StripeError(status, error, message, param=param, code="resource_missing")


def unexpected_state(kind: str, message: str, **extra: Any) -> StripeError:
    """Return the refusal of something that cannot be done to an object as it stands."""
    code = f"{kind}_unexpected_state"
    return StripeError(400, "invalid_request_error", message, code=code, executed=True, **extra)
