"""The Bank of Georgia's online payments, on loopback."""

from sandbox.bog.bank import Bog

__all__ = ["Bog"]
