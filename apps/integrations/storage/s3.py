"""S3, and whatever speaks its protocol, through Amazon's own library.

https://docs.aws.amazon.com/AmazonS3/latest/API/
"""

import logging
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, BinaryIO, TypedDict, TypeVar, cast

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
    SSLError,
)
from django.conf import settings
from django.utils.http import content_disposition_header

from apps.integrations.storage import (
    LINK_SECONDS,
    Missing,
    StorageDown,
    StorageError,
    StorageRefused,
    Stored,
)
from apps.integrations.storage.keys import check_key

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

ATTEMPTS = 3  # of each request, with botocore's own pauses between them
PAUSE = 2.0  # seconds: longer than such a pause
PAGE = 1_000  # S3's most
EMPTY_PAGES = 10  # in a row, after which a list has no end
CHUNK = 1_048_576  # bytes

T = TypeVar("T")

# Answers that say nothing about what was asked, whatever their status.
_AGAIN = {
    *("BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody", "RequestTimeout"),
    *("SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded"),
}
_CODE = re.compile(r"[A-Za-z0-9.]{1,60}")

# Below WARNING the library tells headers and whole answers.
for _name in ("boto3", "botocore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

_session: boto3.session.Session | None = None
_opening = Lock()


class _Version(TypedDict, total=False):
    VersionId: str


class S3Storage:
    """One bucket. Threads may share it."""

    def __init__(
        self,
        *,
        endpoint: str,
        bucket: str,
        region: str,
        addressing: str,
        access_key: str,
        secret_key: str,
        attempts: int = ATTEMPTS,
    ) -> None:
        """Without ``access_key``, credentials are looked for where Amazon's tools look."""
        self.bucket = bucket
        # A read time-out begins again with each byte: this is for a whole page of a list.
        self._patience = attempts * 2 * settings.STORAGE_TIMEOUT + (attempts - 1) * PAUSE
        config = Config(
            region_name=region,
            signature_version="s3v4",
            connect_timeout=settings.STORAGE_TIMEOUT,
            read_timeout=settings.STORAGE_TIMEOUT,
            max_pool_connections=settings.CHARGES_AT_ONCE,
            retries={"mode": "standard", "total_max_attempts": attempts},
            s3={"addressing_style": "virtual" if addressing == "virtual" else "path"},
            # Other servers do not know all the checksums that Amazon's would like to see.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        with _told("open the bucket"):
            self._client = _open_client(endpoint, config, access_key, secret_key)

    def __repr__(self) -> str:
        return "<S3>"

    def put(
        self, key: str, content: BinaryIO, *, content_type: str, size: int, sha256: str
    ) -> Stored:
        """Send it as one part: then the bucket itself checks the SHA-256, and keeps it."""
        check_key(key)
        with _told("store the file"):
            answer = self._client.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=content,
                ContentLength=size,
                ContentType=content_type,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=b64encode(bytes.fromhex(sha256)).decode(),
            )
            return Stored(key, size, _bare(answer["ETag"]), answer.get("VersionId", ""), sha256)

    def read(self, key: str, *, version_id: str = "") -> Iterator[bytes]:
        with _told("read the file"):
            answer = self._client.get_object(
                Bucket=self.bucket, Key=key, **_version(version_id)
            )
            return _chunks(answer["Body"])

    def remove(self, key: str) -> None:
        """Remove each version by its name: a plain deletion would only put a marker on top."""
        pages = self._client.get_paginator("list_object_versions")
        with _told("remove the file"):
            for page in pages.paginate(Bucket=self.bucket, Prefix=key):
                for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                    if one["Key"] == key:  # not one that only begins like it
                        self._client.delete_object(
                            Bucket=self.bucket, Key=key, VersionId=one["VersionId"]
                        )

    def look(self, key: str) -> Stored:
        try:
            with _told("look at the file"):
                answer = self._client.head_object(
                    Bucket=self.bucket, Key=key, ChecksumMode="ENABLED"
                )
                return Stored(
                    key,
                    answer["ContentLength"],
                    _bare(answer["ETag"]),
                    answer.get("VersionId", ""),
                    _whole_sha256(answer.get("ChecksumSHA256", "")),
                    answer["LastModified"],
                )
        except Missing:
            self._look_at_bucket()
            raise

    def listing(self, prefix: str) -> Iterator[Stored]:
        """Yield what is there, after making sure that it comes whole and in order."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix, PaginationConfig={"PageSize": PAGE}
        )
        last, empty = b"", 0
        asking = iter(pages)
        with _told("list its files"):
            while page := _within(self._patience, lambda: next(asking, None)):
                empty = 0 if page.get("Contents") else empty + 1
                if empty > EMPTY_PAGES:
                    raise StorageDown("The storage's list does not end.")
                for one in page.get("Contents", ()):
                    key = one["Key"]
                    if key.encode() <= last:
                        raise StorageRefused("The storage lists its files in a wrong order.")
                    last = key.encode()
                    yield Stored(
                        key, one["Size"], _bare(one["ETag"]), stored_at=one["LastModified"]
                    )
                if page.get("IsTruncated") and not page.get("NextContinuationToken"):
                    raise StorageDown("The storage did not list all of its files.")

    def link(self, key: str, *, version_id: str, file_name: str, content_type: str) -> str:
        with _told("sign an address"):
            return self._client.generate_presigned_url(
                "get_object",
                Params={
                    "Bucket": self.bucket,
                    "Key": key,
                    "ResponseContentType": content_type,
                    "ResponseContentDisposition": content_disposition_header(True, file_name),
                    **_version(version_id),
                },
                ExpiresIn=LINK_SECONDS,
            )

    def close(self) -> None:
        self._client.close()

    def _look_at_bucket(self) -> None:
        """Tell a bucket that is not there from a file that is not: both answer 404."""
        try:
            with _told("look at the bucket"):
                self._client.head_bucket(Bucket=self.bucket)
        except Missing:
            raise StorageRefused("There is no such bucket.") from None


def _within(seconds: float, ask: Callable[[], T]) -> T:
    """Return the answer to a question, or raise ``StorageDown`` when it drips in for ever.

    The thread that waits for it is then left behind: the library cannot be interrupted, and
    when the process ends nobody waits for it.
    """
    answers: SimpleQueue[tuple[T | None, Exception | None]] = SimpleQueue()

    def wait() -> None:
        try:
            answers.put((ask(), None))
        except Exception as error:
            answers.put((None, error))

    Thread(target=wait, daemon=True).start()
    try:
        answer, error = answers.get(timeout=seconds)
    except Empty:
        raise StorageDown("The storage did not answer in time.") from None
    if error is not None:
        raise error
    return cast("T", answer)


def _open_client(endpoint: str, config: Config, access_key: str, secret_key: str) -> "S3Client":
    """Return a new client; to read what the library knows of S3 takes a moment, once."""
    global _session  # noqa: PLW0603 - as long as the process
    with _opening:  # a session is not for several threads at once, its clients are
        _session = _session or boto3.session.Session()
        return _session.client(
            "s3",
            endpoint_url=endpoint,
            config=config,
            aws_access_key_id=access_key or None,
            aws_secret_access_key=secret_key or None,
        )


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Say in our words what the library says: its own repeat keys and addresses."""
    try:
        yield
    except ClientError as error:
        raise _meaning(error, what) from None
    except (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError):
        raise StorageRefused("There are no credentials for the storage.") from None
    except (ConnectTimeoutError, ReadTimeoutError):
        raise StorageDown("The storage did not answer in time.") from None
    except SSLError:
        raise StorageDown("The storage's certificate is not trusted.") from None
    except (BotoCoreError, KeyError) as error:  # a KeyError: something has to be in there
        kind = type(error).__name__
        raise StorageDown(f"The storage gave no usable answer ({kind}).") from None


def _meaning(error: ClientError, what: str) -> StorageError:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = str(error.response.get("Error", {}).get("Code", ""))
    told = f"{status}, {code}" if _CODE.fullmatch(code) and code != str(status) else f"{status}"
    if code == "NoSuchBucket":
        return StorageRefused("There is no such bucket.")
    if status == 404:
        return Missing("The file is not in the storage.")
    if status >= 500 or status in {408, 409, 425, 429} or code in _AGAIN:
        return StorageDown(f"The storage could not {what} ({told}).")
    return StorageRefused(f"The storage refused to {what} ({told}).")


def _chunks(body: "StreamingBody") -> Iterator[bytes]:
    with closing(body), _told("read the file"):
        yield from body.iter_chunks(CHUNK)


def _version(version_id: str) -> _Version:
    return {"VersionId": version_id} if version_id else {}


def _bare(etag: str) -> str:
    return etag.strip('"')


def _whole_sha256(checksum: str) -> str:
    """Return a checksum in hexadecimal; one of parts (``…-3``) says nothing of the whole."""
    return "" if not checksum or "-" in checksum else b64decode(checksum).hex()
