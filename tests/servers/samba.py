"""A real Active Directory: Samba as a domain controller, in a network of its own.

ann = samba.add_person("a.berg", mail="ann@corp.example")
samba.change(ann, mail="ann.berg@corp.example")

Each test gets an empty organisational unit and looks only there. The domain is provisioned
once per run and copied by each test process that asks for one. It wants root, because the
controller listens on the ports of the protocol and must not meet another.
"""

import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

from ldap3 import BASE, NONE, Connection, Server, Tls
from ldap3.utils.dn import escape_rdn

PACKAGES = "samba-ad-dc samba-ad-provision winbind krb5-user"
HOST = "dc1.corp.example"
DOMAIN = "DC=corp,DC=example"
ADMINISTRATOR, PASSWORD = "Administrator@CORP.EXAMPLE", "Passw0rd-of-the-test"
STARTING_SECONDS = 60
SHOW_DELETED = ("1.2.840.113556.1.4.417", True, None)
PR_SET_PDEATHSIG = 1

_numbers = count(1)

_CONFIGURATION = """[global]
netbios name = DC1
realm = CORP.EXAMPLE
workgroup = CORP
server role = active directory domain controller
server services = ldap, kdc
interfaces = lo
bind interfaces only = yes
private dir = {home}/private
state directory = {home}/state
cache directory = {home}/cache
lock directory = {home}
pid directory = {home}/run
ncalrpc dir = {home}/ncalrpc
log file = {home}/log
tls enabled = yes
"""
# Inside the namespace: connects what arrives at a socket file with the controller's port.
_INSIDE = """
import sys
sys.path.insert(0, {root!r})
from tests.servers.samba import end_with_parent, forward_from
end_with_parent()
forward_from({path!r}, 389)
forward_from({tls_path!r}, 636).join()
"""


def missing() -> str:
    """Return what keeps a controller from running here, or nothing."""
    if shutil.which("samba") is None or shutil.which("samba-tool") is None:
        return f"Samba (Debian: apt-get install {PACKAGES})"
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return "root, which Samba needs for a network of its own"
    return ""


class Samba:
    """A controller, and the unit of it that belongs to one test."""

    host, domain = HOST, DOMAIN
    user, password = ADMINISTRATOR, PASSWORD

    def __init__(self, home: Path, port: int, tls_port: int) -> None:
        self.port, self.tls_port = port, tls_port
        self.ca = home / "private" / "tls" / "ca.pem"
        self.unit = ""
        server = Server("127.0.0.1", tls_port, use_ssl=True, tls=Tls(), get_info=NONE)
        self._admin = Connection(
            server, ADMINISTRATOR, PASSWORD, auto_bind=True, raise_exceptions=True
        )

    def open_unit(self) -> None:
        """Begin with an empty organisational unit."""
        self.unit = f"OU=test{next(_numbers)}-{os.getpid()},{DOMAIN}"
        self._admin.add(self.unit, "organizationalUnit")

    def address(self, security: str) -> str:
        """Return where it is reached with LDAPS or StartTLS."""
        return f"127.0.0.1:{self.tls_port if security == 'ldaps' else self.port}"

    def add_person(self, account: str, *, control: int = 512, **values: Any) -> str:
        """Add an account and return its objectGUID; ``control`` is its userAccountControl."""
        name = values.pop("cn", account)
        there = values.pop("unit", self.unit)
        dn = f"CN={escape_rdn(name)},{there}"
        about = {"sAMAccountName": f"{account}{self._tag}"[:20], **values}
        about["userAccountControl"] = control | 0x20  # nobody has a password
        self._admin.add(dn, ["top", "person", "organizationalPerson", "user"], about)
        return self._guid(dn)

    def add_group(self, name: str, *members: str) -> str:
        """Add a group and return its distinguished name."""
        dn = f"CN={name},{self.unit}"
        about: dict[str, Any] = {"sAMAccountName": f"{name}{self._tag}"}
        if members:
            about["member"] = [self.dn(one) for one in members]
        self._admin.add(dn, ["top", "group"], about)
        return dn

    def add_unit(self, name: str) -> str:
        """Add a unit below the test's own and return its distinguished name."""
        dn = f"OU={name},{self.unit}"
        self._admin.add(dn, "organizationalUnit")
        return dn

    def change(self, who: str, **values: Any) -> None:
        """Change attributes of an entry; an empty list removes one."""
        if "member" in values:
            values["member"] = [self.dn(one) for one in values["member"]]
        changes = {
            name: [("MODIFY_REPLACE", value if isinstance(value, list) else [value])]
            for name, value in values.items()
        }
        self._admin.modify(self.dn(who), changes)

    def move(self, who: str, *, name: str, unit: str) -> None:
        """Give an entry another name in another unit."""
        self._admin.modify_dn(self.dn(who), f"CN={escape_rdn(name)}", new_superior=unit)

    def remove(self, who: str) -> None:
        """Delete an entry; a tombstone stays."""
        self._admin.delete(self.dn(who))

    def dn(self, who: str) -> str:
        """Return where an entry is, told by its id or by that itself."""
        if "=" in who:
            return who
        self._admin.search(f"<GUID={who}>", "(objectClass=*)", BASE)
        return str(self._admin.response[0]["dn"])

    def account(self, who: str) -> str:
        """Return an entry's sAMAccountName: the accounts of all tests share a domain."""
        self._admin.search(
            f"<GUID={who}>", "(objectClass=*)", BASE, attributes=["sAMAccountName"]
        )
        return str(self._admin.response[0]["raw_attributes"]["sAMAccountName"][0].decode())

    def close(self) -> None:
        self._admin.unbind()

    @property
    def _tag(self) -> str:
        return f".{self.unit[7:].partition('-')[0]}"

    def _guid(self, dn: str) -> str:
        self._admin.search(dn, "(objectClass=*)", BASE, attributes=["objectGUID"])
        [guid] = self._admin.response[0]["raw_attributes"]["objectGUID"]
        return str(UUID(bytes_le=guid))


