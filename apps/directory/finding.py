"""How a firm's directory is found."""

from apps.core.finding import Finder, Relation
from apps.directory.models import DirectoryConnection
from apps.firms.models import Firm

FINDERS = (
    Finder(
        model=DirectoryConnection,
        columns=("firm__name", "firm__slug"),
        label="firm__name",
        loads=("firm",),
    ),
)

RELATIONS = (
    Relation(
        to=DirectoryConnection,
        rows=lambda connection: Firm.objects.filter(pk=connection.firm_id),
        label="name",
        told=True,
    ),
)
