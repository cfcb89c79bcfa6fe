"""The project's settings for tests: quick passwords, and a database tests/plugin.py chose."""

import math
import os
from pathlib import Path

os.environ["NIGHTSHIFT_ENVIRONMENT"] = "test"

from project.settings import *  # noqa: F403
from project.settings import DATABASES, Q_CLUSTER

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# Tests let a worker work inside their own process, which has grown for other reasons.
Q_CLUSTER["max_rss"] = None

# The guard asks once, before the first test (conftest.py): no test's queries depend on when.
MACHINE_CHECKED_EVERY = math.inf

# Static files come from the apps' folders; nobody has collected them.
WHITENOISE_AUTOREFRESH = WHITENOISE_USE_FINDERS = True

_database = DATABASES["default"]
if _database["ENGINE"] == "django.db.backends.sqlite3":
    # A file, not memory: the processes of a real cluster open it too.
    _database["TEST"] = {"NAME": str(Path(_database["NAME"]).with_name("test.sqlite3"))}
    _database["OPTIONS"]["init_command"] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
else:
    _database["ENGINE"] = "tests.servers.quick_flush"
    if "TEST_SCHEMA" in os.environ:
        _database["TEST"] = {"TEMPLATE": os.environ["TEST_SCHEMA"]}
