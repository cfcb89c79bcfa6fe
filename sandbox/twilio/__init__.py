"""Twilio's text messages, on loopback."""

from sandbox.twilio.carrier import Twilio

__all__ = ["Twilio"]
