import time, pytest, cProfile, pstats
from apps.core.reports import Report, Subject
from apps.core import money
from apps.jobs.recording import recorded
from tests.jobs.work import GREET
pytestmark = pytest.mark.django_db
def test_x():
    m = money.from_minor(150000,"USD")
    def act(items):
        for i in items:
            i.does("x", m, tally="a"); i.says("abc", would="def")
    for dry in (False, True):
        pr=cProfile.Profile(); pr.enable()
        with recorded(GREET, {"dry_run":dry}, source="code") as r:
            rep=Report(dry_run=dry)
            rep.attempt_each(range(50000), act, subject=lambda n: Subject("thing",str(n),"T"))
        pr.disable()
        pstats.Stats(pr).sort_stats("tottime").print_stats(16)
    assert 0
