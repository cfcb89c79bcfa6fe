"""qinfo: what a second process sees of the clusters, and what nobody may see (spec D25)."""

import os

import pytest
from django.conf import settings
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django_q.conf import Conf

from apps.jobs.management.commands.qinfo import SHOWN
from tests.servers.cluster import FileDatabase, running_cluster, wait_for


@pytest.fixture
def _no_cluster(db: None) -> None:
    cache.clear()


@pytest.mark.usefixtures("_no_cluster")
def test_ends_with_1_when_no_cluster_is_running(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError, match=r"^No cluster is running\.$"):
        call_command("qinfo")
    assert "Clusters" in capsys.readouterr().out


@pytest.mark.usefixtures("_no_cluster")
def test_ends_with_1_when_there_are_no_ids(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError, match=r"^No cluster is running\.$"):
        call_command("qinfo", "--ids")
    assert capsys.readouterr().out == "No clusters appear to be running.\n"


def test_prints_the_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("qinfo", "--config")
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("VERSION: 1.11")
    assert "PREFIX: nightshift" in said
    assert "MAX_ATTEMPTS: 1" in said
    assert f"TIMEOUT: {settings.JOB_TIMEOUT}" in said


def test_never_prints_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("qinfo", "--config")
    said = capsys.readouterr().out
    assert settings.SECRET_KEY not in said
    assert os.environ["DATABASE_URL"] not in said
    assert not {"REDIS", "DJANGO_REDIS", "MONGO", "SQS", "IRON_MQ", "ERROR_REPORTER"} & {
        line.partition(":")[0] for line in said.splitlines()
    }


def test_knows_every_setting_that_it_shows() -> None:
    assert [name for name in SHOWN if not hasattr(Conf, name)] == []


@pytest.mark.cluster
@pytest.mark.slow
def test_shows_a_running_cluster_to_a_second_process(file_database: FileDatabase) -> None:
    cache.clear()  # of the figures of a cluster that a test before this one has just ended
    with running_cluster(file_database) as cluster:
        seen = file_database.manage("qinfo")
        assert seen.returncode == 0, seen.stderr
        assert "Clusters1" in "".join(seen.stdout.split())
        assert "Workers2" in "".join(seen.stdout.split())
        assert len(cluster.workers) == 2
        ids = file_database.manage("qinfo", "--ids")
        assert ids.returncode == 0
        assert len(ids.stdout.split()) == 1
    # A cluster's figures live for three seconds.
    wait_for(lambda: file_database.manage("qinfo").returncode == 1)
    assert file_database.manage("qinfo").stderr == "CommandError: No cluster is running.\n"
