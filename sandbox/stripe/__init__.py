"""Stripe, as far as Nightshift uses it: payment intents, customers, cards, refunds, disputes.

``vendor.py`` is what tests, the control API and the world file speak to; ``api.py`` is what
happens around every request (key, parameters, idempotency); the rest is one file per thing.
"""

from sandbox.stripe.vendor import Stripe

__all__ = ["Stripe"]
