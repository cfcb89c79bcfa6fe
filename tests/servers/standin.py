"""The sandbox's directory, as tests use Samba: one unit of it for each test."""

from itertools import count
from pathlib import Path
from typing import Any

from sandbox import Sandbox
from sandbox.directory import HOST
from sandbox.directory.domain import BASE, Directory

_numbers = count(1)

USER, PASSWORD = "reader@directory.example", "password-marker-of-the-directory"


class StandIn:
    """One domain on loopback, and the unit of it that belongs to one test."""

    host, domain = HOST, BASE
    user, password = USER, PASSWORD

    def __init__(self, sandbox: Sandbox, ca: Path) -> None:
        self.sandbox, self.ca = sandbox, ca
        self.directory: Directory = sandbox.directory
        self.directory.accounts[USER] = PASSWORD
        self.unit = self.add_unit(f"test{next(_numbers)}", unit=BASE)

    def address(self, security: str) -> str:
        """Return where it is reached: one port takes both ways of TLS."""
        return self.directory.server.address

    def add_unit(self, name: str, *, unit: str = "") -> str:
        return self.directory.add_unit(name, unit=unit or self.unit)

    def add_person(self, account: str, *, unit: str = "", **values: Any) -> str:
        return self.directory.add_person(account, unit=unit or self.unit, **values)

    def add_group(self, name: str, *members: str) -> str:
        return self.directory.add_group(name, unit=self.unit, members=members)

    def change(self, who: str, **values: Any) -> None:
        self.directory.change(who, **values)

    def move(self, who: str, *, name: str, unit: str) -> None:
        self.directory.move(who, name=name, unit=unit)

    def remove(self, who: str) -> None:
        self.directory.remove(who)

    def dn(self, who: str) -> str:
        return self.directory.entries.find(who).dn

    def account(self, who: str) -> str:
        return self.directory.entries.find(who).values["samaccountname"][0]

    def misbehave(self, kind: str, **how: Any) -> None:
        """Spoil an answer; see ``sandbox/misbehaviour.py``."""
        self.sandbox.core.misbehaviours.add(kind, vendor="directory", **how)
