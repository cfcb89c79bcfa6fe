"""Grant the rewards that renters have earned (spec D24; what they have earned: streaks.py)."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import partial

from django.db.models import QuerySet, TextChoices

from apps.billing.models import AccountCredit, BillingAccount, Invoice
from apps.billing.services import CreditDraft, grant_credits, principal_covered_on
from apps.contacts.models import Contact
from apps.core import batches, money
from apps.core.days import Clock
from apps.core.problems import BadOption
from apps.core.reports import Item, Report, Subject
from apps.firms.services import find_firm, why_not_served
from apps.leasing.messages import REWARD_GRANTED
from apps.leasing.models import (
    Lease,
    LeaseParty,
    RentPeriod,
    RewardConfiguration,
    RewardGrant,
)
from apps.leasing.services import terms
from apps.leasing.services.streaks import History, Proposal, RentMonth, doubtful, proposals
from apps.notifications.services import Draft, notify


class RewardReason(TextChoices):
    GRANTED_MEANWHILE = "granted_meanwhile", "granted meanwhile"
    CAP_REACHED = "cap_reached", "yearly cap reached"


def calculate_rewards(
    *,
    tenant: int | None = None,
    firm_id: int | None = None,
    dry_run: bool = False,
    as_of: str = "",
) -> Report:
    """Calculate the rewards that renters have earned and grant them as account credit.

    Renters are the primary parties of leases in force (co-renters share the reward of their
    lease). A reward uses up the months that earned it, so neither a repeated run nor a
    changed history pays for the same month twice. Rewards already given are never taken
    back here; those whose history has changed are flagged for review.
    """
    clock = Clock.read(as_of=as_of, dry_run=dry_run)
    renters, left_out = _renters(tenant=tenant, firm_id=firm_id)
    checked: Counter[str] = Counter()
    report = Report(
        dry_run=dry_run,
        heading="Calculating rewards...",
        summary=lambda report: _summary(report, checked["renters"]),
    )
    if left_out:
        report.says(left_out)
    report.expect(renters.count())
    for page in batches.batched(batches.by_key(renters)):
        checked["renters"] += len(page)
        histories = _histories(page, clock=clock)
        programmes = _programmes(page, clock=clock)
        report.attempt_each(
            [grant for history in histories for grant in doubtful(history)],
            _flag,
            subject=lambda grant: Subject.of(grant, part="review"),
        )
        report.attempt_each(
            [one for history in histories for one in proposals(history, programmes)],
            partial(_grant, clock=clock),
            subject=lambda proposal: proposal.subject,
        )
    return report


# ---- who, and what they paid --------------------------------------------------------------


def _renters(*, tenant: int | None, firm_id: int | None) -> tuple["QuerySet[Contact]", str]:
    firm = find_firm(firm_id) if firm_id is not None else None
    renters = rewardable()
    if firm is not None:
        renters = renters.filter(firm=firm)
    if tenant is not None:
        someone = Contact.objects.filter(pk=tenant, lease_parties__isnull=False).first()
        if someone is None or (firm is not None and someone.firm_id != firm.pk):
            raise BadOption(f"Tenant with ID {tenant} does not exist.")
        firm, renters = someone.firm, renters.filter(pk=tenant)
    renters = renters.select_related("user", "firm")
    return renters, why_not_served(firm) if firm is not None else ""


def rewardable() -> "QuerySet[Contact]":
    """Return the primary parties of leases in force, of served firms."""
    primary = LeaseParty.objects.filter(
        role=LeaseParty.Role.PRIMARY, lease__status__in=Lease.LIVING
    )
    renters = Contact.objects.present().filter(firm__is_active=True)
    return renters.filter(pk__in=primary.values("contact"))


def _histories(page: Sequence[Contact], *, clock: Clock) -> list[History]:
    histories = {contact.pk: History(contact) for contact in page}
    parties = LeaseParty.objects.filter(contact__in=page, role=LeaseParty.Role.PRIMARY)
    renter_of = dict(parties.values_list("lease_id", "contact_id"))
    periods = list(
        RentPeriod.objects.filter(lease__in=renter_of, invoice__isnull=False)
        .exclude(invoice__status__in=Invoice.BY_HAND)
        .exclude(invoice__total_minor=0)
        .select_related("invoice", "lease__unit__property", "firm")
        .order_by("period_start", "pk")
    )
    covered = principal_covered_on([period.invoice.pk for period in periods if period.invoice])
    configs = terms.effective([period.lease for period in periods], clock=clock)
    for period in periods:
        invoice, home = period.invoice, period.lease.unit.property
        assert invoice is not None
        assert invoice.due_date is not None
        grace_end, config = invoice.due_date, configs.get(period.lease_id)
        if config:
            country = period.firm.country
            grace_end = terms.grace_end(config, due_date=invoice.due_date, country=country)
        month = RentMonth(
            invoice=invoice,
            month=period.period_start,
            property_id=home.pk,
            today=home.today(clock),
            covered_on=covered.get(invoice.pk),
            grace_end=grace_end,
        )
        histories[renter_of[period.lease_id]].months.append(month)
    for grant in RewardGrant.objects.filter(contact__in=page).select_related("configuration"):
        histories[grant.contact_id].grants.append(grant)
    return list(histories.values())


def _programmes(
    page: Sequence[Contact], *, clock: Clock
) -> dict[int, list[RewardConfiguration]]:
    """The programmes of the firms on this page, by firm; ended ones are still owed."""
    programmes = defaultdict(list)
    firms = {contact.firm_id for contact in page}
    for one in RewardConfiguration.objects.filter(firm__in=firms).order_by("pk"):
        programmes[one.firm_id].append(one)
    return programmes


# ---- what is done about it ----------------------------------------------------------------


def _flag(items: Sequence[Item[RewardGrant]]) -> None:
    RewardGrant.objects.filter(pk__in=[item.thing.pk for item in items]).update(
        needs_review=True
    )
    for item in items:
        grant = item.thing
        item.does("flag for review")
        item.says(
            f"Reward {grant.pk} of {grant.covers_from:%Y-%m} needs review: "
            "a month that earned it is no longer on time",
            bullet="⚠",
        )


def _grant(items: Sequence[Item[Proposal]], *, clock: Clock) -> None:
    contacts = {item.thing.history.contact.pk for item in items}
    # Behind these locks a second run sees what the first has granted.
    accounts = BillingAccount.objects.select_for_update().filter(
        pk__in={item.thing.account_id for item in items}
    )
    account_of = {account.pk: account for account in accounts.order_by("pk")}
    given = list(RewardGrant.objects.filter(contact__in=contacts))
    keys = {(grant.contact_id, grant.qualifying_key) for grant in given}
    spent = _spent_this_year(given)
    todo: list[tuple[Item[Proposal], int]] = []
    for item in items:
        one = item.thing
        amount = _within_cap(one, spent)
        if (one.history.contact.pk, one.key) in keys:
            item.skip(RewardReason.GRANTED_MEANWHILE)
        elif amount <= 0:
            item.skip(RewardReason.CAP_REACHED)
        else:
            todo.append((item, amount))
    credits = grant_credits(
        [
            CreditDraft(
                account=account_of[item.thing.account_id],
                amount_minor=amount,
                kind=AccountCredit.Kind.REWARD,
                effective_on=item.thing.months[-1].today,
                note=f"Reward {item.thing.key}",
            )
            for item, amount in todo
        ]
    )
    grants = RewardGrant.objects.bulk_create(
        RewardGrant(
            firm_id=item.thing.history.contact.firm_id,
            contact=item.thing.history.contact,
            configuration=item.thing.configuration,
            qualifying_key=item.thing.key,
            covers_from=item.thing.months[0].month,
            covers_to=item.thing.months[-1].month,
            amount_minor=amount,
            currency=item.thing.configuration.currency,
            credit=credit,
        )
        for (item, amount), credit in zip(todo, credits, strict=True)
    )
    notify([_letter(grant) for grant in grants])
    for item, amount in todo:
        reward = money.from_minor(amount, item.thing.configuration.currency)
        words = (
            f"{item.thing.history.label}: {item.thing.words.format(amount=money.write(reward))}"
        )
        item.does(f"reward {item.thing.key}", reward, tally="granted")
        item.says(words, would=f"Would reward {words}")


def _spent_this_year(given: Sequence[RewardGrant]) -> Counter[tuple[int, int, int]]:
    """What each renter got of each programme, by the year of the last month that earned it."""
    spent: Counter[tuple[int, int, int]] = Counter()
    for grant in given:
        if grant.state == RewardGrant.State.GRANTED:
            year = grant.covers_to.year
            spent[grant.contact_id, grant.configuration_id, year] += grant.amount_minor
    return spent


def _within_cap(one: Proposal, spent: Counter[tuple[int, int, int]]) -> int:
    """Return what may be given under the yearly cap, and count it as given."""
    amount, cap = one.configuration.amount_minor, one.configuration.yearly_cap_minor
    year = (one.history.contact.pk, one.configuration.pk, one.months[-1].month.year)
    if cap is not None:
        amount = min(amount, cap - spent[year])
    spent[year] += max(amount, 0)
    return amount


def _letter(grant: RewardGrant) -> Draft:
    reward = money.from_minor(grant.amount_minor, grant.currency)
    return Draft(
        type=REWARD_GRANTED,
        firm_id=grant.firm_id,
        recipient=grant.contact,
        dedupe_key=f"reward:{grant.qualifying_key}",
        about=grant,
        context={
            "amount": money.write_grouped(reward),
            "kind": grant.configuration.kind,
            "threshold": grant.configuration.threshold,
            "month": f"{grant.covers_to:%Y-%m}",
        },
    )


def _summary(report: Report, checked: int) -> list[str]:
    granted = report.worded("Rewards granted", would="Rewards that would be granted")
    return [
        f"Summary: Tenants checked: {checked}, {granted}: {report.tallies['granted']}, "
        f"Total: {money.write_totals(report.money)}"
    ]
