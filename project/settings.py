"""Nightshift's settings: one file, all from the environment, runs on a bare checkout.

The embedded defaults (SQLite, a development key, a mail catcher on port 2525) serve
development. With ``NIGHTSHIFT_ENVIRONMENT=production`` the insecure ones are refused.
"""

from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path
from typing import Any

import django_stubs_ext
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from apps.documents.kinds import CONTENT_TYPES
from project import env

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent

ENVIRONMENT = env.text("NIGHTSHIFT_ENVIRONMENT", "development")
if ENVIRONMENT not in {"development", "test", "production"}:
    raise ImproperlyConfigured(
        "NIGHTSHIFT_ENVIRONMENT must be development, test or production."
    )
PRODUCTION = ENVIRONMENT == "production"

_DEVELOPMENT_KEY = "development-only-" + "nightshift" * 5
_DEVELOPMENT_FERNET = "ZGV2ZWxvcG1lbnQtb25seS1uaWdodHNoaWZ0LWtleS4="
SECRET_KEY = env.text("SECRET_KEY", "" if PRODUCTION else _DEVELOPMENT_KEY)
if len(SECRET_KEY) < 50:
    raise ImproperlyConfigured("SECRET_KEY must be set to at least 50 characters.")
SECRET_KEY_FALLBACKS = env.words("SECRET_KEY_FALLBACKS")  # former keys; docs/operations.md
# What stored credentials are encrypted with: the newest first, older ones can still be read.
ENCRYPTION_KEYS = env.fernet_keys("ENCRYPTION_KEYS", "" if PRODUCTION else _DEVELOPMENT_FERNET)
DEBUG = env.truth("DEBUG", default=not PRODUCTION)
if PRODUCTION and DEBUG:
    raise ImproperlyConfigured("DEBUG must be off in production.")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "" if PRODUCTION else "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
SITE_URL = env.text("SITE_URL", "http://127.0.0.1:8000").rstrip("/")

INSTALLED_APPS = [
    "project.apps.NightshiftAdminConfig",  # django.contrib.admin, with our site
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "apps.core",
    "apps.installations",
    "apps.integrations",
    "apps.jobs",  # before django_q: its qinfo and its admin replace the originals
    "django_q",
    "apps.firms",
    "apps.contacts",
    "apps.audit",
    "apps.monitoring",
    "apps.notifications",
    "apps.webhooks",
    "apps.discrepancies",
    "apps.billing",
    "apps.subscriptions",
    "apps.documents",
    "apps.mailbox",
    "apps.engagements",
    "apps.leasing",
    "apps.crm",
    "apps.calendars",
    "apps.directory",
    "apps.fieldwork",
    "apps.weather",
    "apps.privacy",
    "axes",
    "django_otp",
    "apps.access",
    "apps.console",
    "django_htmx",
    "csp",
]

MIDDLEWARE = [
    # First: a load balancer asks without TLS, and by an address that is no host of ours.
    "apps.monitoring.middleware.Probes",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "apps.firms.middleware.NoteActivity",
    "apps.access.middleware.SecondFactor",
    "apps.firms.middleware.MustChangePassword",
    "django_htmx.middleware.HtmxMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "apps.installations.middleware.SayStrange",
    "axes.middleware.AxesMiddleware",  # last: it answers for a sign-in that was refused
]

ROOT_URLCONF = "project.urls"
JOBS_MODULE = "project.jobs"
WSGI_APPLICATION = "project.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "project" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "apps.installations.context.strange_machine",
            ]
        },
    }
]

# ---- databases: SQLite embedded, PostgreSQL in production ----------------------------

(BASE_DIR / "var").mkdir(exist_ok=True)
DATABASES = {
    "default": env.database("DATABASE_URL", f"sqlite:///{BASE_DIR}/var/nightshift.sqlite3")
}
_database = DATABASES["default"]
if _database["ENGINE"].endswith("sqlite3"):
    # Two writers wait for each other instead of failing (docs/adr/0004).
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    _database["CONN_MAX_AGE"] = None
    _database["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Shared by all processes: qinfo and qmonitor read the clusters' figures from here.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "cache",
    }
}

# ---- the queue: every figure has its reason in docs/operations.md ---------------------

JOB_TIMEOUT = env.whole("JOB_TIMEOUT", 900, least=10)  # seconds a job may take
_workers = env.whole("CLUSTER_WORKERS", 2, least=1)
Q_CLUSTER = {
    "name": "nightshift",
    "label": "Queue",
    "orm": "default",
    "workers": _workers,
    "bulk": 1,
    "queue_limit": _workers,
    "recycle": 500,
    "max_rss": env.whole("CLUSTER_WORKER_KIB", 524_288, least=65_536),
    "timeout": JOB_TIMEOUT,
    # Longer than everything prefetched can take, or Django-Q2 hands it out twice.
    "retry": JOB_TIMEOUT * (2 * _workers) + 120,
    "max_attempts": 1,
    "ack_failures": True,
    "catch_up": False,
    "save_limit": 0,
    "poll": env.number("CLUSTER_POLL", 0.2),
    "time_zone": "UTC",
    "guard_cycle": 1,
}

