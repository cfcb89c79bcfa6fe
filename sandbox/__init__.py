"""One small program that plays the companies Nightshift talks to, over HTTP on loopback.

``python -m sandbox`` for the demo and for proofs, ``Sandbox`` inside a test: the same code.
It keeps its own log of every request and every effect; see ``core.py`` for how it is built.
"""

from sandbox.program import Sandbox

__all__ = ["Sandbox"]
