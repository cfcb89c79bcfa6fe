"""The page behind a checkout session: a choice of test cards, and a button."""

from typing import TYPE_CHECKING

from flask import Blueprint, abort, redirect, render_template_string, request
from werkzeug.wrappers import Response

from sandbox.core import Json, current_call
from sandbox.stripe import cards
from sandbox.stripe.charging import Charging
from sandbox.stripe.checkout import complete, return_address
from sandbox.stripe.errors import StripeError
from sandbox.stripe.state import Account

if TYPE_CHECKING:
    from sandbox.stripe.vendor import Stripe

__all__ = ["add_page"]

OFFERED = {
    "pm_card_visa": "Visa … 4242, succeeds",
    "pm_card_mastercard": "Mastercard … 4444, succeeds",
    "pm_card_threeDSecure2Required": "Visa … 3220, wants authentication later",
    "pm_card_chargeCustomerFail": "Visa … 0341, can be stored but declines",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "Visa … 9995, insufficient funds",
    "pm_card_visa_chargeDeclinedStolenCard": "Visa … 9979, stolen",
    "pm_usBankAccount_success": "Bank account … 6789, takes days",
}
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Stripe (sandbox)</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 26rem;
         padding: 0 1rem; color: #222; }
  h1 { font-size: 1.1rem; color: #4b45c6; }
  .amount { font-size: 2rem; margin: .5rem 0; }
  .declined { color: #b00020; }
  label { display: block; padding: .3rem 0; }
  button { font: inherit; margin: 1rem 1rem 0 0; padding: .5rem 1.5rem; border: 0;
           border-radius: .3rem; background: #635bff; color: #fff; }
</style>
<h1>Stripe &mdash; sandbox, no real money</h1>
<p class="amount">{{ title }}</p>
{% if declined %}<p class="declined" role="alert">{{ declined }}</p>{% endif %}
{% if session.status == "open" %}
<form method="post">
  {% for token, said in offered.items() %}
  <label><input type="radio" name="card" value="{{ token }}" {{ "checked" if loop.first }}>
    {{ said }}</label>
  {% endfor %}
  <button>{{ "Pay" if session.mode == "payment" else "Save card" }}</button>
  {% if session.cancel_url %}<a href="{{ session.cancel_url }}">Back</a>{% endif %}
</form>
{% else %}
<p>This page is {{ session.status }}.</p>
{% endif %}
</html>
"""


def add_page(stripe: "Stripe", blueprint: Blueprint) -> None:
    """Add the page's routes."""

    def found(id: str) -> tuple[Account, Json]:
        try:
            return stripe.accounts.owner("checkout.session", id)
        except LookupError:
            abort(404)

    def shown(session: Json, declined: str = "") -> str:
        paying = session["mode"] == "payment"
        amount = (
            f"{session['amount_total']} {(session['currency'] or '').upper()} (minor units)"
        )
        return render_template_string(
            PAGE,
            session=session,
            title=amount if paying else "Store a card",
            offered=OFFERED,
            declined=declined,
        )

    @blueprint.get("/c/pay/<id>")
    def show(id: str) -> str:
        with stripe.core.lock:
            return shown(found(id)[1])

    @blueprint.post("/c/pay/<id>")
    def pay(id: str) -> Response | tuple[str, int]:
        token, call = request.form.get("card", ""), current_call()
        with stripe.core.lock:
            account, session = found(id)
            call.account = account.id
            if token not in cards.TOKENS or session["status"] != "open":
                return shown(session), 400
            data = stripe.checkouts.get(id, {})
            try:
                complete(Charging(stripe.core, account, call), session, token=token, data=data)
            except StripeError as error:
                return shown(session, error.error["message"]), 402
            return redirect(return_address(session), 303)
