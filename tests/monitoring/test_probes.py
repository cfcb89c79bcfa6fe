"""What a load balancer and Prometheus are told, whatever else is wrong."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django import db
from django.core.cache import cache
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import DjangoAssertNumQueries, Settings

from apps.monitoring import probes
from apps.monitoring.models import Alert, Watch
from tests.monitoring.watching import JOB, make_run
from tests.servers.cluster import FileDatabase, running_cluster, wait_for

TOKEN = "a-token-for-prometheus"


@pytest.fixture
def balancer(settings: Settings) -> Client:
    """Whoever asks without TLS, by an address, on a host that redirects to https."""
    settings.SECURE_SSL_REDIRECT = True
    settings.ALLOWED_HOSTS = ["nightshift.example"]
    return Client(headers={"host": "10.0.0.7:8000"})


@pytest.fixture
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has not been asked yet whether it is ready."""
    monkeypatch.setattr(probes, "_migrated", set())


def test_healthz_asks_no_database(balancer: Client) -> None:
    answer = balancer.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok\n")
    assert answer["Cache-Control"] == "no-store"
    assert balancer.head("/healthz").status_code == 200
    assert balancer.post("/healthz").status_code == 405


@pytest.mark.django_db
def test_others_still_have_to_know_the_host_and_use_tls(balancer: Client) -> None:
    assert balancer.get("/admin/").status_code == 400
    assert Client(headers={"host": "nightshift.example"}).get("/admin/").status_code == 301


@pytest.mark.django_db
@pytest.mark.usefixtures("nothing_remembered")
def test_readyz_says_that_all_is_there(
    balancer: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    answer = balancer.get("/readyz")
    assert (answer.status_code, answer.content) == (200, b"ready\n")
    with django_assert_max_num_queries(2):
        assert balancer.get("/readyz").status_code == 200


@pytest.mark.django_db
@pytest.mark.usefixtures("nothing_remembered")
def test_readyz_knows_migrations_that_are_not_applied(balancer: Client) -> None:
    MigrationRecorder.Migration.objects.filter(app="monitoring").delete()
    answer = balancer.get("/readyz")
    assert (answer.status_code, answer.content) == (503, b"migrations: not all applied\n")


@pytest.mark.django_db(transaction=True)
def test_readyz_knows_that_there_is_no_cache_table(
    balancer: Client, settings: Settings
) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "no_such_table",
        }
    }
    answer = balancer.get("/readyz")
    assert (answer.status_code, answer.content) == (503, b"cache: no table\n")


@pytest.mark.django_db(transaction=True)
def test_readyz_says_in_three_words_that_the_database_is_away(
    balancer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.connection.close()
    away = {"NAME": "/nowhere/at-all", "HOST": "127.0.0.1", "PORT": "1"}
    for name, value in away.items():
        monkeypatch.setitem(db.connection.settings_dict, name, value)
    answer = balancer.get("/readyz")
    monkeypatch.undo()
    db.connection.close()
    assert (answer.status_code, answer.content) == (503, b"database: no answer\n")


# ---- metrics --------------------------------------------------------------------------------


@pytest.fixture
def scrape(settings: Settings, db: None) -> Callable[[], dict[str, dict[str, float]]]:
    """Ask for the metrics and return them by name and by the values of their labels."""
    settings.METRICS_TOKEN = TOKEN

    def ask() -> dict[str, dict[str, float]]:
        answer = Client(headers={"authorization": f"Bearer {TOKEN}"}).get("/metrics")
        assert answer.status_code == 200
        assert answer["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        return {
            family.name: {" ".join(s.labels.values()): s.value for s in family.samples}
            for family in text_string_to_metric_families(answer.content.decode())
        }

    return ask


def test_metrics_count_what_is_in_the_database(
    scrape: Callable[[], dict[str, dict[str, float]]],
    own_jobs: None,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    cache.clear()
    now = timezone.now()
    success = datetime(2025, 3, 1, 12, tzinfo=UTC)
    make_run(success, took=30)
    make_run(now - timedelta(hours=2), "partial", took=90, done=3, failed=1, skipped=2)
    make_run(now - timedelta(hours=1), "running", took=None, done=5)
    make_run(now - timedelta(hours=1), "done", dry_run=True, done=50)
    make_run(now - timedelta(hours=1), "done", job="renamed_since", done=7)
    for minutes in (1, 4, -5):
        OrmQ.objects.create(key="q", payload="x", lock=now - timedelta(minutes=minutes))
    Alert.objects.create(kind="failed", job=JOB, opened_at=now, seen_at=now)
    Alert.objects.create(kind="late", job=JOB, opened_at=now, seen_at=now, recovered_at=now)
    Watch.objects.create(
        name="look", next_look_at=now, looked_at=success, judged_until=now, cluster_seen_at=now
    )
    with django_assert_max_num_queries(9):
        found = scrape()
    assert found["nightshift_runs_24h"] == {
        f"{JOB} partial": 1, f"{JOB} running": 1, "other done": 1
    }  # fmt: skip
    items = {k: v for k, v in found["nightshift_items_24h"].items() if v}
    assert items == {
        f"{JOB} done": 8, f"{JOB} failed": 1, f"{JOB} skipped": 2, "other done": 7
    }  # fmt: skip
    assert found["nightshift_last_run_seconds"] == {JOB: 90}
    assert found["nightshift_last_success_timestamp_seconds"] == {JOB: success.timestamp() + 30}
    assert found["nightshift_queue_depth"] == {"": 2}
    assert 240 <= found["nightshift_queue_oldest_seconds"][""] < 300
    assert (found["nightshift_clusters"], found["nightshift_workers"]) == ({"": 0}, {"": 0})
    alerts = {k: v for k, v in found["nightshift_open_alerts"].items() if v}
    assert alerts == {"failed": 1}
    assert len(found["nightshift_open_alerts"]) == len(Alert.Kind.values)
    assert found["nightshift_alert_messages_waiting"] == {"": 0}
    assert found["nightshift_last_look_timestamp_seconds"] == {"": success.timestamp()}


def test_metrics_are_there_before_anything_has_happened(
    scrape: Callable[[], dict[str, dict[str, float]]],
) -> None:
    found = scrape()
    assert found["nightshift_last_look_timestamp_seconds"] == {"": 0}
    assert found["nightshift_runs_24h"] == {}


@pytest.mark.parametrize(
    ("token", "environment", "given", "status"),
    [
        ("", "production", "", 404),
        ("", "test", "Bearer ", 404),
        ("", "development", "", 200),
        (TOKEN, "production", "", 401),
        (TOKEN, "development", "Bearer wrong", 401),
        (TOKEN, "production", f"Basic {TOKEN}", 401),
        (TOKEN, "production", f"Bearer {TOKEN}", 200),
    ],
)
@pytest.mark.django_db
def test_metrics_are_for_whoever_has_the_token(
    settings: Settings, balancer: Client, token: str, environment: str, given: str, status: int
) -> None:
    settings.METRICS_TOKEN, settings.ENVIRONMENT = token, environment
    answer = balancer.get("/metrics", headers={"authorization": given})
    assert answer.status_code == status
    assert (b"nightshift" in answer.content) == (status == 200)


@pytest.mark.cluster
@pytest.mark.slow
def test_metrics_count_clusters_and_workers(
    file_database: FileDatabase, scrape: Callable[[], dict[str, dict[str, float]]]
) -> None:
    cache.clear()
    with running_cluster(file_database):
        wait_for(lambda: scrape()["nightshift_clusters"][""])
        found = scrape()
    assert (found["nightshift_clusters"][""], found["nightshift_workers"][""]) == (1, 2)
