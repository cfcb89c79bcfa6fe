"""The National Weather Service's half: alerts at points (https://www.weather.gov/documentation).

    told = sandbox.nws.warn(42.65, -73.76, event="Tornado Warning")
    sandbox.nws.warn(42.65, -73.76, follows=told["id"], severity="Extreme")
    sandbox.nws.end(told["id"])         # or: warn(..., messageType="Cancel", follows=…)

What a message follows is in force no more. It answers only who says whom to write to, and
knows only America.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from flask import Blueprint, Response, request

from sandbox.callbacks import Signer
from sandbox.core import Core, Json, Vendor, current_call
from sandbox.misbehaviour import Misbehaviour
from sandbox.weather.places import Point, answer, no_signer, point

__all__ = ["Nws"]

PARAMETERS = frozenset(
    {
        "status", "message_type", "event", "code", "area", "point", "region", "region_type",
        "zone", "urgency", "severity", "certainty", "limit",
    }
)  # fmt: skip
USUAL: Json = {
    "status": "Actual",
    "messageType": "Alert",
    "category": "Met",
    "severity": "Severe",
    "certainty": "Observed",
    "urgency": "Immediate",
    "event": "Severe Thunderstorm Warning",
    "headline": "Severe Thunderstorm Warning until this evening",
    "description": "A severe thunderstorm was seen near Albany, moving east.",
    "instruction": "For your protection move to an interior room on the lowest floor.",
    "parameters": {},
}


class Nws(Vendor):
    """What the authority warns of, and where."""

    name: ClassVar[str] = "nws"
    prefixes: ClassVar[tuple[str, ...]] = ("/nws/",)
    verbs: ClassVar[frozenset[str]] = frozenset({"warn", "end"})

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.reset()

    # ---- as every vendor ------------------------------------------------------------------

    def reset(self) -> None:
        with self.core.lock:
            self.messages: dict[str, Json] = {}  # by id, oldest first
            self.in_force: dict[str, Point] = {}

    def load(self, world: Mapping[str, Any], *, now: datetime) -> None:
        for told in world.get("alerts", []):
            self.warn(**told)

    def state(self) -> Json:
        with self.core.lock:
            return {"in_force": [self.messages[id] for id in self.in_force]}

    def kept(self) -> Json:
        with self.core.lock:
            return {"messages": self.messages, "in_force": self.in_force}

    def recall(self, kept: Json) -> None:
        with self.core.lock:
            self.messages = dict(kept["messages"])
            self.in_force = {id: (at[0], at[1]) for id, at in kept["in_force"].items()}

    def signer(self, id: str) -> Signer:
        return no_signer(id)

    def blueprint(self) -> Blueprint:
        return _routes(self)

    # ---- what can be done to it -------------------------------------------------------------

    def misbehave(self, kind: str, *, method: str = "GET", **how: Any) -> Misbehaviour:
        """Misbehave from now on; see ``sandbox/misbehaviour.py``."""
        return self.core.misbehaviours.add(kind, vendor=self.name, method=method, **how)

    def warn(
        self,
        latitude: float,
        longitude: float,
        *,
        follows: str = "",
        vtec: str = "",
        **changes: Any,
    ) -> Json:
        """Send a message about a place, possibly after another one, and return it.

        ``vtec`` numbers the event: ``/O.NEW.KALY.TO.W.0015.250610T1200Z-250610T1300Z/``.
        """
        with self.core.lock:
            now = datetime.fromtimestamp(self.core.now(), UTC)
            hashed = hashlib.sha1(str(len(self.messages)).encode(), usedforsecurity=False)
            message = {
                "@type": "wx:Alert",
                "id": f"urn:oid:2.49.0.1.840.0.{hashed.hexdigest()}.001.1",
                "areaDesc": "Albany",
                "references": self._chain(follows),
                "sent": now.isoformat(timespec="seconds"),
                "effective": now.isoformat(timespec="seconds"),
                "expires": (now + timedelta(hours=1)).isoformat(timespec="seconds"),
                "ends": None,
                "sender": "w-nws.webmaster@noaa.gov",
                "senderName": "NWS Albany NY",
                **USUAL,
                **changes,
            }
            if vtec:
                message["parameters"] = {"VTEC": [vtec]}
            self.messages[message["id"]] = message
            self.in_force.pop(follows, None)
            self.in_force[message["id"]] = point(latitude, longitude)
            self.core.touched.set()
            return message

    def end(self, id: str) -> None:
        """Let a message expire: nothing more is said of it."""
        with self.core.lock:
            del self.in_force[id]
            self.core.touched.set()

    def _chain(self, follows: str) -> list[Json]:
        """Return the messages that the next one names: the last before it, and theirs."""
        if not follows:
            return []
        last = self.messages[follows]
        reference = {
            "@id": f"https://api.weather.gov/alerts/{follows}",
            "identifier": follows,
            "sender": last["sender"],
            "sent": last["sent"],
        }
        return [*last["references"], reference]

    # ---- what is asked for, always under the lock -------------------------------------------

    def active(self, at: Point) -> list[Json]:
        """Return the messages in force at a point."""
        return [self.messages[id] for id, where in self.in_force.items() if where == at]


def _routes(service: Nws) -> Blueprint:
    routes = Blueprint("nws", __name__)

    @routes.get("/nws/alerts/active")
    def active() -> Response:
        service.core.during(current_call())
        if "@" not in request.headers.get("User-Agent", ""):
            return _problem(403, "Forbidden", "Say in User-Agent who you are.")
        if unknown := request.args.keys() - PARAMETERS:
            detail = f"Query parameter {sorted(unknown)[0]!r} is not recognized"
            return _problem(400, "Bad Request", detail)
        try:
            at = point(*request.args.get("point", "").split(","))
        except (TypeError, ValueError):
            return _problem(400, "Bad Request", 'Parameter "point" is invalid')
        if not _is_american(at):
            return _problem(400, "Bad Request", 'Parameter "point" is invalid: out of bounds')
        with service.core.lock:
            features = [_feature(message) for message in service.active(at)]
            told = {
                "@context": ["https://geojson.org/geojson-ld/geojson-context.jsonld"],
                "type": "FeatureCollection",
                "features": features,
                "title": "Current watches, warnings, and advisories",
                "updated": datetime.fromtimestamp(service.core.now(), UTC).isoformat(),
            }
            return answer(200, told, "application/geo+json")

    return routes


def _is_american(at: Point) -> bool:
    """Whether a point is about where the United States are, Guam and Samoa included."""
    north, east = float(at[0]), float(at[1])
    return -15 < north < 72 and (-180 <= east < -64 or 144 < east <= 180)


def _feature(message: Json) -> Json:
    id = f"https://api.weather.gov/alerts/{message['id']}"
    return {"id": id, "type": "Feature", "geometry": None, "properties": message}


def _problem(status: int, title: str, detail: str) -> Response:
    told = {
        "type": f"https://api.weather.gov/problems/{title.replace(' ', '')}",
        "title": title,
        "status": status,
        "detail": detail,
    }
    return answer(status, told, "application/problem+json")
