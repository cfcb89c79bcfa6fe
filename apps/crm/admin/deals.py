"""What staff see of deals, and what they press: log, move, win, lose, snooze, hand over."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone

from apps.core.days import Clock, local_instant, zone
from apps.core.forms import NOTHING
from apps.crm import services
from apps.crm.admin.history import ACTIVITIES, ActivityInline, on_the_firms_clock
from apps.crm.forms import (
    ActivityForm,
    DealForm,
    HandOverForm,
    MoveForm,
    SnoozeForm,
    StageField,
)
from apps.crm.models import Deal, Stage
from apps.firms.actions import Page, press_each, press_with_reason, too_many
from apps.firms.admin import FirmFilter, FirmScopedAdmin, visible_firms, who
from apps.firms.rights import people_at

DEALS = ("deal", "deals")
# What is typed; the rest of a deal is what actions and jobs have made of it.
FACTS = ("title", "contact", "owner", "amount_minor", "close_date")

Rows = QuerySet[Deal]
Answer = TemplateResponse | None


@admin.register(Deal)
class DealAdmin(FirmScopedAdmin[Deal]):
    """Deals: facts are typed and saved by the services, what happens to them is an action."""

    form = DealForm
    list_display = (
        *("title", "contact", "place", "amount_minor", "owner", "idle", "stale_since"),
        *("close_date", "firm"),
    )
    list_filter = (
        ("firm", FirmFilter),
        "is_stale",
        "status",
        ("owner", admin.RelatedOnlyFieldListFilter),
        ("pipeline", admin.RelatedOnlyFieldListFilter),
        ("stage", admin.RelatedOnlyFieldListFilter),
    )
    list_select_related = ("contact", "stage", "owner", "firm")
    search_fields = ("title", "contact__display_name")
    search_help_text = "A deal's title, or a contact's name."
    ordering = ("-pk",)
    autocomplete_fields = ("contact",)
    inlines = (ActivityInline,)
    actions = ("log_activity", "move", "win", "lose", "reopen", "snooze", "hand_over")
    fieldsets = (
        (None, {"fields": FACTS}),
        ("Progress", {"fields": ("pipeline", "stage", "status", "stage_entered")}),
        ("Attention", {"fields": ("last_activity", "snoozed_until", "stale_since")}),
    )
    add_fieldsets = ((None, {"fields": ("stage", *FACTS[:-1], "currency", *FACTS[-1:])}),)

    stage_entered = on_the_firms_clock("stage_entered_at")
    last_activity = on_the_firms_clock("last_activity_at")

    @admin.display(description="stage", ordering="stage__position")
    def place(self, deal: Deal) -> str:
        """How far it has come; of a closed deal, how it ended."""
        is_open = deal.status == Deal.Status.OPEN
        return str(deal.stage) if is_open else deal.get_status_display()

    @admin.display
    def idle(self, deal: Deal) -> str:
        """For how long nobody has touched it, in days on the firm's calendar."""
        if deal.status != Deal.Status.OPEN:
            return NOTHING
        now, here = Clock(now=timezone.now()), deal.firm.timezone
        days = (now.today(here) - Clock(now=deal.touched_at).today(here)).days
        return f"{days} day{'s' * (days != 1)}"

    def has_change_permission(self, request: HttpRequest, obj: Deal | None = None) -> bool:
        """A closed deal is only looked at, until it is reopened."""
        is_closed = obj is not None and obj.status != Deal.Status.OPEN
        return not is_closed and super().has_change_permission(request, obj)

    def get_inlines(self, request: HttpRequest, obj: Deal | None) -> Any:
        return self.inlines if obj else ()

    def get_fieldsets(self, request: HttpRequest, obj: Deal | None = None) -> Any:
        return super().get_fieldsets(request, obj) if obj else self.add_fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: Deal | None = None) -> Any:
        names = super().get_readonly_fields(request, obj)
        if obj is None:
            return names
        shown = [name for _, options in self.fieldsets for name in options["fields"]]
        return (*names, *(name for name in shown if name not in FACTS))

    def get_changeform_initial_data(self, request: HttpRequest) -> Any:
        """Offer whoever asks as the owner, and the currency of their only firm."""
        firms = list(visible_firms(request)[:2])
        only = {"currency": firms[0].currency} if len(firms) == 1 else {}
        return {
            "owner": who(request).pk,
            **only,
            **super().get_changeform_initial_data(request),
        }

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> forms.ModelChoiceField[Any] | None:
        if db_field.name == "stage":
            kwargs["form_class"] = StageField
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if isinstance(field, StageField) and field.queryset is not None:
            field.queryset = _in_order(field.queryset)
        return field

    def save_model(self, request: HttpRequest, obj: Deal, form: Any, change: bool) -> None:
        how: dict[str, Any] = {"actor": who(request), "now": timezone.now()}
        if not change:
            obj.pk = services.create_deal(**form.cleaned_data, **how).pk
        elif form.changed_data:
            changes = {name: form.cleaned_data[name] for name in form.changed_data}
            services.change_deal(deal=obj, **changes, **how)
        obj.refresh_from_db()

    # ---- what happens to deals --------------------------------------------------------

    @admin.action(description="Log or plan an activity", permissions=["change"])
    def log_activity(self, request: HttpRequest, deals: Rows) -> Answer:
        now = timezone.now()
        first = deals.first()
        local = now.astimezone(zone(first.firm.timezone)) if first else now

        def log(deal: Deal, form: ActivityForm) -> None:
            at = local_instant(*form.when, deal.firm.timezone)
            what: dict[str, Any] = {
                "deal": deal,
                "type": form.cleaned_data["type"],
                "note": form.cleaned_data["note"],
                "is_automated": False,
                "actor": who(request),
                "now": now,
            }
            if at <= now:
                services.log_activity(occurred_at=at, **what)
            else:
                services.plan_activity(scheduled_for=at, **what)

        return self._ask(
            request,
            deals,
            partial(ActivityForm, local=local),
            log,
            title="Log or plan an activity",
            noun=ACTIVITIES,
            done="written down",
        )

    @admin.action(description="Move to another stage", permissions=["change"])
    def move(self, request: HttpRequest, deals: Rows) -> Answer:
        pipeline = self._common(request, deals, "pipeline")
        if pipeline is None:
            return None
        stages = _in_order(Stage.objects.filter(pipeline=pipeline))
        return self._ask(
            request,
            deals,
            partial(MoveForm, stages=stages),
            lambda deal, form: services.move_deal(
                deal=deal,
                stage=form.cleaned_data["stage"],
                actor=who(request),
                now=timezone.now(),
            ),
            title="Move deals",
            done="moved",
        )

    @admin.action(description="Win", permissions=["change"])
    def win(self, request: HttpRequest, deals: Rows) -> None:
        if not too_many(self, request, deals):
            clock = Clock(now=timezone.now())
            press_each(
                self,
                request,
                deals,
                lambda deal: services.win_deal(
                    deal=deal,
                    today=deal.firm.today(clock),
                    actor=who(request),
                    reason="",
                    now=clock.now,
                ),
                noun=DEALS,
                done="won",
            )

    @admin.action(description="Lose", permissions=["change"])
    def lose(self, request: HttpRequest, deals: Rows) -> Answer:
        clock = Clock(now=timezone.now())
        return press_with_reason(
            self,
            request,
            deals,
            lambda deal, reason: services.lose_deal(
                deal=deal,
                today=deal.firm.today(clock),
                actor=who(request),
                reason=reason,
                now=clock.now,
            ),
            title="Lose deals",
            noun=DEALS,
            about=_about,
            done="lost",
            warning="Nobody is reminded of them any more.",
        )

    @admin.action(description="Reopen", permissions=["change"])
    def reopen(self, request: HttpRequest, deals: Rows) -> Answer:
        return press_with_reason(
            self,
            request,
            deals,
            lambda deal, reason: services.reopen_deal(
                deal=deal, actor=who(request), reason=reason, now=timezone.now()
            ),
            title="Reopen deals",
            noun=DEALS,
            about=_about,
            done="reopened",
            warning="Their idle days are counted from now.",
        )

    @admin.action(description="Snooze", permissions=["change"])
    def snooze(self, request: HttpRequest, deals: Rows) -> Answer:
        clock = Clock(now=timezone.now())
        return self._ask(
            request,
            deals,
            SnoozeForm,
            lambda deal, form: services.snooze_deal(
                deal=deal,
                until=form.cleaned_data["until"],
                today=deal.firm.today(clock),
                actor=who(request),
                reason=form.cleaned_data["reason"],
            ),
            title="Snooze deals",
            done="snoozed",
            warning="They are not stale until then.",
        )

    @admin.action(description="Hand over", permissions=["change"])
    def hand_over(self, request: HttpRequest, deals: Rows) -> Answer:
        firm = self._common(request, deals, "firm")
        if firm is None:
            return None
        people = people_at(firm).filter(is_staff=True).order_by("first_name", "username")
        return self._ask(
            request,
            deals,
            partial(HandOverForm, people=people),
            lambda deal, form: services.change_deal(
                deal=deal,
                owner=form.cleaned_data["owner"],
                actor=who(request),
                now=timezone.now(),
            ),
            title="Hand deals over",
            done="handed over",
        )

    def _common(self, request: HttpRequest, deals: Rows, name: str) -> int | None:
        """Return the one pipeline or firm of these deals, or say that it must be one."""
        found = list(deals.order_by().values_list(name, flat=True).distinct()[:2])
        if len(found) == 1:
            return int(found[0])
        self.message_user(request, f"Select deals of one {name}.", messages.ERROR)
        return None

    def _ask(
        self,
        request: HttpRequest,
        deals: Rows,
        form_class: Callable[..., Any],
        act: Callable[[Deal, Any], object],
        *,
        title: str,
        done: str,
        noun: tuple[str, str] = DEALS,
        warning: str = "",
    ) -> Answer:
        """Ask with a form, then do to each deal what was typed."""
        if too_many(self, request, deals):
            return None
        between = Page(self, request, title, title)
        form = between.asked(form_class)
        if form is None:
            return between.ask(deals, form_class, about=_about, warning=warning)
        press_each(self, request, deals, lambda deal: act(deal, form), noun=noun, done=done)
        return None


def _in_order(stages: "QuerySet[Stage]") -> "QuerySet[Stage]":
    return stages.select_related("pipeline").order_by(
        "pipeline__name", "pipeline", "position", "pk"
    )


def _about(deal: Deal) -> str:
    return f"{deal}, {deal.contact}: {deal.stage}, {deal.get_status_display()}"
