"""The tests' own jobs, of which one cannot be taken back."""

from dataclasses import replace

from tests.jobs.work import GREET

JOBS = (replace(GREET, harm="writes to everybody"),)
