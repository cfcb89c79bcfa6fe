"""Dovecot for tests: a real IMAP server on loopback, up in a fifth of a second.

It comes from Debian (``apt-get install dovecot-imapd``). Its processes run as nobody when the
tests run as root, and as whoever runs the tests otherwise.
"""

import base64
import grp
import hashlib
import hmac
import json
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import trustme

from tests.servers.imap import HOST, MailHost, free_ports, wait_until_greeted

_TOKEN_KEY = b"what access tokens are signed with"

_CONFIGURATION = """
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/log
protocols = imap
listen = 127.0.0.1
default_login_user = {user}
default_internal_user = {user}
default_internal_group = {group}
ssl = yes
ssl_cert = <{home}/certificate.pem
ssl_key = <{home}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login xoauth2
auth_failure_delay = 0
auth_cache_size = 0
first_valid_uid = 1
mail_location = maildir:{home}/mail/%u
mail_uid = {uid}
mail_gid = {gid}
mail_fsync = never
mail_max_userip_connections = 100
namespace inbox {{
  inbox = yes
  separator = /
}}
passdb {{
  driver = oauth2
  mechanisms = xoauth2
  args = {home}/oauth2.conf
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {home}/users/%u
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={home}/mail/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
"""

# Tokens are judged by their signature, without asking anybody.
_OAUTH2 = """
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={home}/keys/
"""


def find_dovecot() -> str | None:
    """The server's path, or nothing where there is none."""
    return shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def dovecot() -> Iterator[MailHost]:
    """Serve mailboxes on loopback until the block ends."""
    program = find_dovecot()
    assert program, "apt-get install dovecot-imapd"
    home = Path(tempfile.mkdtemp(prefix="nightshift-dovecot-", dir="/tmp"))  # short paths
    home.chmod(0o755)
    try:
        served = _prepare(home)
        process = subprocess.Popen(
            [program, "-F", "-c", str(home / "dovecot.conf")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            if not wait_until_greeted(served.port):
                log = home / "log"
                raise RuntimeError(log.read_text() if log.exists() else "Dovecot says nothing")
            yield served
        finally:
            process.terminate()
            process.wait(10)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def access_token(user: str, *, seconds: int = 3600) -> str:
    """Return a token that lets its bearer sign in as a user for so long."""
    now = int(time.time())
    claims = {"sub": user, "email": user, "iat": now, "exp": now + seconds}
    signed = f"{_coded({'typ': 'JWT', 'alg': 'HS256'})}.{_coded(claims)}"
    signature = hmac.new(_TOKEN_KEY, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{_base64(signature)}"


def _prepare(home: Path) -> MailHost:
    root = os.geteuid() == 0
    account = pwd.getpwnam("nobody") if root else pwd.getpwuid(os.getuid())
    port, tls_port = free_ports(2)
    for name in ("run", "state", "mail", "users", "keys/default/HS256"):
        (home / name).mkdir(parents=True)
    if root:
        os.chown(home / "mail", account.pw_uid, account.pw_gid)
    (home / "keys/default/HS256/default").write_text(base64.b64encode(_TOKEN_KEY).decode())
    authority = trustme.CA()
    authority.cert_pem.write_to_path(home / "authority.pem")
    certificate = authority.issue_cert(HOST, "localhost")
    certificate.private_key_pem.write_to_path(home / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(home / "certificate.pem")
    (home / "oauth2.conf").write_text(_OAUTH2.format(home=home))
    (home / "dovecot.conf").write_text(
        _CONFIGURATION.format(
            home=home,
            port=port,
            tls_port=tls_port,
            user=account.pw_name,
            group=grp.getgrgid(account.pw_gid).gr_name,
            uid=account.pw_uid,
            gid=account.pw_gid,
        )
    )

    def write_user(user: str, password: str) -> None:
        line = f"{user}:{{PLAIN}}{password}::::::\n"  # a file each, or it is not looked at
        (home / "users" / user).write_text(line)

    return MailHost(
        "Dovecot",
        port,
        home / "mail",
        write_user,
        tls_port=tls_port,
        authority=home / "authority.pem",
        owner=account.pw_uid if root else None,
    )


def _coded(told: Mapping[str, object]) -> str:
    return _base64(json.dumps(told).encode())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
