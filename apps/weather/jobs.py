"""What the weather app does by itself, and when."""

from apps.jobs.job import DRY_RUN, FIRM_ID, Job, Option
from apps.weather import explaining, services

PROPERTY = Option("property", int, None, "Only this property.", metavar="ID")

JOBS = (
    Job(
        service=services.check_weather_alerts,
        cron="0 */6 * * *",
        options=(PROPERTY, FIRM_ID, DRY_RUN),
        explains=(explaining.WEATHER,),
        touches=("weather",),
        harm="warns renters and managers",
    ),
)
