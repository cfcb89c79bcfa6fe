"""Who may do what: every verb, by job, firm, group and kind of person."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied

from apps.console.models import Grant
from apps.console.rights import Rights, Verb, firm_of
from apps.core.problems import BadOption
from apps.firms.models import Firm, User
from apps.jobs.models import JobRun
from tests.console.world import CROWDS, JOB, a_run, an_item, granted, someone, superuser
from tests.factories import FirmFactory, UserFactory

pytestmark = pytest.mark.django_db

VERBS = list(Verb)


@pytest.fixture
def alder() -> Firm:
    return FirmFactory(name="Alder", slug="alder")


@pytest.fixture
def birch() -> Firm:
    return FirmFactory(name="Birch", slug="birch")


def allowed(user: User, job: str = JOB, firm: Firm | None = None) -> set[str]:
    """Return which verbs somebody has on a job, for a firm or for all."""
    rights = Rights(user)
    return {verb for verb in VERBS if rights.may(verb, job, firm.pk if firm else None)}


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != Verb.VIEW])
def test_a_grant_lets_look_and_do_what_it_names(verb: Verb) -> None:
    assert allowed(granted("ann", verb)) == {Verb.VIEW, verb}


def test_a_grant_without_verbs_lets_look() -> None:
    assert allowed(granted("ann")) == {Verb.VIEW}


def test_a_grant_for_a_job_is_for_no_other() -> None:
    ann = granted("ann", "run", job=JOB)
    assert (allowed(ann, JOB), allowed(ann, CROWDS)) == ({Verb.VIEW, Verb.RUN}, set())
    assert [job.name for job in Rights(ann).jobs()] == [JOB]
    assert [job.name for job in Rights(ann).jobs(Verb.PAUSE)] == []


def test_a_grant_for_a_firm_is_for_no_other_and_not_for_all(alder: Firm, birch: Firm) -> None:
    ann = granted("ann", "run", firm=alder)
    assert allowed(ann, firm=alder) == {Verb.VIEW, Verb.RUN}
    assert (allowed(ann, firm=birch), allowed(ann)) == (set(), set())
    rights = Rights(ann)
    assert rights.may_somewhere(Verb.RUN, JOB)
    assert not rights.may_somewhere(Verb.PAUSE, JOB)
    assert [*rights.firms()] == [alder]
    assert [*rights.firms_for([Verb.RUN], JOB)] == [alder]
    assert [*rights.firms_for([Verb.APPROVE], JOB)] == []


def test_a_grant_for_all_firms_is_for_each(alder: Firm, birch: Firm) -> None:
    ann = granted("ann", "approve", job=JOB)
    assert allowed(ann, firm=birch) == {Verb.VIEW, Verb.APPROVE}
    assert {*Rights(ann).firms()} == {alder, birch}
    assert {*Rights(ann).firms_for([Verb.APPROVE], JOB)} == {alder, birch}


def test_a_group_has_what_it_was_granted() -> None:
    group = Group.objects.create(name="Operators")
    Grant.objects.create(group=group, may_pause=True)
    ann, bob = someone("ann"), someone("bob")
    ann.groups.add(group)
    assert (allowed(ann), allowed(bob)) == ({Verb.VIEW, Verb.PAUSE}, set())


def test_grants_add_up(alder: Firm) -> None:
    ann = granted("ann", "run", firm=alder)
    Grant.objects.create(user=ann, job=JOB, may_preview=True)
    assert allowed(ann, firm=alder) == {Verb.VIEW, Verb.RUN, Verb.PREVIEW}
    assert allowed(ann) == {Verb.VIEW, Verb.PREVIEW}


@pytest.mark.parametrize(
    ("person", "verbs"),
    [
        ({"is_superuser": True}, set(VERBS)),
        ({"is_superuser": True, "is_active": False}, set()),
        ({"is_active": False}, set()),
        ({"is_staff": False}, set()),
    ],
)
def test_by_what_somebody_is(person: dict[str, Any], verbs: set[Verb]) -> None:
    user = UserFactory(**{"is_staff": True} | person)
    if not user.is_superuser:
        Grant.objects.create(user=user, may_run=True, may_pause=True)
    assert allowed(user) == verbs
    assert Rights(user).any == bool(verbs)
    assert Rights(user).whole == bool(verbs)


def test_a_firms_own_staff_look_at_their_firm_and_no_more(alder: Firm, birch: Firm) -> None:
    ann = someone("ann", firm=alder)
    assert (allowed(ann, firm=alder), allowed(ann, firm=birch), allowed(ann)) == (
        {Verb.VIEW},
        set(),
        set(),
    )
    assert not Rights(ann).whole
    stranger = someone("bob", firm=birch, rights=False)
    assert not Rights(stranger).any


def test_demanding_what_is_not_allowed_raises(alder: Firm) -> None:
    rights = Rights(granted("ann", "run", firm=alder))
    rights.demand(Verb.RUN, JOB, alder.pk)
    with pytest.raises(PermissionDenied):
        rights.demand(Verb.RUN, JOB)
    with pytest.raises(PermissionDenied):
        rights.demand(Verb.PAUSE, JOB, alder.pk)


# ---- the record -----------------------------------------------------------------------------


@pytest.fixture
def runs(alder: Firm, birch: Firm) -> dict[str, JobRun]:
    """Runs of both firms, of one by its number, of one by its slug, and of another job."""
    both, crowds = a_run(), a_run(job=CROWDS)
    for run in (both, crowds):
        an_item(run, alder)
        an_item(run, birch)
    made = {
        "both": both,
        "crowds": crowds,
        "alder": a_run(arguments={"firm_id": alder.pk}),
        "birch": a_run(arguments={"tenant": "birch"}),
        "nobody": a_run(),
    }
    an_item(made["alder"], alder)
    an_item(made["birch"], birch)
    return made


def seen(user: User, runs: dict[str, JobRun]) -> dict[str, tuple[bool, int]]:
    """Return which runs somebody sees, whether whole, and how many of their items."""
    rights = Rights(user)
    visible = {*rights.runs()}
    return {
        name: (rights.sees_whole(run), rights.items().filter(run=run).count())
        for name, run in runs.items()
        if run in visible
    }


WHOLE = {
    "both": (True, 2),
    "crowds": (True, 2),
    "alder": (True, 1),
    "birch": (True, 1),
    "nobody": (True, 0),
}


def test_a_superuser_sees_everything(runs: dict[str, JobRun]) -> None:
    assert seen(superuser(), runs) == WHOLE


def test_a_grant_for_everything_sees_everything(runs: dict[str, JobRun]) -> None:
    assert seen(granted("ann"), runs) == WHOLE


def test_a_grant_for_a_job_sees_its_runs_whole(runs: dict[str, JobRun]) -> None:
    assert seen(granted("ann", job=CROWDS), runs) == {"crowds": (True, 2)}


def test_a_firms_staff_see_their_items_and_whole_what_was_theirs_alone(
    runs: dict[str, JobRun], alder: Firm, birch: Firm
) -> None:
    in_part = {"both": (False, 1), "crowds": (False, 1)}
    assert seen(someone("ann", firm=alder), runs) == {**in_part, "alder": (True, 1)}
    assert seen(someone("bob", firm=birch), runs) == {**in_part, "birch": (True, 1)}


def test_a_grant_for_one_job_of_one_firm_sees_no_more(
    runs: dict[str, JobRun], birch: Firm
) -> None:
    assert seen(granted("ann", job=CROWDS, firm=birch), runs) == {"crowds": (False, 1)}


def test_what_somebody_started_they_see(runs: dict[str, JobRun], alder: Firm) -> None:
    ann = granted("ann", "preview", firm=alder)
    mine = a_run(started_by=ann, arguments={"firm_id": alder.pk}, dry_run=True)
    assert mine in Rights(ann).runs()


def test_the_firm_of_arguments(alder: Firm, birch: Firm) -> None:
    assert firm_of({}) is None
    assert firm_of({"firm_id": alder.pk}) == alder.pk
    assert firm_of({"tenant": "birch"}) == birch.pk
    assert firm_of({"tenant": 12}) is None  # a renter's number
    with pytest.raises(BadOption, match="Firm with ID 0 does not exist"):
        firm_of({"firm_id": 0})
    with pytest.raises(BadOption, match="Tenant 'cedar' does not exist"):
        firm_of({"tenant": "cedar"})
