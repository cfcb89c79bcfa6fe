"""The outside companies for tests: the sandbox, inside this process or beside it.

``sandbox`` points the settings at one server per test process, emptied for each test.
``sandbox_process`` is a program of its own, which can be told to die and is spoken to by its
control API.
"""

import ctypes
import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pytest_django import Settings

if TYPE_CHECKING:
    from sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[2]
PR_SET_PDEATHSIG = 1


@pytest.fixture(scope="session")
def _sandbox_server() -> "Iterator[Sandbox]":
    from sandbox import Sandbox  # a web framework, which most tests can do without

    with Sandbox() as server:
        yield server


@pytest.fixture
def sandbox(
    _sandbox_server: "Sandbox", settings: Settings, tmp_path: Path
) -> "Iterator[Sandbox]":
    """The vendors, with nothing in them; the settings' addresses lead there."""
    from sandbox.directory import HOST

    _sandbox_server.reset(world=False)
    point_at(settings, _sandbox_server.url)
    controller = _sandbox_server.directory.server
    settings.DIRECTORY_HOSTS = {HOST: controller.address}
    settings.DIRECTORY_CA = str(tmp_path / "sandbox-ca.pem")
    Path(settings.DIRECTORY_CA).write_bytes(controller.authority)
    yield _sandbox_server
    _sandbox_server.reset(world=False)  # whatever still hangs is let go


class SandboxProcess:
    """A sandbox that is a process of its own."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self.log = log  # outlives the process
        assert process.stdout
        self.url = process.stdout.readline().strip().rpartition(" ")[2]

    def tell(self, path: str, **told: Any) -> Any:
        """Post to the control API: ``tell("stripe/add_customer", id="cus_1")``."""
        body = json.dumps(told).encode()
        headers = {"Content-Type": "application/json"}
        return self._open(urllib.request.Request(self._at(path), body, headers))

    def ask(self, path: str) -> Any:
        """Get from the control API: ``ask("effects")``."""
        return self._open(urllib.request.Request(self._at(path)))

    def logged(self, kind: str) -> list[Any]:
        """Return what the log file has of ``request`` or ``effect``, even after the end."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [told[kind] for told in map(json.loads, lines) if kind in told]

    def _at(self, path: str) -> str:
        return f"{self.url}/_sandbox/{path}"

    def _open(self, request: urllib.request.Request) -> Any:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


@pytest.fixture
def sandbox_process(settings: Settings, tmp_path: Path) -> Iterator[SandboxProcess]:
    """The vendors in a process of their own; the settings' addresses lead there."""
    log = tmp_path / "sandbox.log"
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--log", str(log)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=_end_with_parent,  # noqa: PLW1509 - it takes no lock
    ) as process:
        try:
            beside = SandboxProcess(process, log)
            point_at(settings, beside.url)
            yield beside
        finally:
            process.terminate()


def point_at(settings: Settings, url: str) -> None:
    """Let the settings' addresses of outside companies lead to this sandbox."""
    settings.STRIPE_API = url
    settings.BOG_API = f"{url}/bog/payments/v1"
    settings.BOG_TOKENS = f"{url}/bog/token"
    settings.OPEN_METEO_API = f"{url}/open-meteo"
    settings.NWS_API = f"{url}/nws"
    settings.TWILIO_API = url


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
