"""An S3 on loopback that misbehaves on request: moto's, inside this process.

def test_…(s3: S3Server):
    s3.refuse_next(503, "SlowDown")       # the next request, or the next few
    s3.hang_next()                        # never answers
    s3.halve_next()                       # says how long the answer is, and sends half of it
    ...
    assert s3.requests == ["PUT /files-1/firms/1/a"]

moto believes any credentials and any signature.
"""

import logging
import socket
import threading
import urllib.request
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import Any

import boto3
import pytest
from botocore.config import Config
from pytest_django import Settings

HOST = "127.0.0.1"
KEY, SECRET = "AKIANIGHTSHIFTMARKER", "secret-marker/0123456789+abcdefghijklmno"
REFUSAL = (
    '<?xml version="1.0"?><Error><Code>{0}</Code><Message>{0} of the test</Message></Error>'
)
ACCOUNT = "123456789012"  # moto's
PATIENCE = 30  # seconds that a test may take

App = Callable[[dict[str, Any], Any], Iterable[bytes]]
Behaviour = Callable[[App, dict[str, Any], Any], Iterable[bytes]]

_numbers = count(1)

logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it tells every request


class S3Server:
    """What a test sees of the server: its buckets, what was asked, and how to spoil it."""

    def __init__(self) -> None:
        from moto.server import ThreadedMotoServer  # slow, and most tests do without

        self.requests: list[str] = []
        self._next: deque[Behaviour] = deque()
        self._let_go = threading.Event()
        self._server = ThreadedMotoServer(ip_address=HOST, port=0, verbose=False)
        self._server.start()
        assert self._server._server
        self._moto: App = self._server._server.app  # type: ignore[assignment]
        self._server._server.app = self._answer
        self.host = f"{HOST}:{self._server.get_host_and_port()[1]}"
        self.client = boto3.session.Session().client(
            "s3",
            endpoint_url=f"http://{self.host}",
            region_name="us-east-1",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            config=Config(s3={"addressing_style": "path"}),
        )

    def make_bucket(self, *, versioned: bool = True) -> str:
        """Make an empty bucket that no other test has used, and return its name."""
        name = f"files-{next(_numbers)}"
        self.client.create_bucket(Bucket=name)
        if versioned:
            kept = {"Status": "Enabled"}
            self.client.put_bucket_versioning(Bucket=name, VersioningConfiguration=kept)  # type: ignore[arg-type]
        self.requests.clear()
        return name

    def fill(self, bucket: str, keys: Iterable[str], content: bytes = b"x") -> None:
        """Put many objects at once, without asking over the wire."""
        from moto.s3.models import s3_backends

        for key in keys:
            s3_backends[ACCOUNT]["aws"].put_object(bucket, key, content)

    def versions(self, bucket: str) -> list[tuple[str, str]]:
        """Return everything in a bucket: key and version of objects and delete markers."""
        told = self.client.list_object_versions(Bucket=bucket)
        found = (*told.get("Versions", ()), *told.get("DeleteMarkers", ()))
        return sorted((one["Key"], one["VersionId"]) for one in found)

    def reset(self) -> None:
        """Forget all buckets, let go of whoever hangs, behave."""
        self._next.clear()
        self._let_go.set()
        self._let_go = threading.Event()
        reset = urllib.request.Request(f"http://{self.host}/moto-api/reset", method="POST")
        urllib.request.urlopen(reset, timeout=PATIENCE).close()
        self.requests.clear()

    def stop(self) -> None:
        self._let_go.set()
        self.client.close()
        self._server.stop()
        assert self._server._server
        self._server._server.server_close()

    # ---- misbehaving ----------------------------------------------------------------------

    def behave_next(self) -> None:
        """Answer the next request as it should be, before what is spoiled after it."""
        self._next.append(lambda moto, environ, start: moto(environ, start))

    def refuse_next(self, status: int, code: str, times: int = 1) -> None:
        """Answer the next requests with an error, having done nothing."""

        def refuse(moto: App, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start(f"{status} Refused", [("Content-Type", "application/xml")])
            return [REFUSAL.format(code).encode()]

        self._next.extend([refuse] * times)

    def hang_next(self, *, times: int = 1) -> None:
        """Never answer the next requests."""

        def hang(moto: App, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
            self._let_go.wait(PATIENCE)
            start("500 Late", [])
            return []

        self._next.extend([hang] * times)

    def halve_next(self, *, times: int = 1) -> None:
        """Do what is asked, and break off in the middle of the answer."""

        def halve(moto: App, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
            whole = b"".join(moto(environ, start))
            return [whole[: len(whole) // 2]]

        self._next.extend([halve] * times)

    def lose_next(self, *, times: int = 1) -> None:
        """Do what is asked and answer that it went wrong: who asked cannot know."""

        def lose(moto: App, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
            for _ in moto(environ, lambda *_: None):
                pass
            start("500 Lost", [("Content-Type", "application/xml")])
            return [REFUSAL.format("InternalError").encode()]

        self._next.extend([lose] * times)

    def before_next(self, do: Callable[[], object]) -> None:
        """Let something happen while the next request is on its way."""

        def happen(moto: App, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
            do()
            return moto(environ, start)

        self._next.append(happen)

    def _answer(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
        if path.startswith("/moto-api"):
            return self._moto(environ, start)
        asked = f"{environ['REQUEST_METHOD']} {path}" + f"?{query}" * bool(query)
        self.requests.append(asked)
        spoil = self._next.popleft() if self._next else None
        return spoil(self._moto, environ, start) if spoil else self._moto(environ, start)


def nobody() -> str:
    """Return host and port of a place where nobody listens."""
    with socket.create_server((HOST, 0)) as listener:
        return f"{HOST}:{listener.getsockname()[1]}"


def bucket_at(host: str, bucket: str, *, tls: str = "off") -> dict[str, Any]:
    """Return the setting ``STORAGE`` for a bucket."""
    return {
        "vendor": "s3",
        "endpoint": f"http{'s' * (tls == 'on')}://{host}",
        "bucket": bucket,
        "region": "us-east-1",
        "addressing": "path",
        "access_key": KEY,
        "secret_key": SECRET,
    }


@pytest.fixture(scope="session")
def _s3_server() -> Iterator[S3Server]:
    server = S3Server()
    yield server
    server.stop()


@pytest.fixture
def s3(_s3_server: S3Server) -> Iterator[S3Server]:
    """The server, with no bucket in it."""
    _s3_server.reset()
    yield _s3_server
    _s3_server.reset()


@pytest.fixture
def bucket(s3: S3Server, settings: Settings) -> str:
    """A bucket that keeps versions; files go there."""
    name = s3.make_bucket()
    settings.STORAGE = bucket_at(s3.host, name)
    return name