# ---- starting one ---------------------------------------------------------------------------


@contextlib.contextmanager
def controller(provisioned: Path) -> Iterator[Samba]:
    """Run a copy of a provisioned domain."""
    # Not below pytest's folder: a socket's path must stay under 108 bytes.
    home = Path(tempfile.mkdtemp(prefix="nightshift-samba-", dir="/tmp"))
    try:
        shutil.copytree(provisioned, home, dirs_exist_ok=True)
        (home / "etc" / "smb.conf").write_text(_CONFIGURATION.format(home=home))
        for folder in ("run", "ncalrpc"):
            (home / folder).mkdir(exist_ok=True)
        paths = home / "ldap", home / "ldaps"
        inside = _INSIDE.format(
            root=str(Path(__file__).resolve().parents[2]),
            path=str(paths[0]),
            tls_path=str(paths[1]),
        )
        (home / "inside.py").write_text(inside)
        script = (
            f"ip link set lo up && {{ {sys.executable} {home}/inside.py & "
            f"exec samba -F --no-process-group -M single -s {home}/etc/smb.conf "
            f"--debug-stdout -d1 >{home}/output 2>&1; }}"
        )
        process = subprocess.Popen(
            ["unshare", "--net", "--", "sh", "-c", script],
            start_new_session=True,
            preexec_fn=end_with_parent,  # noqa: PLW1509 - it takes no lock
        )
        try:
            _wait_for(paths[1], home)
            with _forwarded(paths[0]) as port, _forwarded(paths[1]) as tls_port:
                samba = Samba(home, port, tls_port)
                yield samba
                samba.close()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def provision(folder: Path) -> Path:
    """Return the folder of a domain with nobody in it, made by whoever of a run asks first."""
    home, lock = folder / "samba", folder / "samba.lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not home.exists():
            making = Path(tempfile.mkdtemp(prefix="samba-", dir=folder))
            subprocess.run(
                [
                    *("samba-tool", "domain", "provision", "--realm=CORP.EXAMPLE"),
                    *("--domain=CORP", "--server-role=dc", "--dns-backend=NONE"),
                    *("--host-name=dc1", "--host-ip=127.0.0.1", f"--adminpass={PASSWORD}"),
                    *("--use-rfc2307", f"--targetdir={making}"),
                    "--option=vfs objects=dfs_samba4 acl_xattr xattr_tdb",
                ],
                check=True,
                capture_output=True,
            )
            making.rename(home)
    return home


def forward_from(path: str, port: int) -> threading.Thread:
    """Connect whoever comes to a socket file with a port of loopback."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    return _accepting(listener, lambda: socket.create_connection(("127.0.0.1", port)))


@contextlib.contextmanager
def _forwarded(path: Path) -> Iterator[int]:
    """Give a free port of loopback that leads to a socket file."""

    def connect() -> socket.socket:
        there = socket.socket(socket.AF_UNIX)
        there.connect(str(path))
        return there

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        _accepting(listener, connect)
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _accepting(listener: socket.socket, connect: Any) -> threading.Thread:
    def accept() -> None:
        while True:
            try:
                here, _ = listener.accept()
            except OSError:
                return
            try:
                there = connect()
            except OSError:
                here.close()
                continue
            threading.Thread(target=_joined, args=(here, there), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    return thread


def _joined(here: socket.socket, there: socket.socket) -> None:
    """Pass on what either says, until both have ended."""
    with here, there:
        back = threading.Thread(target=_pump, args=(there, here), daemon=True)
        back.start()
        _pump(here, there)
        back.join()


def _pump(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65_536):
            other.sendall(data)
    for end in (one, other):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def _wait_for(path: Path, home: Path) -> None:
    """Wait until the controller shakes hands."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    deadline = time.monotonic() + STARTING_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as there:
            there.settimeout(2)
            there.connect(str(path))
            context.wrap_socket(there).close()
            return
        time.sleep(0.05)
    raise TimeoutError((home / "output").read_text()[-2_000:])


def end_with_parent() -> None:
    """Let this process be killed when the one that started it ends, however it does."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
