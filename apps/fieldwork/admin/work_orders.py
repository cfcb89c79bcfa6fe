"""Work orders from the first call to the last check."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html

from apps.core.days import Clock
from apps.core.forms import NOTHING, is_amount
from apps.fieldwork import services
from apps.fieldwork.admin.filters import WorkFilter
from apps.fieldwork.admin.pages import page_of
from apps.fieldwork.forms import GiveForm, NoteForm, WorkOrderForm
from apps.fieldwork.models import Estimate, WorkOrder, WorkOrderEvent, WorkOrderNote
from apps.firms.actions import Page, press_each, press_with_reason, too_many
from apps.firms.admin import FirmFilter, FirmScopedAdmin, ReadOnlyInline, who
from apps.firms.buttons import Buttons

ORDERS = ("work order", "work orders")
PRICES = ("customer_price_minor", "contractor_price_minor")

Kind = WorkOrderEvent.Kind
Rows = QuerySet[WorkOrder]

# What the actions do, so that a page offers those that its order's state allows.
MEANS = {
    "give": {Kind.ASSIGNED, Kind.REASSIGNED},
    "start": {Kind.STARTED},
    "hold": {Kind.HELD},
    "resume": {Kind.RESUMED},
    "complete": {Kind.COMPLETED},
    "verify": {Kind.VERIFIED},
    "reopen": {Kind.REOPENED},
    "take_back": {Kind.UNASSIGNED},
    "cancel": {Kind.CANCELLED},
}


class EstimateInline(ReadOnlyInline):
    model = Estimate
    fields = ("contractor", "amount_minor", "status", "submitted_at", "text")
    ordering = ("-pk",)
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).select_related("contractor__contact")


class NoteInline(ReadOnlyInline):
    model = WorkOrderNote
    fields = ("text", "file", "writer", "written_at")
    readonly_fields = ("writer",)
    verbose_name_plural = "notes"
    ordering = ("-written_at", "-pk")

    @admin.display(description="by")
    def writer(self, note: WorkOrderNote) -> str:
        return "Nightshift" if note.is_automatic else _name(note.author)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).select_related("author", "file")


class EventInline(ReadOnlyInline):
    model = WorkOrderEvent
    fields = ("kind", "to_status", "detail", "doer", "occurred_at")
    readonly_fields = ("doer",)
    verbose_name_plural = "history"
    ordering = ("-occurred_at", "-pk")

    @admin.display(description="by")
    def doer(self, event: WorkOrderEvent) -> str:
        return _name(event.actor)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).select_related("actor")


@admin.register(WorkOrder)
class WorkOrderAdmin(Buttons[WorkOrder], FirmScopedAdmin[WorkOrder]):
    form = WorkOrderForm
    list_display = ("number", "title", "status", "contractor", "due", "for_whom", "firm")
    list_filter = (("firm", FirmFilter), WorkFilter, "status")
    list_select_related = ("contractor__contact", "customer", "unit__property", "firm")
    search_fields = (
        *("number", "title", "contractor__contact__display_name", "customer__display_name"),
        *("unit__label", "unit__property__name"),
    )
    search_help_text = "A number, a title, a contractor, a customer or a property."
    ordering = ("-number", "-pk")
    autocomplete_fields = ("firm", "unit", "customer")
    actions = (
        *("start", "resume", "complete", "verify", "request_payout", "give"),
        *("invoice_customer", "add_note", "hold", "reopen", "take_back", "cancel"),
    )
    readonly_fields = (
        *("number", "status", "contractor", "created_by", "created_at", "invoice"),
        *("completed_at", "verified_at", "cancelled_at", "cancel_reason", "last_activity_at"),
    )

    # ---- what is shown ----------------------------------------------------------------

    @admin.display(description="due", ordering="due_date")
    def due(self, order: WorkOrder) -> str:
        """The due date; of open work that is late, by how much."""
        if order.due_date is None:
            return NOTHING
        late = (order.firm.today(Clock.read()) - order.due_date).days
        day = date_format(order.due_date)
        if late <= 0 or not order.is_open:
            return day
        days = f"{late} day{'s' * (late != 1)}"
        return format_html('{} <span class="is-late">({} overdue)</span>', day, days)

    @admin.display(description="for", ordering="customer__display_name")
    def for_whom(self, order: WorkOrder) -> str:
        return ", ".join(str(one) for one in (order.customer, order.unit) if one) or NOTHING

    def get_fieldsets(self, request: HttpRequest, obj: WorkOrder | None = None) -> Any:
        days = ("due_date", "scheduled_on")
        if obj is None:
            what = ("firm", "title", "description", "unit", "customer")
            return [(None, {"fields": (*what, *days, *PRICES)})]
        read = self._fixed(obj) if self.has_change_permission(request, obj) else PRICES
        prices = [name if name not in read else self._written([name])[0] for name in PRICES]
        closed = ("completed_at", "verified_at", "cancelled_at", "cancel_reason")
        return [
            (
                None,
                {"fields": ("number", "status", "contractor", "title", "description")},
            ),
            ("Where and for whom", {"fields": ("unit", "customer")}),
            ("When", {"fields": (*days, *(n for n in closed if getattr(obj, n)))}),
            ("Prices", {"fields": (*prices, "invoice")}),
            (
                "On record",
                {
                    "fields": (
                        *("created_by", "created_at", "last_activity_at"),
                        "do_not_auto_close",
                    ),
                    "classes": ("collapse",),
                },
            ),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: WorkOrder | None = None) -> Any:
        names = super().get_readonly_fields(request, obj)
        if obj is None:
            return names
        fixed = self._fixed(obj)
        amounts = self._written(name for name in fixed if is_amount(name))
        return (*names, *(name for name in fixed if not is_amount(name)), *amounts)

    def _fixed(self, order: WorkOrder) -> list[str]:
        """Return which fields of an order cannot be typed any more."""
        return sorted(services.fixed_prices(order)) + ["due_date"] * (not order.is_open)

    def get_inlines(self, request: HttpRequest, obj: WorkOrder | None) -> Any:
        return (NoteInline, EstimateInline, EventInline) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: WorkOrder | None = None) -> bool:
        """Work is cancelled, and stays on record."""
        return False

    # ---- what is typed ----------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: WorkOrder, form: Any, change: bool) -> None:
        by, now = who(request), timezone.now()
        if change:
            typed = {name: form.cleaned_data[name] for name in form.changed_data}
            services.change_details(order=obj, changes=typed, by=by, now=now)
            return
        new = services.create_work_order(firm=obj.firm, wanted=form.wanted(), by=by, now=now)
        obj.pk = new.pk
        obj.refresh_from_db()

    def response_post_save_add(self, request: HttpRequest, obj: WorkOrder) -> Any:
        """Go on to the new order's own page: there somebody gets it."""
        return HttpResponseRedirect(page_of(obj))

    # ---- what is pressed --------------------------------------------------------------

    def buttons(self, row: WorkOrder) -> Sequence[str]:
        may = services.allowed(row.status)
        shown = [name for name, kinds in MEANS.items() if may.intersection(kinds)]
        owed = row.customer is not None and row.customer_price_minor and row.invoice is None
        if owed and row.status != WorkOrder.Status.CANCELLED:
            shown.append("invoice_customer")
        if WorkOrder.objects.ready_for_payout().filter(pk=row.pk).exists():
            shown.append("request_payout")
        return [name for name in self.actions if name in {*shown, "add_note"}]

    def ways(self, request: HttpRequest, row: WorkOrder) -> Sequence[tuple[str, str]]:
        if not (row.is_open and request.user.has_perm("fieldwork.add_estimate")):
            return ()
        about = f"?work_order={row.pk}&contractor={row.contractor_id or ''}"
        return [("Record an estimate", reverse("admin:fieldwork_estimate_add") + about)]

    @admin.action(description="Give to a contractor", permissions=["change"])
    def give(self, request: HttpRequest, orders: Rows) -> TemplateResponse | None:
        if too_many(self, request, orders):
            return None
        found = list(orders.select_related("firm", "contractor__contact"))
        firms = {order.firm for order in found}
        if len(firms) != 1:
            text = "Select work orders of one firm."
            self.message_user(request, text, messages.ERROR)
            return None
        [firm] = firms
        clock = Clock.read()
        today = firm.today(clock)
        form_class = partial(GiveForm, firm=firm, today=today)
        between = Page(self, request, "Give work to a contractor", "Give")
        form = between.asked(form_class)
        if form is None:
            return between.ask(found, form_class, about=_in_words)
        contractor = form.cleaned_data["contractor"]

        def assign(order: WorkOrder) -> None:
            is_new = order.status == WorkOrder.Status.PENDING
            act = services.assign_work_order if is_new else services.reassign_work_order
            act(order=order, contractor=contractor, by=who(request), today=today, now=clock.now)

        done = f"given to {contractor}"
        press_each(self, request, found, assign, noun=ORDERS, done=done)
        return None

    @admin.action(description="Take back", permissions=["change"])
    def take_back(self, request: HttpRequest, orders: Rows) -> TemplateResponse | None:
        return self._ask_why(
            *(request, orders, services.unassign_work_order, "Take work back", "taken back"),
            warning="The contractor is told, and the work waits for another.",
        )

    @admin.action(description="Start", permissions=["change"])
    def start(self, request: HttpRequest, orders: Rows) -> None:
        self._press(request, orders, services.start_work_order, "started")

    @admin.action(description="Put on hold", permissions=["change"])
    def hold(self, request: HttpRequest, orders: Rows) -> TemplateResponse | None:
        return self._ask_why(
            *(request, orders, services.hold_work_order, "Put work on hold", "put on hold"),
            warning="The contractor is told to leave it as it is.",
        )

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, orders: Rows) -> None:
        self._press(request, orders, services.resume_work_order, "resumed")

    @admin.action(description="Complete", permissions=["change"])
    def complete(self, request: HttpRequest, orders: Rows) -> None:
        self._press(request, orders, services.complete_work_order, "completed")

    @admin.action(description="Verify", permissions=["change"])
    def verify(self, request: HttpRequest, orders: Rows) -> None:
        self._press(request, orders, services.verify_work_order, "verified")

    @admin.action(description="Reopen", permissions=["change"])
    def reopen(self, request: HttpRequest, orders: Rows) -> TemplateResponse | None:
        return self._ask_why(
            *(request, orders, services.reopen_work_order, "Reopen work", "reopened"),
            warning="The contractor is told what is left to do.",
        )

    @admin.action(description="Cancel", permissions=["change"])
    def cancel(self, request: HttpRequest, orders: Rows) -> TemplateResponse | None:
        return self._ask_why(
            *(request, orders, services.cancel_work_order, "Cancel work", "cancelled"),
            warning="The contractor is told. Estimates that wait for an answer are rejected.",
        )

    @admin.action(description="Add a note", permissions=["change"])
    def add_note(self, request: HttpRequest, orders: Rows) -> TemplateResponse | None:
        if too_many(self, request, orders):
            return None
        between = Page(self, request, "Add a note", "Add the note")
        form = between.asked(NoteForm)
        if form is None:
            return between.ask(orders, NoteForm)
        write = partial(
            services.add_note,
            text=form.cleaned_data["text"],
            file=None,
            by=who(request),
            now=timezone.now(),
        )
        press_each(
            self,
            request,
            orders,
            lambda order: write(order=order),
            noun=("note", "notes"),
            done="added",
        )
        return None

    @admin.action(description="Invoice the customer", permissions=["change"])
    def invoice_customer(self, request: HttpRequest, orders: Rows) -> None:
        clock = Clock.read()
        if not too_many(self, request, orders):
            press_each(
                self,
                request,
                orders.select_related("firm"),
                lambda order: services.invoice_work_order(
                    order=order,
                    by=who(request),
                    today=order.firm.today(clock),
                    now=clock.now,
                ),
                noun=ORDERS,
                done="invoiced",
            )

    def has_payout_permission(self, request: HttpRequest) -> bool:
        """Whoever may decide about payouts may ask for them."""
        return request.user.has_perm("fieldwork.change_payoutrequest")

    @admin.action(description="Request the payout", permissions=["payout"])
    def request_payout(self, request: HttpRequest, orders: Rows) -> None:
        if too_many(self, request, orders):
            return
        found = list(orders.select_related("contractor__contact", "contractor__firm"))
        contractors = {order.contractor for order in found if order.contractor}
        press_each(
            self,
            request,
            sorted(contractors, key=str),
            lambda contractor: services.request_payout(
                contractor=contractor,
                orders=[order for order in found if order.contractor == contractor],
                extras=[],
                by=who(request),
                now=timezone.now(),
            ),
            noun=("payout", "payouts"),
            done="requested",
        )

    def _press(
        self, request: HttpRequest, orders: Rows, service: Callable[..., object], done: str
    ) -> None:
        act = partial(service, by=who(request), now=timezone.now())
        if not too_many(self, request, orders):
            press_each(
                self, request, orders, lambda one: act(order=one), noun=ORDERS, done=done
            )

    def _ask_why(
        self,
        request: HttpRequest,
        orders: Rows,
        service: Callable[..., object],
        title: str,
        done: str,
        *,
        warning: str,
    ) -> TemplateResponse | None:
        act = partial(service, by=who(request), now=timezone.now())
        return press_with_reason(
            self,
            request,
            orders.select_related("contractor__contact"),
            lambda one, reason: act(order=one, reason=reason),
            title=title,
            noun=ORDERS,
            done=done,
            about=_in_words,
            warning=warning,
        )


def _in_words(order: WorkOrder) -> str:
    whom = f", {order.contractor}" if order.contractor else ""
    return f"{order}{whom}: {order.get_status_display()}"


def _name(person: Any) -> str:
    return (person.get_full_name() or person.get_username()) if person else "Nightshift"
