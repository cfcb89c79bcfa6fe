"""``make run`` and ``make night``: a landlord's night on this machine, for real.

Real processes (web, cluster under its guard, mail catcher), real schedules, demo data.
"""
