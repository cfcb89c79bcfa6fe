"""The owner's page: how the subscription stands, what was paid, and the way to the bank.

Also owners of a suspended firm come here; it is how they get back. Nothing on it says *paid*
before the ledger does.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView, LogoutView
from django.db.models import Exists, OuterRef, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from django_ratelimit.core import is_ratelimited

from apps.core import money
from apps.core.days import Clock
from apps.core.problems import Problem
from apps.firms.models import MembershipRole, Role, User
from apps.integrations.cards import BankError
from apps.subscriptions import services
from apps.subscriptions.models import PaymentOrder, Subscription
from apps.subscriptions.services import paying
from apps.subscriptions.services.cards import fits, saved_cards
from apps.subscriptions.services.receipts import written_card
from apps.subscriptions.words import order_in_words, standing_in_words

RATE = "20/m"
HISTORY = 50  # orders that the page shows

SIGN_IN = reverse_lazy("subscriptions:sign-in")

Page = Callable[..., HttpResponse]


def for_owners(page: Page) -> Page:
    """Give a page the subscription of its address, if it is of a firm that one owns."""

    @wraps(page)
    def answer(request: HttpRequest, *, pk: int, **rest: Any) -> HttpResponse:
        subscription = owned(request).filter(pk=pk).first()
        if subscription is None:
            raise Http404
        response = page(request, subscription, **rest)
        response["Referrer-Policy"] = "same-origin"
        return response

    return never_cache(login_required(answer, login_url=SIGN_IN))


def owned(request: HttpRequest) -> "QuerySet[Subscription]":
    """Return the subscriptions one may see: an owner those of their firms, an operator all."""
    rows = Subscription.objects.select_related("firm", "plan")
    if request.user.is_superuser:
        return rows
    role = MembershipRole.objects.filter(
        firm=OuterRef("firm"),
        role=Role.OWNER,
        membership__user=request.user.pk,
        membership__is_active=True,
    )
    return rows.filter(Exists(role))


class SignOut(LogoutView):
    """Signs owners out; the admin's own page turns those away who are not its staff."""

    next_page = "subscriptions:sign-in"


class SignIn(LoginView):
    """Signs in owners, who need not be staff of the admin."""

    template_name = "subscriptions/sign_in.html"

    def get_default_redirect_url(self) -> str:
        return reverse("subscriptions:mine")

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if is_ratelimited(request, group="sign-in", key="ip", rate=RATE, increment=True):
            return render(request, "subscriptions/too_fast.html", status=429)
        return super().post(request, *args, **kwargs)


@require_GET
@never_cache
@login_required(login_url=SIGN_IN)
def mine(request: HttpRequest) -> HttpResponse:
    """Go to the only subscription, or let one be chosen."""
    rows = list(owned(request).order_by("firm__name")[:200])
    if len(rows) == 1:
        return redirect("subscriptions:page", pk=rows[0].pk)
    return render(request, "subscriptions/choose.html", {"subscriptions": rows})


@require_GET
@for_owners
def page(request: HttpRequest, subscription: Subscription) -> HttpResponse:
    """Show how a subscription stands."""
    today = subscription.firm.today(Clock.read())
    card = saved_cards([subscription.pk]).get(subscription.pk)
    renews = card is not None and fits(card, subscription)
    orders = subscription.orders.order_by("-requested_at", "-pk")[:HISTORY]
    context = {
        "subscription": subscription,
        "standing": standing_in_words(subscription, today=today, renews=renews),
        "price": money.write_grouped(subscription.plan.price),
        "card": written_card(card.card_mask) or "saved" if card else "",
        "orders": [order_in_words(order) for order in orders],
        "not_payable": paying.why_not_payable(subscription),
        "can_cancel": subscription.status in Subscription.SERVED and subscription.expires_on,
    }
    return render(request, "subscriptions/page.html", context)


@require_POST
@for_owners
def pay(request: HttpRequest, subscription: Subscription) -> HttpResponse:
    """Send an owner to the bank's page."""
    try:
        where = paying.start_payment(
            subscription=subscription, by=_who(request), clock=Clock.read()
        )
    except BankError:
        messages.error(
            request, "The bank cannot be reached just now. Please try again in a minute."
        )
    except Problem as problem:
        messages.warning(request, str(problem))
    else:
        return HttpResponseRedirect(where)
    return redirect("subscriptions:page", pk=subscription.pk)


@require_POST
@for_owners
def cancel(request: HttpRequest, subscription: Subscription) -> HttpResponse:
    """Let the subscription end with the time that is paid for."""
    return _decided(request, subscription, services.cancel_at_period_end)


@require_POST
@for_owners
def keep(request: HttpRequest, subscription: Subscription) -> HttpResponse:
    """Take the cancellation back."""
    return _decided(request, subscription, services.keep)


@require_GET
@for_owners
def back(request: HttpRequest, subscription: Subscription, reference: str) -> HttpResponse:
    """Receive an owner who comes back from the bank; what happened there, the ledger says."""
    order = PaymentOrder.objects.filter(
        subscription=subscription, external_order_id=reference
    ).first()
    if order is None:
        raise Http404
    with suppress(BankError):  # its callback, or the next run, will tell
        paying.ask_about(order=order, clock=Clock.read())
    subscription.refresh_from_db()
    order.refresh_from_db()
    line = order_in_words(order)
    heading = "Paid" if line.is_paid else "Waiting for the bank" if line.is_open else "Not paid"
    context = {"subscription": subscription, "order": line, "heading": heading}
    return render(request, "subscriptions/back.html", context)


def _decided(
    request: HttpRequest, subscription: Subscription, decide: Callable[..., None]
) -> HttpResponse:
    try:
        decide(subscription=subscription, by=_who(request))
    except Problem as problem:
        messages.warning(request, str(problem))
    return redirect("subscriptions:page", pk=subscription.pk)


def _who(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
