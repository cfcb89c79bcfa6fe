"""The pages behind a link to pay or to store a card: whoever has the link may do just that.

They set no cookie and ask for none, so there is nothing that another site could borrow: to
post here one must know the address, which is all that a CSRF token would prove. Django's own
check cannot be used either: under ``Referrer-Policy: no-referrer`` browsers post with
``Origin: null``, and it refuses that. No card is ever typed here: the gateway's pages ask.
"""

import logging
from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods
from django_ratelimit.core import is_ratelimited

from apps.billing import links
from apps.billing.models import BillingAccount, Invoice
from apps.billing.services import checkout
from apps.billing.services.checkout import Obstacle
from apps.core import money
from apps.core.problems import Problem
from apps.core.visitors import discreet
from apps.firms.models import Firm

logger = logging.getLogger(__name__)

# Requests from one address, as for signing links; a post also costs a call to the gateway.
RATE, POST_RATE = "60/m", "10/m"

EXPLAINED = {
    Obstacle.PAID: "Thank you. Nothing is left to pay.",
    Obstacle.CLOSED: "It was withdrawn or settled in another way. If you were asked to pay "
    "it, please ask {firm} which invoice is meant.",
    Obstacle.DISPUTED: "Nothing is to be paid until that is settled. {firm} will tell you "
    "when it is.",
    Obstacle.UNDER_WAY: "Your stored card is just being charged for this invoice, so that "
    "paying here would pay it twice. If the charge fails, you can pay here afterwards.",
    Obstacle.ODD_AMOUNT: "The card network does not take amounts like this one. Please ask "
    "{firm} how to pay it.",
    Obstacle.OFFLINE: "Please ask {firm} what to do. Nothing has been charged.",
}

View = Callable[[HttpRequest, str], HttpResponse]


def form_targets() -> str:
    """Return where the buttons may lead: browsers hold the redirect behind them to it too.

    The gateway's page may be under a domain of the firm's own; its sandbox is not under https.
    """
    sandbox = settings.STRIPE_API if settings.STRIPE_API.startswith("http://") else ""
    return f"'self' https: {sandbox}".rstrip()


def guarded(*methods: str) -> Callable[[View], Callable[..., HttpResponseBase]]:
    """Make a page discreet, and slow down guessing."""

    def guard(page: View) -> Callable[..., HttpResponseBase]:
        @discreet(form_action=form_targets)
        @csrf_exempt
        @require_http_methods(methods)
        @wraps(page)
        def answer(request: HttpRequest, token: str) -> HttpResponseBase:
            return too_fast(request) if _comes_too_often(request) else page(request, token)

        return answer

    return guard


# ---- paying an invoice --------------------------------------------------------------------


@guarded("GET", "HEAD", "POST")
def pay(request: HttpRequest, token: str) -> HttpResponse:
    """Show an invoice, and lead to the gateway's page on which it is paid."""
    invoice = checkout.find_invoice(links.invoice_of(token))
    if invoice is None:
        return nowhere(request)
    if obstacle := checkout.why_not_payable(invoice):
        return stopped(request, obstacle, invoice.firm, about=str(invoice))
    if request.method == "POST":
        return _leave(
            request,
            invoice.firm,
            lambda: checkout.open_payment_page(
                invoice=invoice, token=token, now=timezone.now()
            ),
        )
    context = {
        "invoice": invoice,
        "balance": money.write_grouped(invoice.balance),
        "lines": _lines(invoice),
        "totals": _totals(invoice),
    }
    return render(request, "billing/pay.html", context)


@guarded("GET", "HEAD")
def thanks(request: HttpRequest, token: str) -> HttpResponse:
    """Thank whoever comes back from the gateway; whether it is paid, the ledger says."""
    invoice = checkout.find_invoice(links.invoice_of(token))
    if invoice is None:
        return nowhere(request)
    return render(
        request,
        "billing/thanks.html",
        {"invoice": invoice, "is_paid": invoice.status == Invoice.Status.PAID},
    )


@guarded("GET", "HEAD")
def cancelled(request: HttpRequest, token: str) -> HttpResponse:
    """Say that nothing was paid, and lead back to the invoice."""
    invoice = checkout.find_invoice(links.invoice_of(token))
    if invoice is None:
        return nowhere(request)
    return render(request, "billing/cancelled.html", {"invoice": invoice, "token": token})


# ---- storing a card -----------------------------------------------------------------------


