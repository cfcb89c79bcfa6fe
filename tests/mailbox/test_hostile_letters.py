"""Letters that nobody would write in earnest: each is stored, in a ticket, or marked."""

import pytest

from apps.firms.models import Firm
from apps.mailbox.models import EmailMessage
from tests.factories import EmailConnectionFactory
from tests.mailbox import corpus
from tests.mailbox.post import Post, letter, letters, summary, sync, take_in

pytestmark = pytest.mark.django_db


def test_are_each_stored_in_a_ticket_or_marked_and_do_their_neighbours_no_harm(
    firm: Firm,
) -> None:
    connection = EmailConnectionFactory(firm=firm)
    every = [raw for _, raw in corpus.every()]
    mixed = [one for pair in zip(letters(len(every)), every, strict=True) for one in pair]

    report = take_in(connection, *mixed)

    assert report.done + report.failed + report.skipped == len(mixed)
    stored = EmailMessage.objects.filter(connection=connection)
    good = stored.filter(subject__startswith="Letter ", state="stored")
    assert good.count() == len(every)
    # Some of them are the same letter.
    assert len(every) - 12 < stored.count() - good.count() <= len(every)
    for message in stored.select_related("entry", "raw"):
        assert (message.state == "unparseable") == (message.entry is None)
        assert bool(message.problem) == (message.state == "unparseable")
        assert message.raw is not None
        assert message.raw.size_bytes == message.size


@pytest.mark.dovecot
@pytest.mark.slow
def test_come_through_a_real_server(post: Post) -> None:
    every = dict(corpus.every())
    post.deliver(*every.values(), letter("The last", message_id="last@x"))
    out = sync(max_messages=5_000)
    assert post.messages()[-1].subject == "The last"
    assert post.cursor() == len(every) + 1
    assert summary(sync())["New messages"] == "0", out