# ---- time, language, money ------------------------------------------------------------

TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
LANGUAGE_CODE = "en"

# ---- people ---------------------------------------------------------------------------

AUTH_USER_MODEL = "firms.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"

# ---- signing in -----------------------------------------------------------------------

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # before any password is looked at
    "apps.access.backends.AtOnce",
]
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = env.whole("SIGN_IN_ATTEMPTS", 5, least=1)
AXES_COOLOFF_TIME = timedelta(minutes=env.whole("SIGN_IN_COOLOFF_MINUTES", 15, least=1))
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # or somebody else keeps one out
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "apps.core.visitors.address"
AXES_LOCKOUT_CALLABLE = "apps.access.lockout.locked_out"
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "csrfmiddlewaretoken", "next"]
AXES_DISABLE_ACCESS_LOG = True  # firms.UserSession says who is signed in
AXES_ENABLE_ADMIN = False  # operators have the command axes_reset_username
AXES_VERBOSE = False
# Who must have a second factor, besides those whose firm asks for it.
REQUIRE_SECOND_FACTOR = env.choice(
    "REQUIRE_SECOND_FACTOR",
    "superusers" if PRODUCTION else "nobody",
    ("superusers", "staff", "nobody"),
)

# ---- the machine: docs/operations.md, restored copies ---------------------------------

INSTALLATION = env.text("INSTALLATION")  # a name that several machines share
MACHINE_CHECKED_EVERY = 5.0  # seconds; so long it takes until a yes is heard

# ---- mail -----------------------------------------------------------------------------

vars().update(env.smtp("EMAIL_URL", "smtp://127.0.0.1:2525"))
EMAIL_TIMEOUT = env.whole("EMAIL_TIMEOUT", 20, least=1)  # seconds
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "Nightshift <nightshift@localhost>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
MESSAGES = "project.messages"  # every type of notification

# ---- who is told that something went wrong: docs/monitoring.md --------------------------

ALERT_EMAILS = env.mailboxes("ALERT_EMAILS")
ALERT_WEBHOOK_URL = env.address("ALERT_WEBHOOK_URL")
ALERT_WEBHOOK_SECRET = env.signing_secret("ALERT_WEBHOOK_SECRET", needed_by="ALERT_WEBHOOK_URL")
ALERT_TIMEOUT = env.number("ALERT_TIMEOUT", 10.0)  # seconds for one answer
HEARTBEAT_URL = env.address("HEARTBEAT_URL")
# Whether web processes look after the jobs themselves; then no cluster need be alive.
WATCHER = env.truth("WATCHER", default=ENVIRONMENT != "test")
METRICS_TOKEN = env.token("METRICS_TOKEN", least=20)
SENTRY_DSN = env.dsn("SENTRY_DSN")

# ---- text messages --------------------------------------------------------------------

TWILIO_API = env.text("TWILIO_API", "https://api.twilio.com").rstrip("/")
SMS_TIMEOUT = env.number("SMS_TIMEOUT", 15.0)  # seconds for one answer
SMS_SEGMENTS = env.whole("SMS_SEGMENTS", 6, least=1, most=10)  # that one message may cost

# ---- banks and card networks ----------------------------------------------------------

STRIPE_API = env.text("STRIPE_API", "https://api.stripe.com").rstrip("/")
BOG_API = env.text("BOG_API", "https://api.bog.ge/payments/v1").rstrip("/")
BOG_TOKENS = env.text(
    "BOG_TOKENS", "https://oauth2.bog.ge/auth/realms/bog/protocol/openid-connect/token"
)
# Only a production host uses live keys; anywhere else a firm's live account is left alone.
GATEWAY_LIVEMODE = env.truth("GATEWAY_LIVEMODE", default=PRODUCTION)
GATEWAY_TIMEOUT = env.number("GATEWAY_TIMEOUT", 30.0)  # seconds for one answer
CHARGES_AT_ONCE = env.whole("CHARGES_AT_ONCE", 8, least=1)  # calls under way for one firm
WEBHOOKS = "project.webhooks"  # who acts on which provider's events
WORKFLOWS = "project.workflows"  # what calendars' rules can do
WEBHOOK_RETENTION_DAYS = env.whole("WEBHOOK_RETENTION_DAYS", 90, least=1)
SUBSCRIPTION_GRACE_DAYS = env.whole("SUBSCRIPTION_GRACE_DAYS", 7)
RECONCILE_DAYS = env.whole("RECONCILE_DAYS", 35, least=1)  # how far back reconciling looks
BASELINE = "project.baseline"  # what a new firm is given by each app
PERSONAL = "project.personal"  # what each app holds about people
FINDING = "project.finding"  # how things are found, and what belongs to them
# Where exports wait to be downloaded. Outside of what the web server serves.
EXPORTS_DIR = env.text("EXPORTS_DIR", str(BASE_DIR / "var" / "exports"))

