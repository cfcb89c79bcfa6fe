from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="paymentorder",
            name="days",
            field=models.PositiveSmallIntegerField(
                default=30, help_text="What it pays for."
            ),
        ),
    ]
