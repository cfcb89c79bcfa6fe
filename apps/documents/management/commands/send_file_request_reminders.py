from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "send_file_request_reminders"
