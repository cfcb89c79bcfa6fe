"""A plain text becomes HTML (``as_html``) ..."""

import pytest
from bs4 import BeautifulSoup

from apps.notifications.paragraphs import as_html


def parsed(text: str) -> BeautifulSoup:
    return BeautifulSoup(as_html(text), "html.parser")


def test_with_facts_as_a_table() -> None:
    html = parsed("Your invoice is ready.\n\nMonth: March 2025\nTotal: $1,500.00\n\nThank you.")

    assert [one.text for one in html.find_all("p")] == ["Your invoice is ready.", "Thank you."]
    rows = [[cell.text for cell in row.find_all("td")] for row in html.find_all("tr")]
    assert rows == [["Month", "March 2025"], ["Total", "$1,500.00"]]


def test_with_a_link_of_its_own_as_a_button() -> None:
    html = parsed("Pay $5 here:\nhttps://night.example/pay?a=1&b=2\n")

    assert html.a is not None
    assert (html.a.text, html.a["href"]) == (
        "Pay $5 here",
        "https://night.example/pay?a=1&b=2",
    )
    assert "https" not in html.text


@pytest.mark.parametrize(
    "text",
    [
        "Please note: the water is off.",  # a sentence
        "Bring:\nkeys and papers",
        "10:30: the tour begins",
        "See https://night.example for more",
        "Total: $5\nand a sentence that goes on",
        "Pay here:\njavascript:alert(1)",
    ],
)
def test_with_anything_else_as_a_paragraph(text: str) -> None:
    html = parsed(text)

    assert html.table is None
    (paragraph,) = html.find_all("p")
    assert paragraph.get_text(" ").split() == text.split()
    assert all(one["href"].startswith("https://") for one in html.find_all("a"))


@pytest.mark.parametrize(
    "text",
    [
        "<b>Hi</b>",
        "<b>Total</b>: <i>5</i>",
        "T<script>: <script>alert(1)</script>",
        'Pay <b>here</b>:\nhttps://x.example/"><script>alert(1)</script>',
        "See https://x.example/<script>alert(1)</script>",
        "{Name}: {0} {x!r}",
    ],
)
def test_with_nothing_in_it_taken_for_markup(text: str) -> None:
    html = as_html(text)

    assert "<script" not in html
    assert "<b>" not in html
    assert parsed(text).find("i") is None


def test_whatever_ends_its_lines() -> None:
    assert as_html("a\r\nb\r\n \r\nc") == "<p>a<br>b</p>\n\n<p>c</p>" == as_html("a\nb\n\nc\n")
