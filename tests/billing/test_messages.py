"""A letter of billing's … reads the same as text and as a page."""

from bs4 import BeautifulSoup

from apps.billing.messages import COLLECTING_FAILED
from apps.notifications.models import Notification
from apps.notifications.paragraphs import as_html


def test_a_list_stands_on_lines_of_its_own() -> None:
    facts = {"amount": "$500.00", "customer": "Ada <Ltd>", "why": "declined"}
    words = COLLECTING_FAILED.write(
        [Notification(context=facts | {"number": f"INV-{n}"}) for n in (1, 2)]
    )
    lines = [
        "These could not be collected by card and need a person:",
        "• INV-1, $500.00, Ada <Ltd>: declined",
        "• INV-2, $500.00, Ada <Ltd>: declined",
    ]
    assert words.text.startswith("\n".join(lines))
    first = BeautifulSoup(as_html(words.text), "html.parser").p
    assert first is not None
    assert list(first.stripped_strings) == lines
