"""Why a firm's directory is read, and why not."""

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from apps.core.explaining import Explanation, Moment
from apps.directory.models import DirectoryConnection
from apps.directory.services.syncing import synchronised


def _read(connection: DirectoryConnection, moment: Moment) -> "QuerySet[DirectoryConnection]":
    return synchronised()


DIRECTORIES = Explanation(
    model=DirectoryConnection,
    selection=_read,
    sentences={
        "is_enabled": _("it is switched off"),
        "firm": _("the firm is suspended or closed"),
    },
    takes=_("The next run reads it."),
)
