"""When the bucket is in trouble, the adapter ..."""

import logging
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from pathlib import Path
from threading import Event

import pytest
import trustme
from pytest_django import Settings

from apps.integrations.storage import (
    StorageDown,
    StorageError,
    StorageRefused,
    get_storage,
)
from apps.integrations.storage.s3 import S3Storage
from tests.integrations.storage.asking import KEY, PDF, fetch, names, put
from tests.servers.answering import answering
from tests.servers.s3 import KEY as ACCESS_KEY
from tests.servers.s3 import SECRET, S3Server, bucket_at, nobody

SOON = 0.3  # seconds: how long the adapter waits in these tests

Verb = Callable[[S3Storage], object]
VERBS: dict[str, Verb] = {
    "store": put,
    "read": fetch,
    "remove": lambda storage: storage.remove(KEY),
    "look": lambda storage: storage.look(KEY),
    "list": names,
}
every_verb = pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)


def at(settings: Settings, host: str, bucket: str = "files", *, tls: str = "off") -> S3Storage:
    """Return a bucket that is asked once, and not for long."""
    settings.STORAGE_TIMEOUT = SOON
    where = bucket_at(host, bucket, tls=tls)
    where.pop("vendor")
    return S3Storage(**where, attempts=1)


@pytest.fixture
def storage(bucket: str, s3: S3Server, settings: Settings) -> Iterator[S3Storage]:
    """The bucket with one object in it, asked once and not for long."""
    with closing(get_storage()) as patient:
        put(patient)
    s3.requests.clear()
    with closing(at(settings, s3.host, bucket)) as storage:
        yield storage


def trouble(verb: Verb, storage: S3Storage) -> StorageError:
    with pytest.raises(StorageError) as raised:
        verb(storage)
    error = raised.value  # whose traceback shows nothing of Amazon's
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
    return error


# ---- try again ----------------------------------------------------------------------------


@every_verb
def test_finds_nobody_at_the_other_end(settings: Settings, verb: Verb) -> None:
    with closing(at(settings, nobody())) as storage:
        error = trouble(verb, storage)
    assert type(error) is StorageDown
    assert str(error) == "The storage gave no usable answer (EndpointConnectionError)."


@every_verb
def test_does_not_wait_for_ever(storage: S3Storage, s3: S3Server, verb: Verb) -> None:
    s3.hang_next()
    began = time.monotonic()

    error = trouble(verb, storage)

    assert (type(error), str(error)) == (StorageDown, "The storage did not answer in time.")
    assert time.monotonic() - began < 10 * SOON


@pytest.mark.parametrize(
    ("status", "code"),
    [
        *((500, "InternalError"), (502, "BadGateway"), (503, "SlowDown")),
        *((503, "ServiceUnavailable"), (429, "TooManyRequests"), (409, "OperationAborted")),
        *((400, "RequestTimeout"), (400, "BadDigest"), (408, "RequestTimeout")),
    ],
)
def test_says_that_it_may_be_tried_again(
    storage: S3Storage, s3: S3Server, status: int, code: str
) -> None:
    s3.refuse_next(status, code)

    error = trouble(put, storage)

    assert (type(error), str(error)) == (
        StorageDown,
        f"The storage could not store the file ({status}, {code}).",
    )
    assert len(s3.requests) == 1
    put(storage)


@pytest.mark.parametrize(
    ("times", "works"), [(1, True), (2, True), (3, False)], ids=["once", "twice", "always"]
)
def test_tries_three_times_by_itself(
    storage: S3Storage, s3: S3Server, times: int, works: bool
) -> None:
    s3.refuse_next(503, "SlowDown", times=times)

    with closing(get_storage()) as patient:
        if works:
            assert put(patient).size == len(PDF)
        else:
            trouble(put, patient)

    assert len(s3.requests) == min(times + 1, 3)


@pytest.mark.parametrize("verb", ["read", "remove", "list"])  # other answers have no body
def test_believes_no_half_answer(storage: S3Storage, s3: S3Server, verb: str) -> None:
    s3.halve_next()

    error = trouble(VERBS[verb], storage)

    assert type(error) is StorageDown


def test_says_in_the_middle_of_a_file_that_the_rest_does_not_come(settings: Settings) -> None:
    start = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 2_000_000
    with (
        answering(lambda connection: connection.sendall(start)) as url,
        closing(at(settings, url.removeprefix("http://"))) as storage,
    ):
        parts = storage.read(KEY)
        assert len(next(parts)) == 1_048_576
        with pytest.raises(StorageDown, match="no usable answer"):
            list(parts)


