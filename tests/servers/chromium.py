"""The system's Chromium, which Playwright drives: none is downloaded."""

import os
import shutil

# Playwright's Chromium as root, and without any traffic of its own.
ARGUMENTS = [
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
] + (["--no-sandbox"] if os.geteuid() == 0 else [])


def find_chromium() -> str | None:
    """The browser's path, or nothing where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path:
            return path
    return None
