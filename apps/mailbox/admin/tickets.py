"""What staff see and press: tickets, and the conversations that they are."""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.views.decorators.clickjacking import xframe_options_sameorigin

from apps.firms.actions import Page, press_each, too_many
from apps.firms.admin import FirmFilter, FirmScopedAdmin, ReadOnly, who
from apps.firms.models import User
from apps.mailbox import services
from apps.mailbox.forms import AssignForm
from apps.mailbox.models import EmailAttachment, EmailMessage, Ticket, TicketEntry
from apps.mailbox.showing import POLICY, show_html
from apps.mailbox.tokens import subject_token

TICKETS = ("ticket", "tickets")
LETTERS = 25  # of a conversation on one page

Tickets = QuerySet[Ticket]


@admin.register(Ticket)
class TicketAdmin(ReadOnly, FirmScopedAdmin[Ticket]):
    """Conversations: read, close, open again, give to somebody."""

    change_form_template = "mailbox/ticket.html"
    list_display = (
        *("subject", "requester_email", "status", "assigned_to", "letters"),
        *("last_message_at", "firm"),
    )
    list_filter = (("firm", FirmFilter), "status", "last_message_at")
    list_select_related = ("assigned_to", "firm")
    search_fields = ("subject", "requester_email", "requester_name")
    search_help_text = "A subject, or whoever asked."
    ordering = ("-status", "-last_message_at", "-pk")  # open before closed
    actions = ("close", "reopen", "take", "assign")
    fields = (
        *("status", "from_whom", "requester", "assigned_to", "opened_at", "last_message_at"),
        *("closed_at", "how_to_answer"),
    )

    class Media:
        css: ClassVar[dict[str, Any]] = {"all": ("mailbox/ticket.css",)}

    def get_queryset(self, request: HttpRequest) -> Tickets:
        return super().get_queryset(request).annotate(entry_count=Count("entries"))

    @admin.display(description="letters", ordering="entry_count")
    def letters(self, ticket: Ticket) -> int:
        return int(getattr(ticket, "entry_count", 0))

    @admin.display(description="from")
    def from_whom(self, ticket: Ticket) -> str:
        return f"{ticket.requester_name} <{ticket.requester_email}>"

    @admin.display(description="to answer")
    def how_to_answer(self, ticket: Ticket) -> str:
        return (
            "From your mail program. A letter that answers one of these finds its way here, "
            f"and so does any with {subject_token(ticket)} in its subject."
        )

    # ---- the conversation -----------------------------------------------------------------

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        pages = Paginator(self._entries(request, object_id), LETTERS)
        shown = {
            "letters": pages.get_page(request.GET.get("page") or pages.num_pages),
            "may_press": self.has_press_permission(request),
        }
        return super().change_view(request, object_id, form_url, (extra_context or {}) | shown)

    def _entries(self, request: HttpRequest, ticket_id: str) -> "QuerySet[TicketEntry]":
        if not ticket_id.isdecimal():
            return TicketEntry.objects.none()
        attachments = EmailAttachment.objects.select_related("document").order_by("position")
        copies = EmailMessage.objects.select_related("connection", "raw").defer("html")
        copies = copies.annotate(has_html=~Q(html="")).order_by("pk")
        copies = copies.prefetch_related(Prefetch("attachments", attachments))
        ours = self.get_queryset(request).filter(pk=int(ticket_id))
        return (
            TicketEntry.objects.filter(ticket__in=ours.values("pk"))
            .prefetch_related(Prefetch("messages", copies))
            .order_by("received_at", "pk")
        )

    def get_urls(self) -> list[URLPattern]:
        where = "<int:pk>/letters/<int:letter>/"
        view = self.admin_site.admin_view(self.letter_view)
        return [path(where, view, name="mailbox_ticket_letter"), *super().get_urls()]

    def letter_view(self, request: HttpRequest, pk: int, letter: int) -> HttpResponse:
        """Show the HTML of a letter, for a frame without rights."""
        ticket = get_object_or_404(self.get_queryset(request), pk=pk)
        if not self.has_view_permission(request, ticket):
            raise PermissionDenied
        message = get_object_or_404(EmailMessage, pk=letter, entry__ticket=ticket)
        return _letter_page(request, message)

    # ---- what is pressed --------------------------------------------------------------------

    @admin.action(description="Close", permissions=["press"])
    def close(self, request: HttpRequest, tickets: Tickets) -> None:
        close = partial(services.close_ticket, actor=who(request), now=timezone.now())
        self._press(request, tickets, close, "closed")

    @admin.action(description="Open again", permissions=["press"])
    def reopen(self, request: HttpRequest, tickets: Tickets) -> None:
        reopen = partial(services.reopen_ticket, actor=who(request), now=timezone.now())
        self._press(request, tickets, reopen, "opened again")

    @admin.action(description="Look after them myself", permissions=["press"])
    def take(self, request: HttpRequest, tickets: Tickets) -> None:
        take = partial(services.assign_ticket, to=who(request), actor=who(request))
        self._press(request, tickets, take, "assigned to you")

    @admin.action(description="Assign to somebody", permissions=["press"])
    def assign(self, request: HttpRequest, tickets: Tickets) -> TemplateResponse | None:
        if too_many(self, request, tickets):
            return None
        form_class = partial(AssignForm, people=_colleagues(tickets))
        between = Page(self, request, "Assign tickets", "Assign")
        form = between.asked(form_class)
        if form is None:
            return between.ask(tickets, form_class)
        to = form.cleaned_data["to"]
        assign = partial(services.assign_ticket, to=to, actor=who(request))
        self._press(request, tickets, assign, f"assigned to {to or 'nobody'}")
        return None

    def _press(
        self, request: HttpRequest, tickets: Tickets, act: Callable[..., None], done: str
    ) -> None:
        if not too_many(self, request, tickets):
            press_each(
                self,
                request,
                tickets,
                lambda ticket: act(ticket=ticket),
                noun=TICKETS,
                done=done,
            )


def _colleagues(tickets: Tickets) -> "QuerySet[User]":
    """Return who works for the firms of some tickets and may use the admin."""
    firms = tickets.order_by().values("firm")
    at_work = User.objects.filter(
        is_active=True,
        is_staff=True,
        memberships__firm__in=firms,
        memberships__is_active=True,
    )
    return at_work.distinct().order_by("username")


@xframe_options_sameorigin
def _letter_page(request: HttpRequest, message: EmailMessage) -> HttpResponse:
    html = show_html(message.html)
    response = TemplateResponse(request, "mailbox/letter.html", {"html": html})
    response["Content-Security-Policy"] = POLICY
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    return response
