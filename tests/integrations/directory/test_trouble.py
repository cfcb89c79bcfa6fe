"""A directory that … is never taken for one from which everybody has left."""

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings

from apps.integrations.directory import (
    DirectoryBroken,
    DirectoryDown,
    DirectoryError,
    DirectoryRefused,
    open_directory,
)
from tests.servers.answering import answering
from tests.servers.directories import place_of
from tests.servers.s3 import nobody
from tests.servers.standin import StandIn

SECRETS = (StandIn.password, StandIn.user)


def read_all(stand_in: StandIn, **how: Any) -> list[str]:
    directory = open_directory(place_of(stand_in, **how))
    try:
        return [person.guid for page in directory.people() for person in page]
    finally:
        directory.close()


def trouble(stand_in: StandIn, **how: Any) -> DirectoryError:
    """Return how reading fails; whatever is said of it holds no secret and no name."""
    with pytest.raises(DirectoryError) as caught:
        read_all(stand_in, **how)
    assert not any(secret in str(caught.value) for secret in SECRETS)
    return caught.value


def test_is_not_there(stand_in: StandIn, settings: Settings) -> None:
    settings.DIRECTORY_HOSTS = {stand_in.host: nobody()}
    assert isinstance(trouble(stand_in), DirectoryDown)


def test_is_not_there_makes_way_for_the_next(stand_in: StandIn, settings: Settings) -> None:
    ann = stand_in.add_person("a.berg")
    settings.DIRECTORY_HOSTS["dc0.directory.example"] = nobody()
    servers = ["dc0.directory.example", stand_in.host]
    assert read_all(stand_in, servers=servers) == [ann]
    directory = open_directory(place_of(stand_in, servers=servers), first=stand_in.host)
    directory.close()
    assert directory.controller.server == stand_in.host


@pytest.mark.parametrize("method", ["BIND", "SEARCH"])
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("timeout_before", DirectoryDown),
        pytest.param("trickle", DirectoryDown, marks=pytest.mark.slow),
        ("reset_before", DirectoryDown),
        ("malformed", DirectoryDown),
        ("error_before", DirectoryDown),
    ],
)
def test_spoils_an_answer_and_recovers(
    stand_in: StandIn, settings: Settings, method: str, kind: str, expected: type[Exception]
) -> None:
    settings.DIRECTORY_TIMEOUT = 1
    people = [stand_in.add_person(f"p{number}") for number in range(3)]
    stand_in.misbehave(kind, method=method)
    started = time.monotonic()
    assert isinstance(trouble(stand_in), expected)
    assert time.monotonic() - started < 10
    assert sorted(read_all(stand_in)) == sorted(people)


@pytest.mark.slow
def test_never_stops_talking(stand_in: StandIn) -> None:
    stand_in.misbehave("flood", method="SEARCH")
    assert isinstance(trouble(stand_in), DirectoryDown)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (4, DirectoryDown),  # no more at once
        (3, DirectoryDown),  # no more time
        (52, DirectoryDown),  # unavailable
        (10, DirectoryDown),  # somewhere else: credentials are for this server alone
        (50, DirectoryRefused),
        (32, DirectoryRefused),
    ],
)
def test_gives_some_and_then_says_no(
    stand_in: StandIn, status: int, expected: type[Exception]
) -> None:
    stand_in.add_person("a.berg")
    stand_in.misbehave("error_after", method="SEARCH", path=stand_in.unit, status=status)
    assert isinstance(trouble(stand_in), expected)


def _speaks_http(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def _says_nonsense(connection: socket.socket) -> None:
    connection.sendall(b"\x30\x05\x02\x01\x01\x61\x00")


@pytest.mark.parametrize("script", [_speaks_http, _says_nonsense])
def test_does_not_speak_ldap(
    stand_in: StandIn, settings: Settings, script: Callable[[socket.socket], None]
) -> None:
    settings.DIRECTORY_TIMEOUT = 1
    context = stand_in.directory.server.context
    with answering(script, tls=context) as address:
        settings.DIRECTORY_HOSTS = {stand_in.host: address.partition("//")[2]}
        assert isinstance(trouble(stand_in), DirectoryDown | DirectoryBroken)


def test_does_not_say_whether_somebody_is_disabled(stand_in: StandIn) -> None:
    ann = stand_in.add_person("a.berg")
    stand_in.change(ann, userAccountControl=[])
    assert isinstance(trouble(stand_in), DirectoryRefused)


@pytest.mark.parametrize("value", ["many", "512 or so", "", "٥"])
def test_says_so_in_no_number(stand_in: StandIn, value: str) -> None:
    stand_in.add_person("a.berg", control=value)
    assert isinstance(trouble(stand_in), DirectoryBroken)


def test_tells_names_that_are_none(stand_in: StandIn) -> None:
    names = {
        "givenName": "Ann\x00\r\nBcc: all@corp.example\u202e",
        "sn": "  Bërg   Lind " + "x" * 50_000,
        "title": "\ud83d".encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
    }
    stand_in.add_person("a.berg", **names)
    directory = open_directory(place_of(stand_in))
    [page] = directory.people()
    directory.close()
    [person] = page
    assert person.values["first_name"] == "Ann Bcc: all@corp.example"
    assert person.values["last_name"].startswith("Bërg Lind xxx")
    assert len(person.values["last_name"]) == 1_000
    assert person.values["title"] == "\ufffd"


def test_has_a_group_whose_name_is_a_filter(stand_in: StandIn) -> None:
    ann, bob = stand_in.add_person("a.berg"), stand_in.add_person("b.lind")
    group = stand_in.add_group("all)(objectClass=*", stand_in.add_group("inner*", bob))
    stand_in.add_group("other", ann)
    directory = open_directory(place_of(stand_in))
    assert set(directory.members(group)) >= {bob}
    assert ann not in directory.members(group)
    directory.close()
