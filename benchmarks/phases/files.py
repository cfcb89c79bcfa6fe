"""Comparing documents with a bucket, in phases."""

import hashlib
from datetime import timedelta

import boto3
from django.conf import settings
from django.utils import timezone

from apps.core.batches import batched
from apps.discrepancies.models import Discrepancy
from apps.documents.models import Document
from apps.integrations.storage import bucket_in_use
from benchmarks.phases.measuring import Figures, migrate, run_job, timed
from benchmarks.world import make_firms

CONTENT = b"%PDF-1.7\n"
DAY = timedelta(days=1)


def world(size: int) -> Figures:
    """Make a firm with ``size`` files, and say which of them are in the bucket.

    The first of each thousand is not.
    """
    migrate()
    [firm] = make_firms(1)
    sha256, at = hashlib.sha256(CONTENT).hexdigest(), timezone.now() - DAY
    keys = []
    for labels in batched(range(size)):
        made = Document.objects.bulk_create(
            Document(
                firm=firm, title=f"File {n}", sha256=sha256, file_name=f"{n}.pdf",
                content_type="application/pdf", size_bytes=len(CONTENT),
                bucket=bucket_in_use(), storage_key=f"firms/{firm.pk}/{n:08}/file.pdf",
                created_at=at,
            )
            for n in labels
        )  # fmt: skip
        keys += [one.storage_key for n, one in zip(labels, made, strict=True) if n % 1_000]
    return {"keys": keys, "missing": size - len(keys)}


def job() -> Figures:
    """Compare, a day after everything was stored, and say what was found missing."""
    ran = run_job("reconcile_s3", at=(timezone.now() + DAY).isoformat())
    found = Discrepancy.objects.filter(kind="missing_object").count()
    return {**ran, "found": found, "others": Discrepancy.objects.count() - found}


def listed() -> Figures:
    """Read the bucket's whole list, and do nothing with it."""
    where = settings.STORAGE
    client = boto3.client(
        "s3",
        endpoint_url=where["endpoint"],
        region_name=where["region"],
        aws_access_key_id=where["access_key"],
        aws_secret_access_key=where["secret_key"],
    )
    objects = 0

    def read() -> None:
        nonlocal objects
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=where["bucket"]):
            objects += len(page["Contents"])

    return {"seconds": timed(read), "objects": objects}