@guarded("GET", "HEAD", "POST")
def card(request: HttpRequest, token: str) -> HttpResponse:
    """Say what a new card will be charged for, and lead to the page on which it is stored."""
    account = checkout.find_customer(links.account_of(token))
    if account is None:
        return nowhere(request)
    if obstacle := checkout.why_not_online(account.firm):
        return stopped(request, obstacle, account.firm)
    if request.method == "POST":
        return _leave(
            request,
            account.firm,
            lambda: checkout.open_card_page(account=account, token=token, now=timezone.now()),
        )
    waiting = [
        (invoice, money.write_grouped(invoice.balance))
        for invoice in checkout.waiting_for_a_card(account)
    ]
    return render(
        request,
        "billing/card.html",
        {"account": account, "stored": _chargeable(account), "waiting": waiting},
    )


@guarded("GET", "HEAD")
def card_thanks(request: HttpRequest, token: str) -> HttpResponse:
    """Thank whoever comes back from the gateway; the card is known when its event is."""
    account = checkout.find_customer(links.account_of(token))
    if account is None:
        return nowhere(request)
    return render(request, "billing/card_thanks.html", {"account": account})


@guarded("GET", "HEAD")
def card_cancelled(request: HttpRequest, token: str) -> HttpResponse:
    """Say that no card was stored, and lead back."""
    account = checkout.find_customer(links.account_of(token))
    if account is None:
        return nowhere(request)
    return render(request, "billing/card_cancelled.html", {"account": account, "token": token})


# ---- what people see instead --------------------------------------------------------------


def stopped(
    request: HttpRequest, obstacle: Obstacle, firm: Firm, *, about: str = ""
) -> HttpResponse:
    heading, text = str(obstacle.label), EXPLAINED[obstacle].format(firm=firm)
    status = 200 if obstacle == Obstacle.PAID else 409
    return _notice(request, status, heading, text, firm=firm, about=about)


def nowhere(request: HttpRequest) -> HttpResponse:
    return _notice(
        request,
        404,
        "This link leads nowhere",
        "Links like this work for 30 days. It may be too old, or part of the address is "
        "missing. Look for a newer message, or ask the sender for a new link. Nothing has "
        "been charged.",
    )


def unavailable(request: HttpRequest, firm: Firm) -> HttpResponse:
    response = _notice(
        request,
        503,
        "The payment page cannot be opened just now",
        f"Please try again in a few minutes. If it stays like this, please tell {firm}. "
        "Nothing has been charged.",
        firm=firm,
    )
    response["Retry-After"] = "120"
    return response


def too_fast(request: HttpRequest) -> HttpResponse:
    response = _notice(
        request,
        429,
        "Too many requests",
        "Please wait a minute, then open your link again. Nothing has been charged.",
    )
    response["Retry-After"] = "60"
    return response


# ---- inside -------------------------------------------------------------------------------


def _comes_too_often(request: HttpRequest) -> bool:
    often = is_ratelimited(request, group="pay", key="ip", rate=RATE, increment=True)
    if request.method != "POST":
        return bool(often)
    posts = is_ratelimited(request, group="pay-post", key="ip", rate=POST_RATE, increment=True)
    return bool(often or posts)


def _leave(request: HttpRequest, firm: Firm, open_page: Callable[[], str]) -> HttpResponse:
    """Go to the gateway's page, or say that it cannot be opened; nobody has paid by then."""
    try:
        return HttpResponseRedirect(open_page())
    except Problem as problem:
        logger.warning("No page of the gateway for firm %s: %s", firm.pk, problem)
        return unavailable(request, firm)


def _lines(invoice: Invoice) -> list[tuple[str, str]]:
    return [
        (
            line.description,
            money.write_grouped(money.from_minor(line.amount_minor, invoice.currency)),
        )
        for line in invoice.lines.order_by("pk")
    ]


def _totals(invoice: Invoice) -> list[tuple[str, str]]:
    """Return what stands between the lines and what is owed, where there is something."""
    figures = (("Paid so far", invoice.paid_minor), ("Credit", invoice.credited_minor))
    found = [
        (name, money.write_grouped(money.from_minor(-minor, invoice.currency)))
        for name, minor in figures
        if minor
    ]
    return [("Total", money.write_grouped(invoice.total)), *found] if found else []


def _chargeable(account: BillingAccount) -> str:
    card = account.default_payment_method
    return str(card) if card is not None and card.status == card.Status.ACTIVE else ""


def _notice(
    request: HttpRequest,
    status: int,
    heading: str,
    text: str,
    *,
    firm: Firm | None = None,
    about: str = "",
) -> HttpResponse:
    context = {"heading": heading, "text": text, "firm": firm, "about": about}
    return render(request, "billing/notice.html", context, status=status)
