from itertools import pairwise
from statistics import median
from typing import Any

from django.db import migrations, models

BATCH = 1000


def note_silences(apps: Any, schema_editor: Any) -> None:
    """Let runs on record note what runs note as they begin from now on.

    Schedules of the past are not known: a silence is half as long again as usual for a job.
    One too many costs a look and no more, since what was due is worked out from the cron.
    """
    runs = apps.get_model("jobs", "JobRun").objects
    acted = runs.exclude(state__in=["duplicate", "queued"])
    for job in acted.order_by().values_list("job", flat=True).distinct():
        began = list(acted.filter(job=job).order_by("started_at").values_list("pk", "started_at"))
        gaps = [later - earlier for (_, earlier), (_, later) in pairwise(began)]
        if not gaps:
            continue
        rests = median(gaps) * 1.5
        noted = [
            runs.model(pk=pk, silent_since=earlier)
            for (_, earlier), (pk, later) in pairwise(began)
            if later - earlier > rests
        ]
        runs.bulk_update(noted, ["silent_since"], batch_size=BATCH)


class Migration(migrations.Migration):
    dependencies = [("jobs", "0005_troubled_runs")]

    operations = [
        migrations.AddField(
            model_name="jobrun",
            name="silent_since",
            field=models.DateTimeField(
                null=True,
                blank=True,
                editable=False,
                help_text="When the job had begun before, if it rested longer than it ever does.",
            ),
        ),
        migrations.AddIndex(
            model_name="jobrun",
            index=models.Index(
                fields=["job", "started_at"],
                condition=models.Q(silent_since__isnull=False),
                name="jobs_jobrun_after_silence",
            ),
        ),
        migrations.RunPython(note_silences, migrations.RunPython.noop, elidable=True),
    ]
