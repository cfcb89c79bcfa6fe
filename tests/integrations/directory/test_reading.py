"""A directory is read …, of Samba and of its stand-in alike."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from pytest_django import Settings

from apps.integrations.directory import (
    Directory,
    DirectoryRefused,
    DirectoryUntrusted,
    Person,
    Security,
    check_filter,
    open_directory,
)
from tests.servers.directories import ActiveDirectory, place_of
from tests.servers.standin import StandIn


@contextmanager
def opened(ad: ActiveDirectory, **how: Any) -> Iterator[Directory]:
    directory = open_directory(place_of(ad, **how))
    try:
        yield directory
    finally:
        directory.close()


def read(ad: ActiveDirectory, *, since: int | None = None, **how: Any) -> dict[str, Person]:
    with opened(ad, **how) as directory:
        return {one.guid: one for page in directory.people(since=since) for one in page}


def test_person_by_person_with_what_the_map_names(ad: ActiveDirectory) -> None:
    ann = ad.add_person(
        "a.berg", givenName="Ann", sn="Bërg", mail="ann@corp.example", title="Partner",
        userPrincipalName="a.berg@corp.example", accountExpires="133500000000000000",
    )  # fmt: skip
    assert read(ad) == {
        ann: Person(
            guid=ann,
            dn=ad.dn(ann),
            account=ad.account(ann),
            upn="a.berg@corp.example",
            is_disabled=False,
            expires_at=datetime(2024, 1, 17, 21, 20, tzinfo=UTC),
            values={
                "first_name": "Ann",
                "last_name": "Bërg",
                "email": "ann@corp.example",
                "title": "Partner",
            },
        )
    }


def test_over_starttls_too(ad: ActiveDirectory, settings: Settings) -> None:
    ann = ad.add_person("a.berg")
    settings.DIRECTORY_HOSTS = {ad.host: ad.address("starttls")}
    assert list(read(ad, security=Security.STARTTLS)) == [ann]


@pytest.mark.parametrize(
    ("control", "is_disabled"),
    [
        (512, False),
        (514, True),
        (66_048, False),
        (66_050, True),  # and its password never expires
        (528, False),  # locked out, which is no more than that
        (8_389_120, False),  # its password has expired
    ],
)
def test_with_one_bit_that_says_disabled(
    stand_in: StandIn, control: int, is_disabled: bool
) -> None:
    ann = stand_in.add_person("a.berg", control=control)
    assert read(stand_in)[ann].is_disabled is is_disabled


@pytest.mark.parametrize("ticks", [0, 9_223_372_036_854_775_807, 9_223_372_036_854_775_806])
def test_without_an_end_where_it_never_comes(stand_in: StandIn, ticks: int) -> None:
    ann = stand_in.add_person("a.berg", accountExpires=str(ticks))
    assert read(stand_in)[ann].expires_at is None


def test_without_machines_and_trusts(stand_in: StandIn) -> None:
    stand_in.add_person("SERVER$", control=4_096)
    stand_in.add_person("OTHER$", control=2_080)
    assert read(stand_in) == {}


def test_only_where_the_filter_says(ad: ActiveDirectory) -> None:
    ad.add_person("a.berg", title="Partner")
    bob = ad.add_person("b.lind", title="Clerk")
    assert list(read(ad, filter="(!(title=Partner))")) == [bob]


def test_in_pages(stand_in: StandIn) -> None:
    for number in range(1_201):
        stand_in.add_person(f"p{number}")
    with opened(stand_in) as directory:
        assert [len(page) for page in directory.people()] == [500, 500, 201]


def test_since_a_number_of_changes(ad: ActiveDirectory) -> None:
    ann, bob = ad.add_person("a.berg"), ad.add_person("b.lind")
    with opened(ad) as directory:
        usn = directory.controller.highest_usn
    assert read(ad, since=usn + 1) == {}
    ad.change(bob, mail="bob@corp.example")
    assert list(read(ad, since=usn + 1)) == [bob]
    assert set(read(ad)) == {ann, bob}


def test_without_whom_it_has_deleted_but_with_their_tombstones(ad: ActiveDirectory) -> None:
    ann, bob = ad.add_person("a.berg"), ad.add_person("b.lind")
    with opened(ad) as directory:
        usn = directory.controller.highest_usn
    ad.remove(bob)
    assert list(read(ad)) == [ann]
    with opened(ad) as directory:
        assert [one for page in directory.deleted(since=usn + 1) for one in page] == [bob]
        later = directory.controller.highest_usn + 1
        assert [one for page in directory.deleted(since=later) for one in page] == []


def test_without_tombstones_where_it_may_not_look_at_them(stand_in: StandIn) -> None:
    stand_in.remove(stand_in.add_person("a.berg"))
    stand_in.directory.shows_deleted = False
    with opened(stand_in) as directory:
        assert list(directory.deleted(since=1)) == []


def test_group_by_group_with_the_groups_within(ad: ActiveDirectory) -> None:
    ann, bob, carl = (ad.add_person(name) for name in ("a.berg", "b.lind", "c.moss"))
    outside = ad.add_group("outside", carl)
    innermost = ad.add_group("innermost", bob)
    group = ad.add_group("all, (really)".replace(", ", "-"), ann, ad.add_group("i", innermost))
    with opened(ad) as directory:
        found = set(directory.members(group))
        assert {ann, bob} <= found
        assert carl not in found
        assert directory.members(outside) == {carl}


def test_large_groups_in_ranges(stand_in: StandIn) -> None:
    stand_in.directory.most_values = 3
    people = [stand_in.add_person(f"p{number}") for number in range(8)]
    group = stand_in.add_group("large", *people)
    with opened(stand_in) as directory:
        assert directory.members(group) == set(people)


def test_but_no_group_that_is_not_there(ad: ActiveDirectory) -> None:
    with opened(ad) as directory, pytest.raises(DirectoryRefused):
        directory.members(f"CN=nobody,{ad.unit}")


def test_from_one_database_that_it_names(ad: ActiveDirectory) -> None:
    with opened(ad) as directory, opened(ad) as again:
        assert directory.controller.server == ad.host
        assert directory.controller.invocation == again.controller.invocation != ""


def test_as_somebody_with_the_right_password_only(ad: ActiveDirectory) -> None:
    with pytest.raises(DirectoryRefused, match="the user or the password is wrong"):
        open_directory(place_of(ad, password="wrong"))
    # An empty password would sign in as nobody, and that always works.
    with pytest.raises(DirectoryRefused, match="is missing"):
        open_directory(place_of(ad, password=""))


def test_from_who_can_prove_to_be_it(
    ad: ActiveDirectory, settings: Settings, other_authority: str
) -> None:
    for security in Security:
        settings.DIRECTORY_HOSTS = {
            ad.host: ad.address(security), "dc2.corp.example": ad.address(security)
        }  # fmt: skip
        with pytest.raises(DirectoryUntrusted):
            open_directory(place_of(ad, security=security, authority=other_authority))
        with pytest.raises(DirectoryUntrusted):
            open_directory(place_of(ad, security=security, servers=["dc2.corp.example"]))
        with opened(
            ad, security=security, servers=["dc2.corp.example"], certificate_name=ad.host
        ):
            pass  # by an alias, whose name the certificate does not carry


def test_from_who_this_host_trusts_anyway(ad: ActiveDirectory, settings: Settings) -> None:
    settings.DIRECTORY_CA = ""
    with pytest.raises(DirectoryUntrusted):
        open_directory(place_of(ad, authority=""))
    settings.DIRECTORY_CA = str(ad.ca)
    with opened(ad, authority=""):
        pass


@pytest.mark.parametrize("text", ["(a=b", "a=b)", "(a=b)(c=d)", "(a=b))(|(c=d", "", "(&)", "x"])
def test_by_whole_filters_only(text: str) -> None:
    with pytest.raises(DirectoryRefused):
        check_filter(text)


def test_by_any_whole_filter() -> None:
    check_filter("(&(department=Sales)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))")
