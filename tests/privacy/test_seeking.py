"""Finding somebody in texts: what is a mention, what is not, and what is left of the text."""

import json
from typing import Any

import pytest

from apps.audit.models import AuditEvent
from apps.jobs.models import JobRun
from apps.privacy.services.erasing.marks import Kind, Mark, Marks
from apps.privacy.services.erasing.seeking import Seeker, text_columns
from apps.webhooks.models import GatewayAccount, WebhookEvent
from tests.factories import AuditEventFactory, WebhookEventFactory

ANN = Marks(
    frozenset(
        {
            Mark(Kind.EMAIL, "ann@example.com"),
            Mark(Kind.EMAIL, "ann+rent@example.org"),
            Mark(Kind.PHONE, "+15551234567"),
            Mark(Kind.NAME, "Ann O'Hara"),
            Mark(Kind.NAME, "Jörg Österreich"),
            Mark(Kind.NAME, "ნინო ბერიძე"),
            Mark(Kind.NAME, "山田太郎"),
            Mark(Kind.ID, "cus_Ann1"),
        }
    )
)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Write to ann@example.com.", "Write to [erased]."),
        ("<ANN@Example.COM>", "<[erased]>"),
        ("joann@example.com", None),
        ("ann@example.com.au", None),
        ("ann@example.community", None),
        ("?to=ann%40example.com&x=1", "?to=[erased]&x=1"),
        ("ann%2Brent%40example.org", "[erased]"),
        ("Called +15551234567", "Called [erased]"),
        ("Called +1 (555) 123-4567 twice", "Called [erased] twice"),
        ("001 555 123 4567", "[erased]"),
        ("order 915551234567", None),
        ("15551234567890", None),
        ("ANN O'HARA paid", "[erased] paid"),
        ("Ann  O’Hara paid", "[erased] paid"),
        ("Ann O&#x27;Hara paid", "[erased] paid"),
        ("Joann O'Hara paid", None),
        ("Ann O'Harassment", None),
        ("Ann", None),
        ("JÖRG österreich", "[erased]"),
        ('{"name": "J\\u00f6rg \\u00d6sterreich"}', '{"name": "[erased]"}'),
        ("ნინო ბერიძე", "[erased]"),
        ("山田太郎さん", "[erased]さん"),
        ("cus_Ann1", "[erased]"),
        ("cus_Ann12", None),
    ],
)
def test_takes_out_whole_mentions_only(text: str, left: str | None) -> None:
    seeker = Seeker(ANN)
    assert seeker.finds(text) is (left is not None)
    assert seeker.without(text) == (text if left is None else left)


def test_reads_json_through_and_leaves_what_else_it_says() -> None:
    value = {"to": ["Ann O'Hara", {"ann@example.com": 1}], "amount": 5, "none": None}
    assert Seeker(ANN).finds(value)
    assert Seeker(ANN).without(value) == {
        "to": ["[erased]", {"[erased]": 1}],
        "amount": 5,
        "none": None,
    }


def test_reads_bytes_that_are_no_text() -> None:
    assert Seeker(ANN).without(b"\xff ann@example.com \x00") == b"\xff [erased] \x00"


def test_finds_nobody_without_marks() -> None:
    nobody = Seeker(Marks())
    assert not nobody.finds("anything")
    assert nobody.without("anything") == "anything"


# ---- in the database ------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    "text",
    [
        "ANN@example.COM",
        "ann%40example.com",
        "+1 555 123-4567",
        "ann o'hara",
        "Ann O’Hara",
        "JÖRG ÖSTERREICH",
        "ნინო ბერიძე",
        "山田太郎さん",
        "cus_Ann1",
    ],
)
@pytest.mark.parametrize("column", ["reason", "changes"])
def test_the_database_finds_each_way_to_write_a_mark(text: str, column: str) -> None:
    value: Any = text if column == "reason" else {"said": [text]}
    event = AuditEventFactory(**{column: value})
    AuditEventFactory(**{column: "Joann O'Hara" if column == "reason" else {"joann": 1}})
    found = list(Seeker(ANN).speaking(AuditEvent.objects.all(), ["reason", "changes"]))
    assert [(row.pk, names) for row, names in found] == [(event.pk, [column])]


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["Jörg Österreich", "ნინო ბერიძე", "ann@example.com"])
def test_the_database_looks_into_bytes(name: str) -> None:
    events = [
        WebhookEventFactory(
            raw_body=json.dumps({"name": name}, ensure_ascii=escapes).encode() + b"\x00\xff"
        )
        for escapes in (True, False)
    ]
    WebhookEventFactory()
    found = list(Seeker(ANN).speaking(WebhookEvent.objects.all(), ["raw_body"]))
    assert [(row.pk, names) for row, names in found] == [
        (event.pk, ["raw_body"]) for event in events
    ]


@pytest.mark.django_db
def test_finds_many_in_few_questions(django_assert_max_num_queries: Any) -> None:
    for number in range(30):
        AuditEventFactory(reason=f"{number}: ann@example.com")
    with django_assert_max_num_queries(2):
        rows = AuditEvent.objects.all()
        assert len(list(Seeker(ANN).speaking(rows, ["reason", "changes"]))) == 30


def test_looks_at_all_kinds_of_text_but_ciphertexts() -> None:
    assert {"arguments", "summary", "problem", "money"} <= set(text_columns(JobRun))
    assert {"raw_body", "headers"} <= set(text_columns(WebhookEvent))
    assert "credentials" not in text_columns(GatewayAccount)
