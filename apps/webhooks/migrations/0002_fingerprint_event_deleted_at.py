"""Count a fingerprint's 400 days from the day on which its event went."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('webhooks', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='webhookfingerprint',
            name='event_deleted_at',
            field=models.DateTimeField(db_index=True, default=django.utils.timezone.now, help_text='It is forgotten 400 days after this.'),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name='webhookfingerprint',
            name='first_seen_at',
            field=models.DateTimeField(),
        ),
    ]
