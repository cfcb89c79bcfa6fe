"""The bank's page, on which the customer pays with one of the test cards."""

from typing import TYPE_CHECKING

from flask import Blueprint, abort, redirect, render_template_string, request
from werkzeug.wrappers import Response

from sandbox.bog.orders import GOOD, SILENT, TEST_CARDS, Card, Order

if TYPE_CHECKING:
    from sandbox.bog.bank import Bog

__all__ = ["add_page"]

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Bank of Georgia (sandbox)</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 26rem;
         padding: 0 1rem; color: #222; }
  h1 { font-size: 1.1rem; color: #b8450f; }
  .amount { font-size: 2rem; margin: .5rem 0; }
  label { display: block; padding: .3rem 0; }
  button { font: inherit; margin-top: 1rem; padding: .5rem 1.5rem; border: 0;
           border-radius: .3rem; background: #e2530f; color: #fff; }
</style>
<h1>Bank of Georgia &mdash; sandbox, no real money</h1>
<p class="amount">{{ "%.2f"|format(order.amount) }} {{ order.currency }}</p>
<p>{{ order.basket[0].description or order.external_id }}</p>
{% if order.status == "created" %}
<form method="post">
  {% for name, said in cards.items() %}
  <label><input type="radio" name="card" value="{{ name }}" {{ "checked" if loop.first }}>
    {{ said }}</label>
  {% endfor %}
  {% if order.asked_to_save %}
  <p>The card is saved for automatic charges of this amount.</p>
  {% endif %}
  <button>Pay</button>
</form>
{% else %}
<p>This order is {{ order.status }}.</p>
{% endif %}
</html>
"""


def add_page(routes: Blueprint, bank: "Bog") -> None:
    """Add the page's routes."""

    def waiting() -> Order:
        return bank.orders.get(request.args.get("order_id", "")) or abort(404)

    @routes.get("/bog/page")
    def show_page() -> str:
        with bank.core.lock:
            cards = {name: _said(card) for name, card in TEST_CARDS.items()}
            return render_template_string(PAGE, order=waiting(), cards=cards)

    @routes.post("/bog/page")
    def pay_on_page() -> Response:
        with bank.core.lock:
            order = waiting()
            card = request.form.get("card", "")
            if order.status == "created":
                if card not in TEST_CARDS:
                    abort(400)
                bank.pay(order.id, card)
            back = order.fail_url if order.status == "rejected" else order.success_url
            return redirect(back or request.url, 303)


def _said(card: Card) -> str:
    first, later = _end(card.now), _end(card.then)
    return f"{card.mask}: {first}" if first == later else f"{card.mask}: {first}, later {later}"


def _end(end: str) -> str:
    return {GOOD: "pays", SILENT: "is never decided"}.get(end, f"is declined ({end})")
