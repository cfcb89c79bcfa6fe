"""How cards behave: Stripe's test tokens, and the declines of banks.

A behaviour is ``succeeds``, ``processing`` (a bank debit, settled later),
``authentication_required`` or a decline code; a list of them is played one charge after the
other, the last one for ever.
"""

from dataclasses import dataclass, field

__all__ = ["TOKENS", "Behaviour", "Decline", "Instrument", "behaviours", "decline"]

Behaviour = str | list[str]

# decline code → the error's code when it is not "card_declined"
_CODES = {
    "authentication_required": "authentication_required",
    "expired_card": "expired_card",
    "incorrect_cvc": "incorrect_cvc",
    "incorrect_number": "incorrect_number",
    "incorrect_zip": "incorrect_zip",
    "invalid_expiry_month": "invalid_expiry_month",
    "invalid_expiry_year": "invalid_expiry_year",
    "processing_error": "processing_error",
}
_NEVER = "do_not_try_again"
_LATER = "try_again_later"
_CHECK = "confirm_card_data"
# docs.stripe.com/declines/codes, with the advice that test cards give
_ADVICE = {
    "approve_with_id": _LATER,
    "authentication_required": "",
    "call_issuer": "",
    "card_not_supported": _NEVER,
    "card_velocity_exceeded": _LATER,
    "currency_not_supported": "",
    "do_not_honor": _LATER,
    "do_not_try_again": _NEVER,
    "duplicate_transaction": "",
    "expired_card": _CHECK,
    "fraudulent": _NEVER,
    "generic_decline": _LATER,
    "highest_risk_level": _NEVER,
    "incorrect_cvc": _CHECK,
    "incorrect_number": _CHECK,
    "incorrect_zip": _CHECK,
    "insufficient_funds": _LATER,
    "invalid_account": _NEVER,
    "invalid_expiry_month": _CHECK,
    "invalid_expiry_year": _CHECK,
    "issuer_not_available": _LATER,
    "lost_card": _NEVER,
    "merchant_blacklist": _NEVER,
    "new_account_information_available": "",
    "no_action_taken": "",
    "not_permitted": "",
    "pickup_card": _NEVER,
    "processing_error": _LATER,
    "reenter_transaction": _LATER,
    "restricted_card": _NEVER,
    "revocation_of_all_authorizations": _NEVER,
    "revocation_of_authorization": _NEVER,
    "service_not_allowed": "",
    "stolen_card": _NEVER,
    "stop_payment_order": _NEVER,
    "transaction_not_allowed": _NEVER,
    "try_again_later": _LATER,
    "withdrawal_count_limit_exceeded": _LATER,
}
_MESSAGES = {
    "authentication_required": (
        "Your card was declined. This transaction requires authentication."
    ),
    "card_velocity_exceeded": (
        "Your card was declined for making repeated attempts too frequently or exceeding its "
        "amount limit."
    ),
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "incorrect_number": "Your card number is incorrect.",
    "insufficient_funds": "Your card has insufficient funds.",
    "processing_error": (
        "An error occurred while processing your card. Try again in a little bit."
    ),
}


@dataclass(frozen=True)
class Decline:
    """What a bank answers."""

    code: str
    decline_code: str
    advice: str
    message: str


def decline(decline_code: str, *, advice: str | None = None) -> Decline:
    """Return how Stripe tells of a decline; codes it does not know are told like the others."""
    return Decline(
        code=_CODES.get(decline_code, "card_declined"),
        decline_code=decline_code,
        advice=_ADVICE.get(decline_code, "") if advice is None else advice,
        message=_MESSAGES.get(decline_code, "Your card was declined."),
    )


def behaviours(told: Behaviour) -> list[str]:
    """Return a behaviour as a list, if every one in it is one."""
    listed = [told] if isinstance(told, str) else list(told)
    unknown = [each for each in listed if each not in {"succeeds", "processing", *_ADVICE}]
    if unknown or not listed:
        raise ValueError(f"no such behaviour of a card: {', '.join(unknown) or 'none given'}")
    return listed


@dataclass
class Instrument:
    """What is behind a payment method and never shown: how it behaves when charged."""

    behaviour: list[str] = field(default_factory=lambda: ["succeeds"])
    attachable: bool = True
    used: bool = False  # charged without a customer, or detached: of no more use
    settles_after: float | None = None  # seconds until a debit arrives by itself; None: never
    settles_as: str = "succeeds"  # or the decline code with which it comes back

    def next(self) -> str:
        """Return how it behaves now, and turn to the next one."""
        return self.behaviour.pop(0) if len(self.behaviour) > 1 else self.behaviour[0]


@dataclass(frozen=True)
class Token:
    """One of Stripe's ``pm_card_…``: docs.stripe.com/testing."""

    behaviour: str = "succeeds"
    brand: str = "visa"
    last4: str = "4242"
    type: str = "card"
    attachable: bool = True
    settles_as: str = "succeeds"


TOKENS = {
    "pm_card_visa": Token(),
    "pm_card_visa_debit": Token(last4="5556"),
    "pm_card_mastercard": Token(brand="mastercard", last4="4444"),
    "pm_card_amex": Token(brand="amex", last4="8431"),
    "pm_card_discover": Token(brand="discover", last4="1117"),
    "pm_card_jcb": Token(brand="jcb", last4="0505"),
    "pm_card_diners": Token(brand="diners", last4="0004"),
    # These decline at once, so Stripe does not let them be attached to a customer …
    "pm_card_chargeDeclined": Token("generic_decline", last4="0002", attachable=False),
    "pm_card_visa_chargeDeclined": Token("generic_decline", last4="0002", attachable=False),
    "pm_card_visa_chargeDeclinedInsufficientFunds": Token(
        "insufficient_funds", last4="9995", attachable=False
    ),
    "pm_card_visa_chargeDeclinedLostCard": Token("lost_card", last4="9987", attachable=False),
    "pm_card_visa_chargeDeclinedStolenCard": Token(
        "stolen_card", last4="9979", attachable=False
    ),
    "pm_card_visa_chargeDeclinedVelocityLimitExceeded": Token(
        "card_velocity_exceeded", last4="6975", attachable=False
    ),
    "pm_card_chargeDeclinedExpiredCard": Token("expired_card", last4="0069", attachable=False),
    "pm_card_chargeDeclinedIncorrectCvc": Token(
        "incorrect_cvc", last4="0127", attachable=False
    ),
    "pm_card_chargeDeclinedProcessingError": Token(
        "processing_error", last4="0119", attachable=False
    ),
    # … and this one does, and then declines.
    "pm_card_chargeCustomerFail": Token("generic_decline", last4="0341"),
    "pm_card_authenticationRequired": Token("authentication_required", last4="3184"),
    "pm_card_threeDSecure2Required": Token("authentication_required", last4="3220"),
    "pm_usBankAccount_success": Token("processing", last4="6789", type="us_bank_account"),
    "pm_usBankAccount_insufficientFunds": Token(
        "processing", last4="2222", type="us_bank_account", settles_as="insufficient_funds"
    ),
    "pm_usBankAccount_processing": Token("processing", last4="0000", type="us_bank_account"),
}
