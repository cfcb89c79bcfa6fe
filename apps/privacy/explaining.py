"""Why a request to be erased is carried out, and why not."""

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from apps.core.explaining import Explanation, Moment
from apps.privacy.models import ErasureRequest
from apps.privacy.services.erasing.running import has_work, possible


def _possible(request: ErasureRequest, moment: Moment) -> "QuerySet[ErasureRequest]":
    return possible()


def _nothing_to_do(request: ErasureRequest, moment: Moment) -> str:
    if has_work(request, now=moment.clock.now):
        return ""
    return str(_("nothing can be done now: what is left is held, or waits to be tried again"))


def _zone(request: Any) -> str:
    return str(request.firm.timezone) if request.firm else "UTC"


ERASURES = Explanation(
    model=ErasureRequest,
    selection=_possible,
    sentences={"status": _("only approved requests are carried out; it is {value}")},
    after=_nothing_to_do,
    takes=_("The next run carries it out, as far as nothing has to be settled first."),
    zone=_zone,
)
