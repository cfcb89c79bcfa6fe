from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0006_silences")]

    operations = [
        migrations.AddIndex(
            model_name="jobrun",
            index=models.Index(
                fields=["job", "-started_at"],
                condition=~models.Q(
                    ("state__in", ["done", "paused"]),
                    ("started_by", None),
                    done=0,
                    skipped=0,
                    declined=0,
                    failed=0,
                    stale=0,
                ),
                name="jobs_jobrun_not_idle",
            ),
        ),
    ]
