"""Every table and every text column of the project is on one page about people."""

from dataclasses import replace

import pytest
from django.apps import apps
from django.db import models
from django.db.models import Model, Q
from django.test.utils import isolate_apps

from apps.billing.models import Invoice, Payment
from apps.contacts.models import Contact
from apps.core.personal import Basis, Fate, Holding, by_contact, holdings
from apps.firms.models import Firm
from apps.leasing.models import Lease
from tests.privacy.pages import problems

TABLES = [
    table
    for table in apps.get_models(include_auto_created=True)
    if table._meta.managed and not table._meta.proxy
]
PAGES = holdings()


def page_of(table: type[Model]) -> Holding:
    return next(page for page in PAGES if page.model is table)


def with_page(page: Holding) -> list[Holding]:
    """Return the pages with this one in the place of its table's."""
    return [page if one.model is page.model else one for one in PAGES]


def test_is_accounted_for() -> None:
    assert problems(TABLES, PAGES) == []


# ---- would it notice? -------------------------------------------------------------------


def test_a_forgotten_table_is_noticed() -> None:
    rest = [page for page in PAGES if page.model is not Payment]
    assert problems(TABLES, rest)[0] == (
        "billing.Payment is on no page: say in apps/billing/personal.py what it holds about "
        "people, with a Holding (docs/howto/add-a-table.md)."
    )


@isolate_apps("apps.contacts")
def test_a_table_made_next_year_is_noticed_and_so_is_each_of_its_columns() -> None:
    class Call(models.Model):
        """A telephone call with a contact."""

        firm = models.ForeignKey(Firm, models.CASCADE, related_name="+")
        contact = models.ForeignKey(Contact, models.CASCADE, related_name="+")
        number = models.CharField(max_length=16)
        transcript = models.JSONField()
        recording = models.BinaryField()
        minutes = models.PositiveSmallIntegerField()
        outcome = models.CharField(max_length=4, choices=[("busy", "busy")])

        class Meta:
            app_label = "contacts"

        def __str__(self) -> str:
            return self.number

    assert problems([*TABLES, Call], PAGES) == [
        "contacts.Call is on no page: say in apps/contacts/personal.py what it holds about "
        "people, with a Holding (docs/howto/add-a-table.md)."
    ]
    where = "(apps/contacts/personal.py; docs/howto/add-a-table.md)."
    forgotten = (
        "is a text that the page does not account for: name it in `exports` (about the "
        "person), `told` (may speak of anybody), `plain` (of nobody) or `secret`"
    )
    assert problems([*TABLES, Call], [*PAGES, Holding(Call)]) == [
        *(f"contacts.Call.{name} {forgotten} {where}"
          for name in ("number", "transcript", "recording")),
        "contacts.Call.contact leads to a person: let `of` find the rows by it, or name it "
        f"in `authors` {where}",
    ]  # fmt: skip
    full = Holding(
        Call,
        category="calls",
        of=by_contact("contact"),
        exports=("number", "transcript", "minutes"),
        told=("transcript",),
        secret=("recording",),
    )
    assert problems([*TABLES, Call], [*PAGES, full]) == []


PAYMENT = page_of(Payment)


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (replace(PAYMENT, exports=PAYMENT.exports[:-1], told=()), None),
        (replace(PAYMENT, exports=("colour",)), ".colour does not exist"),
        (replace(PAYMENT, exports=("account__colour",)), ".account__colour does not exist"),
        (replace(PAYMENT, authors=("colour",)), "take it out of `authors`"),
        (replace(PAYMENT, plain=("note",)), "named in `exports` and `plain` and `told`"),
        (replace(PAYMENT, currency="account__colour"), "say in `currency` where"),
        (replace(PAYMENT, becomes={"note": None}), "it is never empty"),
        (replace(PAYMENT, becomes={"note": "x" * 201}), "it takes at most 200 letters"),
        (replace(PAYMENT, becomes={"status": "gone"}), "'gone' is none of its choices"),
        (replace(PAYMENT, becomes={"amount_minor": "much"}), ".amount_minor cannot become"),
        (replace(PAYMENT, since=""), "say in `since` from which date on"),
        (replace(PAYMENT, since="note"), "say in `since` from which date on"),
        (replace(PAYMENT, fate=Fate.ERASE), "`since` and `retains` mean nothing"),
        (replace(PAYMENT, firm="account"), "`firm` does not lead to a firm"),
        (replace(PAYMENT, firm=""), "has a firm: let `firm` lead to it"),
        (replace(PAYMENT, category=""), "needs both: `of` and a `category`"),
        (replace(PAYMENT, of=None, category=""), "exports columns, but `of` finds no row"),
        (replace(PAYMENT, of=None), "hangs on billing.BillingAccount, which is about people"),
        (replace(PAYMENT, of=by_contact("payer")), "`of` asks for what there is not"),
        (replace(PAYMENT, held=lambda _: Q(lease=1)), "`held` asks for what there is not"),
        (replace(PAYMENT, basis=Basis.DERIVED), "came to us in 2 ways: agree on one"),
        (replace(PAYMENT, category="../payments"), "is no name for a file"),
        (
            replace(page_of(Lease), of=by_contact("parties__contact")),
            "found more than once by `of` (parties__contact__in)",
        ),
        (
            replace(page_of(Contact), becomes={"id": 1}),
            "it is unique, so the value must depend on the row's key",
        ),
    ],
)
def test_a_page_that_is_wrong_is_noticed(page: Holding, said: str | None) -> None:
    found = problems(TABLES, with_page(page))
    expected = said or ".note is a text that the page does not account for"
    if said is None:
        page = replace(page, becomes={})
        found = problems(TABLES, with_page(page))
    assert any(expected in one for one in found), found


def test_two_pages_for_a_table_are_noticed() -> None:
    assert problems(TABLES, [*PAGES, page_of(Invoice)]) == [
        "billing.Invoice is on 2 pages: leave one of its Holdings."
    ]
