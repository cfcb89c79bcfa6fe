"""What both services share: a grid on which places are found, and no callbacks."""

from typing import Any

from flask import Response, json

from sandbox.callbacks import Signer

__all__ = ["Point", "answer", "no_signer", "point"]

Point = tuple[str, str]


def point(latitude: Any, longitude: Any) -> Point:
    """Return where something is, to a hundredth of a degree; raises ``ValueError``."""
    north, east = float(latitude), float(longitude)
    if not abs(north) <= 90:
        raise ValueError(f"Latitude must be in range of -90 to 90°. Given: {north}.")
    if not abs(east) <= 180:
        raise ValueError(f"Longitude must be in range of -180 to 180°. Given: {east}.")
    return f"{north:.2f}", f"{east:.2f}"


def answer(status: int, told: Any, content_type: str = "application/json") -> Response:
    """Return an answer as the services give it."""
    body = json.dumps(told, ensure_ascii=False)
    return Response(body, status, content_type=f"{content_type}; charset=utf-8")


def no_signer(id: str) -> Signer:
    """Weather services call nobody back."""
    raise LookupError(id)
