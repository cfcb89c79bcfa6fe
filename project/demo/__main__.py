"""Run the demo: ``python -m project.demo run`` or ``python -m project.demo night``."""

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from project.demo import mail
from project.demo.processes import Processes, free_port

ROOT = Path(__file__).resolve().parent.parent.parent
OPERATOR = "operator"
DIRECTORY = "dc1.directory.example"  # as the demo firm knows its controller


def main() -> int:
    """Parse the verb and play the night; the exit status says whether all went well."""
    parser = argparse.ArgumentParser(prog="python -m project.demo", description=__doc__)
    parser.add_argument("verb", choices=("run", "night"))
    parser.add_argument("--port", type=int, default=8000, help="Where the web process listens.")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    os.chdir(ROOT)
    Path("var").mkdir(exist_ok=True)
    try:
        return night() if options.verb == "night" else run(options.port)
    except KeyboardInterrupt:
        return 0 if options.verb == "run" else 130  # how a served demo is meant to end


def night() -> int:
    """Play one night on freshly seeded data in a database of its own, and end."""
    with tempfile.TemporaryDirectory(prefix="nightshift-") as folder:
        os.environ["DATABASE_URL"] = f"sqlite:///{folder}/night.sqlite3"
        with mail.catcher(Path(folder) / "mail") as caught, Processes() as processes:
            _settle_environment(caught, Path(folder), free_port(8000))
            _prepare()
            _start(processes, Path(folder))
            return _play(caught)


def run(port: int) -> int:
    """Play the first night on the development database, then serve until Ctrl-C."""
    with mail.catcher(ROOT / "var" / "mail") as caught, Processes() as processes:
        port = free_port(port)
        _settle_environment(caught, ROOT / "var", port)
        _prepare()
        # The database outlives this process, so what the sandbox charged has to as well.
        memory = ("--state", "var/sandbox.json", "--since", _seeded_at())
        _start(processes, ROOT / "var", *memory)
        _play(caught)
        _say_where(port, caught)
        return processes.wait()


def _settle_environment(caught: mail.Caught, folder: Path, port: int) -> None:
    """Point the processes that follow, and this one, at each other and at the stand-ins.

    Nothing of the demo reaches the outside: mail is caught, the sandbox plays the banks, the
    weather and a directory, letters come from a mail server of our own, and files are stored
    below ``folder``.
    """
    sandbox = f"http://127.0.0.1:{free_port(12111)}"
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "NIGHTSHIFT_ENVIRONMENT": "development",
        "SITE_URL": f"http://127.0.0.1:{port}",
        "EMAIL_URL": f"smtp://127.0.0.1:{caught.port}",
        "DEMO_MAIL_PORT": str(free_port(1143)),
        "STORAGE_URL": (folder / "storage").as_uri(),
        "STRIPE_API": sandbox,
        "BOG_API": f"{sandbox}/bog/payments/v1",
        "BOG_TOKENS": f"{sandbox}/bog/token",
        "OPEN_METEO_API": f"{sandbox}/open-meteo",
        "NWS_API": f"{sandbox}/nws",
        "TWILIO_API": sandbox,
        "DIRECTORY_HOSTS": f"{DIRECTORY}=127.0.0.1:{free_port(12636)}",
        "DIRECTORY_CA": str(folder / "directory-ca.pem"),
        "CLUSTER_POLL": "0.05",
        "LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING"),
        "CLUSTER_LOG_LEVEL": os.environ.get("CLUSTER_LOG_LEVEL", "WARNING"),
    }


def _start(processes: Processes, folder: Path, *memory: str) -> None:
    """Start the sandbox, the web process that hears its callbacks, mailboxes, the cluster.

    ``memory`` says what the sandbox knows of earlier times; without it, only its world.
    """
    port = os.environ["DEMO_MAIL_PORT"]
    processes.start(
        "mailboxes", "-m", "project.demo.mailboxes", "--port", port,
        "--folder", str(folder / "mailboxes"), "--now", _seeded_at(),
    )  # fmt: skip
    site, sandbox = urlsplit(os.environ["SITE_URL"]), urlsplit(os.environ["STRIPE_API"])
    processes.start(
        "sandbox", "-m", "sandbox", "--port", str(sandbox.port),
        "--directory-port", os.environ["DIRECTORY_HOSTS"].rpartition(":")[2],
        "--directory-ca", os.environ["DIRECTORY_CA"],
        "--world", "fixtures/sandbox.json", "--app", site.geturl(), *memory,
    )  # fmt: skip
    processes.start(
        "web", "-m", "gunicorn", "project.wsgi", "--bind", site.netloc,
        "--workers", "2", "--log-level", "warning",
    )  # fmt: skip
    processes.start("worker", "manage.py", "guard_cluster")
    processes.wait_for("mailboxes", int(port))
    processes.wait_for("sandbox", sandbox.port)
    processes.wait_for("web", site.port)


def _prepare() -> None:
    """Migrate, seed, install the schedules and an operator to sign in as."""
    import django

    django.setup()
    from django.core.management import call_command

    from apps.core.demo import PASSWORD
    from apps.firms.models import User
    from apps.mailbox.models import EmailConnection

    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    call_command("seed_dev_data", no_input=True)
    call_command("sync_schedules", verbosity=0)
    # A database that is older than this process knows another port.
    mailboxes = EmailConnection.objects.filter(firm__is_demo=True)
    mailboxes.update(port=int(os.environ["DEMO_MAIL_PORT"]))
    operator, _ = User.objects.get_or_create(
        username=OPERATOR, defaults={"is_staff": True, "is_superuser": True}
    )
    if not operator.has_usable_password() or not operator.password:
        operator.set_password(PASSWORD)
        operator.save()


def _seeded_at() -> str:
    """Return when the demo firms were made: an older story of the sandbox is not theirs."""
    from apps.firms.models import Firm

    return Firm.objects.filter(is_demo=True).earliest("created_at").created_at.isoformat()


def _play(caught: mail.Caught) -> int:
    from project.demo.first_night import card_table, outcome_table, play, went_as_meant

    print(
        "\nThe night begins: every scheduled job goes once through the cluster.\n", flush=True
    )
    runs = play()
    print(outcome_table(runs))
    print(card_table(runs))
    print(f"\n{caught.count} e-mails caught in {caught.folder}.", flush=True)
    return 0 if runs and all(map(went_as_meant, runs)) else 1


def _say_where(port: int, caught: mail.Caught) -> None:
    from apps.core.demo import PASSWORD

    print(
        f"\nThe console is at http://127.0.0.1:{port}/admin/console/\n"
        f"  Sign in as {OPERATOR} (everything) or evergreen-owner (one firm); "
        f"password {PASSWORD}.\n"
        f"  E-mails are caught in {caught.folder}. Schedules go on by themselves.\n"
        "  Ctrl-C ends it.",
        flush=True,
    )


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