@every_verb
@pytest.mark.parametrize(
    "answer",
    [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n<"],
)
def test_makes_nothing_of_an_answer_that_is_none(
    settings: Settings, verb: Verb, answer: bytes
) -> None:
    with (
        answering(lambda connection: connection.sendall(answer)) as url,
        closing(at(settings, url.removeprefix("http://"))) as storage,
    ):
        assert type(trouble(verb, storage)) is StorageDown


def test_takes_no_list_that_ends_too_early(settings: Settings) -> None:
    page = b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"
    error = _listing(settings, page)
    assert (type(error), str(error)) == (
        StorageDown,
        "The storage did not list all of its files.",
    )


def test_takes_no_list_in_another_order(settings: Settings) -> None:
    one = "<Contents><Key>{}</Key><Size>1</Size><ETag>x</ETag>" + (
        "<LastModified>2025-01-01T00:00:00Z</LastModified></Contents>"
    )
    page = f"<ListBucketResult>{one.format('a')}{one.format('B')}</ListBucketResult>"
    error = _listing(settings, page.encode())
    assert (type(error), str(error)) == (
        StorageRefused,
        "The storage lists its files in a wrong order.",
    )


def test_takes_no_list_whose_pages_never_end(settings: Settings) -> None:
    numbers = count()

    def page(connection: socket.socket) -> None:
        text = f"<NextContinuationToken>{next(numbers)}</NextContinuationToken>"
        text = f"<ListBucketResult><IsTruncated>true</IsTruncated>{text}</ListBucketResult>"
        head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(text)}\r\n\r\n"
        connection.sendall(f"{head}{text}".encode())

    with (
        answering(page) as url,
        closing(at(settings, url.removeprefix("http://"))) as storage,
    ):
        error = trouble(names, storage)
    assert (type(error), str(error)) == (StorageDown, "The storage's list does not end.")
    assert next(numbers) == 11


def test_does_not_wait_for_a_list_that_drips_in_for_ever(settings: Settings) -> None:
    stop = Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n")
        while not stop.wait(SOON / 3):
            connection.sendall(b" ")

    began = time.monotonic()
    with (
        answering(drip) as url,
        closing(at(settings, url.removeprefix("http://"))) as storage,
    ):
        error = trouble(names, storage)
        stop.set()
    assert (type(error), str(error)) == (StorageDown, "The storage did not answer in time.")
    assert time.monotonic() - began < 10 * SOON


@pytest.mark.parametrize("how", ["refuse", "hang", "halve"])
def test_lists_everything_the_next_time(
    storage: S3Storage, s3: S3Server, bucket: str, how: str
) -> None:
    s3.fill(bucket, [f"many/{number}" for number in range(3)])
    {
        "refuse": lambda: s3.refuse_next(503, "SlowDown"),
        "hang": s3.hang_next,
        "halve": s3.halve_next,
    }[how]()

    error = trouble(lambda storage: names(storage, "many/"), storage)

    assert type(error) is StorageDown
    assert names(storage, "many/") == ["many/0", "many/1", "many/2"]


def _listing(settings: Settings, page: bytes) -> StorageError:
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(page), page)
    with (
        answering(lambda connection: connection.sendall(whole)) as url,
        closing(at(settings, url.removeprefix("http://"))) as storage,
    ):
        return trouble(names, storage)


# ---- certificates -------------------------------------------------------------------------


@pytest.fixture
def tls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ssl.SSLContext:
    """A certificate for loopback, by an authority that the library has been told of."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def say_no(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")


def test_trusts_the_authority_that_it_is_told_of(
    settings: Settings, tls: ssl.SSLContext
) -> None:
    with (
        answering(say_no, tls=tls) as url,
        closing(at(settings, url.removeprefix("https://"), tls="on")) as storage,
    ):
        assert type(trouble(put, storage)) is StorageRefused


def test_trusts_no_certificate_of_an_unknown_authority(
    settings: Settings, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_CA_BUNDLE")
    with (
        answering(say_no, tls=tls) as url,
        closing(at(settings, url.removeprefix("https://"), tls="on")) as storage,
    ):
        error = trouble(put, storage)
    assert (type(error), str(error)) == (
        StorageDown,
        "The storage's certificate is not trusted.",
    )


# ---- not until somebody changes something -------------------------------------------------


@every_verb
@pytest.mark.parametrize(
    ("status", "code"),
    [
        *((403, "AccessDenied"), (403, "InvalidAccessKeyId"), (403, "SignatureDoesNotMatch")),
        *((401, "Unauthorized"), (412, "PreconditionFailed"), (405, "NotAllowed")),
    ],
)
def test_says_that_trying_again_is_no_use(
    storage: S3Storage, s3: S3Server, verb: Verb, status: int, code: str
) -> None:
    s3.refuse_next(status, code)

    error = trouble(verb, storage)

    assert type(error) is StorageRefused
    assert f"({status}" in str(error)
    assert len(s3.requests) == 1


def test_does_not_take_a_version_that_may_not_go_for_gone(
    storage: S3Storage, s3: S3Server, bucket: str
) -> None:
    s3.behave_next()  # the list of versions
    s3.refuse_next(403, "AccessDenied")

    error = trouble(VERBS["remove"], storage)

    assert str(error) == "The storage refused to remove the file (403, AccessDenied)."
    assert len(s3.versions(bucket)) == 1


# ---- discretion, and many at once ---------------------------------------------------------


def test_keeps_secrets_and_names_out_of_errors_and_logs(
    storage: S3Storage, s3: S3Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said = [repr(storage), repr(vars(storage))]
    storage.link(KEY, version_id="", file_name="Ada Lovelace.pdf", content_type="text/plain")
    for verb in VERBS.values():
        for status, code in ((403, "InvalidAccessKeyId"), (500, f"Internal {SECRET}")):
            s3.refuse_next(status, code)
            said.append(str(trouble(verb, storage)))
        s3.hang_next()
        said.append(str(trouble(verb, storage)))

    told = "\n".join([*said, caplog.text])
    for hidden in (SECRET, ACCESS_KEY, "Ada Lovelace", "Signature="):
        assert hidden not in told


def test_may_be_used_by_many_threads(storage: S3Storage, s3: S3Server, bucket: str) -> None:
    with closing(get_storage()) as patient, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: put(patient, f"many/{number}"), range(30)))
    assert len(names(storage, "many/")) == 30
