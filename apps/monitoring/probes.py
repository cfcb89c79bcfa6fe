"""Whether the process answers, whether it can work, and what can be measured."""

import logging

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from apps.monitoring.metrics import Figures

logger = logging.getLogger(__name__)

_TEXT = "text/plain; charset=utf-8"

# Set once all migrations were found applied: a process never needs other ones than it began
# with, and reading them takes half a second.
_migrated: set[str] = set()


def healthz(request: HttpRequest) -> HttpResponse:
    """Say that this process answers. It asks nobody: no database is no reason to kill it."""
    return HttpResponse("ok\n", content_type=_TEXT)


def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether requests can be served here, or in a word why not."""
    if why := _why_not_ready():
        return HttpResponse(f"{why}\n", status=503, content_type=_TEXT)
    return HttpResponse("ready\n", content_type=_TEXT)


def metrics(request: HttpRequest) -> HttpResponse:
    """Answer in Prometheus's text format to whoever has the token.

    Without a token set there is nothing here, but in development.
    """
    token = settings.METRICS_TOKEN
    if not token and settings.ENVIRONMENT != "development":
        return HttpResponse("Not found.\n", status=404, content_type=_TEXT)
    given = request.headers.get("Authorization", "")
    if token and not constant_time_compare(given.encode(), f"Bearer {token}".encode()):
        refused = HttpResponse("Unauthorized.\n", status=401, content_type=_TEXT)
        refused["WWW-Authenticate"] = 'Bearer realm="metrics"'
        return refused
    registry = CollectorRegistry(auto_describe=False)
    try:
        registry.register(Figures())
        return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)
    except DatabaseError as error:
        logger.warning("No figures: %s", type(error).__name__)
        return HttpResponse("database: no answer\n", status=503, content_type=_TEXT)


def _why_not_ready() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if not _is_migrated():
            return "migrations: not all applied"
    except DatabaseError as error:
        logger.warning("Not ready: %s", type(error).__name__)
        return "database: no answer"
    try:
        cache.get("readyz")
    except DatabaseError:
        return "cache: no table"
    return ""


def _is_migrated() -> bool:
    if connection.alias not in _migrated:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return False
        _migrated.add(connection.alias)
    return True
