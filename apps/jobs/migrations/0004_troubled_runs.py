

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0003_pauses_and_retries'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name='jobrun',
            index=models.Index(condition=models.Q(('state__in', ['partial', 'failed', 'crashed', 'lost', 'blocked'])), fields=['-started_at', '-id'], name='jobs_jobrun_troubled'),
        ),
    ]
