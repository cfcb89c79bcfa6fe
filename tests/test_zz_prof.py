import time, pytest, time_machine
from datetime import date
from django.db import connection
pytestmark = pytest.mark.django_db

def test_profile():
    from benchmarks.world import make_leases
    from apps.leasing.models import Property
    from apps.leasing.services import generate_monthly_invoices
    from apps.leasing.services.late_fees import _late
    from apps.leasing.services import reminders
    from apps.leasing.models import LateFeeAssessment
    from django.db.models import Exists, OuterRef
    make_leases(40000)
    with time_machine.travel("2025-03-01T18:00:00Z"):
        generate_monthly_invoices()
    homes = Property.objects.filter(firm__is_active=True).filter(timezone__in=["America/New_York"])
    q = _late(homes, date(2025,3,8)).exclude(Exists(LateFeeAssessment.objects.filter(invoice=OuterRef("pk"))))
    from apps.billing.models import Invoice
    from datetime import timedelta
    t = date(2025,3,9)
    o = Invoice.objects.collectable().undisputed(on=t).filter(due_date__gte=t-timedelta(44), due_date__lte=t+timedelta(3)).select_related("firm__settings")
    r = reminders._rent(o, homes)
    first = q.order_by("pk").first().pk
    for analyze in (False, True):
        if analyze:
            with connection.cursor() as c: c.execute("ANALYZE")
        for name, rows in (("late", q), ("rem", r)):
            for off in (0, 20000, 39000):
                s = time.perf_counter(); n = len(rows.order_by("pk").filter(pk__gt=first+off-1)[:500]); e = time.perf_counter()-s
                print(analyze, name, off, n, round(e,3))
        print(q.order_by("pk").filter(pk__gt=first+20000)[:500].explain(analyze=True)[:3000])