# ---- firms' mailboxes -----------------------------------------------------------------

IMAP_TIMEOUT = env.number("IMAP_TIMEOUT", 60.0)  # seconds for one answer
# Whether a mail server may be inside our own network: firms type the host names.
IMAP_PRIVATE_HOSTS = env.truth("IMAP_PRIVATE_HOSTS", default=not PRODUCTION)
DEMO_MAIL_PORT = env.whole("DEMO_MAIL_PORT", 1143, least=1)  # the demo's mail server
MAIL_FIRST_DAYS = env.whole("MAIL_FIRST_DAYS", 30, least=1)  # how far back at first contact
MAIL_LARGEST = env.whole("MAIL_LARGEST_MIB", 25, least=1) * 2**20  # more: only its header

# ---- weather --------------------------------------------------------------------------

OPEN_METEO_API = env.text("OPEN_METEO_API", "https://api.open-meteo.com").rstrip("/")
OPEN_METEO_KEY = env.text("OPEN_METEO_KEY")  # of a subscription, at another address then
NWS_API = env.text("NWS_API", "https://api.weather.gov").rstrip("/")
# To whom the National Weather Service writes when we ask too much; it answers nobody else.
WEATHER_CONTACT = env.text("WEATHER_CONTACT", parseaddr(DEFAULT_FROM_EMAIL)[1])
WEATHER_TIMEOUT = env.number("WEATHER_TIMEOUT", 10.0)  # seconds for one answer

# ---- stored files ---------------------------------------------------------------------

STORAGE = env.storage(
    "STORAGE_URL", "" if PRODUCTION else (BASE_DIR / "var" / "storage").as_uri()
)
STORAGE_TIMEOUT = env.number("STORAGE_TIMEOUT", 20.0)  # seconds for each step
UPLOAD_MAX_MIB = env.whole("UPLOAD_MAX_MIB", 25, least=1, most=5_120)  # S3 takes 5 GiB at once
UPLOAD_TYPES = env.some("UPLOAD_TYPES", CONTENT_TYPES)
FILE_UPLOAD_HANDLERS = [
    "apps.documents.uploads.LimitedUploadHandler",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]
DATA_UPLOAD_MAX_NUMBER_FILES = 10  # with one form

# ---- directories ----------------------------------------------------------------------

DIRECTORY_TIMEOUT = env.whole("DIRECTORY_TIMEOUT", 20, least=1)  # seconds for each step
DIRECTORY_CA = env.text("DIRECTORY_CA")  # a PEM file: who signs servers' certificates, too
DIRECTORY_HOSTS = env.pairs("DIRECTORY_HOSTS")  # where a server is reached, if not by its name

# ---- static files, security -----------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
SECURE_REFERRER_POLICY = "same-origin"
# Of every page that does not say so itself: nothing inline, nothing from anywhere else.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
# How many proxies of ours add the visitor's address to X-Forwarded-For.
TRUSTED_PROXIES = env.whole("TRUSTED_PROXIES", 0)
RATELIMIT_IP_META_KEY = "apps.core.visitors.address"
SESSION_COOKIE_HTTPONLY = True
DEFAULT_EXCEPTION_REPORTER_FILTER = "apps.core.error_pages.DiscreetReporterFilter"
if PRODUCTION:
    SECURE_SSL_REDIRECT = env.truth("SECURE_SSL_REDIRECT", default=True)
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = env.whole("SECURE_HSTS_SECONDS", 31_536_000)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

# ---- logs -----------------------------------------------------------------------------

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {
            "()": "apps.core.logs.DiscreetFormatter",
            "format": "{asctime} {levelname} {name} {message}",
            "style": "{",
        },
        "json": {"()": "apps.core.logs.DiscreetJsonFormatter"},
        "kept": {  # with a run; docs/console.md
            "()": "apps.core.logs.DiscreetFormatter",
            "format": "{asctime} {levelname} {name} {message}",
            "style": "{",
        },
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": env.choice("LOG_FORMAT", "plain", ("plain", "json")),
        },
        # Not what is for developers: statements quote rows.
        "run": {
            "class": "apps.core.logs.WatchHandler",
            "formatter": "kept",
            "level": "INFO",
        },
        # Acts only in a cluster that a guard has started.
        "death": {"class": "apps.jobs.guard.DeathHandler"},
    },
    "root": {"handlers": ["console", "run"], "level": env.text("LOG_LEVEL", "INFO").upper()},
    "loggers": {
        # Django's own handlers would write paths, and with them signing links, as they are.
        "django": {"handlers": [], "level": "INFO"},
        "django.server": {"handlers": [], "propagate": True},
        "axes": {"level": "WARNING"},  # it tells of everybody who gets in
        "imapclient": {"level": "WARNING"},  # it tells of every connection
        "django-q": {
            "handlers": ["console", "death"],
            "level": env.text("CLUSTER_LOG_LEVEL", "INFO").upper(),
            "propagate": False,
        },
    },
}
