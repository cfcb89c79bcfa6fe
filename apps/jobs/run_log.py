"""What is kept of a run's log: its first lines and its last."""

from collections import deque
from threading import Lock

from django.db import transaction

from apps.jobs.models import JobRun, JobRunLog

FIRST = LAST = 500  # lines
WIDTH = 500  # characters of a line


class RunLog:
    """Collects lines, also from other threads, and keeps a bounded number of them."""

    def __init__(self, run: JobRun) -> None:
        self._run_id = run.pk
        self._lock = Lock()
        self._first: list[str] = []
        self._last: deque[str] = deque(maxlen=LAST)
        self._left_out = 0
        self._unwritten = False
        if run.starts > 1:  # it lost its worker and goes on
            for text in JobRunLog.objects.filter(run=run).values_list("text", flat=True):
                self.add(text)

    def add(self, text: str) -> None:
        """Take what was logged at once: a line, or several with a traceback."""
        lines = [line[:WIDTH] for line in text.replace("\0", "�").splitlines()]
        with self._lock:
            for line in lines:
                if len(self._first) < FIRST:
                    self._first.append(line)
                    continue
                self._left_out += len(self._last) == LAST
                self._last.append(line)
            self._unwritten |= bool(lines)

    def write(self) -> None:
        """Keep what has been collected, if there is anything new."""
        with self._lock:
            if not self._unwritten:
                return
            self._unwritten = False
            gap = [f"… {self._left_out} lines left out …"] if self._left_out else []
            text = "\n".join([*self._first, *gap, *self._last])
        with transaction.atomic():
            kept = JobRunLog.objects.filter(run=self._run_id)
            if not kept.update(text=text):
                JobRunLog.objects.create(run_id=self._run_id, text=text)
