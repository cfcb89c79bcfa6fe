import pytest
from apps.core.conditions import *
from apps.core.conditions import speaks_of
from apps.core.explaining import *
from apps.jobs.job import registry
from apps.core.days import Clock
from tests import factories as f
pytestmark = pytest.mark.django_db
M = {m._meta.model._meta.label: m for n, m in vars(f).items() if n.endswith("Factory")}
def test_it():
    c = Clock.read()
    for job in registry():
        for e in job.explains:
            row = M[e.model._meta.label]()
            row = e.model._default_manager.select_related(*e.loads).get(pk=row.pk)
            z = e.zone(row)
            keys = [x.key for x in conditions_of(e.selection(row, Moment(c, c.today(z), z)))]
            print(job.name, keys)
            print("   UNMATCHED", [s for s in e.sentences if not any(speaks_of(s, k) for k in keys)], "UNSAID", [k for k in keys if not any(speaks_of(s, k) for s in e.sentences)])
            print("   ", explain(row, {"j": Question(e)}, c)["j"])
