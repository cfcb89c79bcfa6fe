"""The mailbox app."""

from django.apps import AppConfig


class MailboxConfig(AppConfig):
    name = "apps.mailbox"
    verbose_name = "Mailboxes"
