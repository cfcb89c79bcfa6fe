"""The control API: what tests do in Python, over HTTP, for a sandbox of its own process.

====================================  =====================================================
GET  /_sandbox/                       that it is up, and what can be asked of it
GET  /_sandbox/log?after=N            requests with a number above N
GET  /_sandbox/effects?after=N        money that moved
GET  /_sandbox/state                  what every vendor knows, without its secrets
POST /_sandbox/reset                  forget everything, load the world again
POST /_sandbox/clock {offset}         seconds by which the vendors' time runs ahead
POST /_sandbox/latency {seconds}      what every answer takes
POST /_sandbox/misbehave              {vendor, kind, …}: see misbehaviour.py
POST /_sandbox/callbacks              {kind, count, …}: spoil callbacks, see callbacks.py
POST /_sandbox/deliver                send every callback that waits, now
POST /_sandbox/<vendor>/<verb> {…}    one of the vendor's verbs
====================================  =====================================================
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, abort, jsonify, request

from sandbox.core import Json

if TYPE_CHECKING:
    from sandbox.program import Sandbox

__all__ = ["add_control"]


def add_control(sandbox: "Sandbox") -> None:
    """Add the control API to the sandbox's app."""
    core = sandbox.core
    control = Blueprint("control", __name__, url_prefix="/_sandbox")

    @control.get("/")
    def index() -> Response:
        verbs = {name: sorted(vendor.verbs) for name, vendor in sandbox.vendors.items()}
        return jsonify(sandbox="up", url=sandbox.url, verbs=verbs)

    @control.get("/log")
    def log() -> Response:
        after = request.args.get("after", 0, type=int)
        return jsonify([each.as_json() for each in core.log.requests[after:]])

    @control.get("/effects")
    def effects() -> Response:
        after = request.args.get("after", 0, type=int)
        return jsonify([asdict(each) for each in core.log.effects[after:]])

    @control.get("/state")
    def state() -> Response:
        return jsonify({name: vendor.state() for name, vendor in sandbox.vendors.items()})

    @control.post("/reset")
    def reset() -> Response:
        sandbox.reset()
        return jsonify(ok=True)

    @control.post("/clock")
    def clock() -> Response:
        core.offset = float(_told()["offset"])
        return jsonify(now=core.now())

    @control.post("/latency")
    def latency() -> Response:
        core.latency = float(_told()["seconds"])
        return jsonify(ok=True)

    @control.post("/misbehave")
    def misbehave() -> Response:
        told = _told()
        _call(core.misbehaviours.add, {"vendor": "stripe", **told})
        return jsonify(ok=True)

    @control.post("/callbacks")
    def callbacks() -> Response:
        _call(core.callbacks.misbehave, _told())
        return jsonify(ok=True)

    @control.post("/deliver")
    def deliver() -> Response:
        return jsonify([each.status for each in core.callbacks.deliver()])

    @control.post("/<name>/<verb>")
    def vendor_verb(name: str, verb: str) -> Response:
        vendor = sandbox.vendors.get(name) or abort(404)
        if verb not in vendor.verbs:
            abort(404)
        return jsonify(_call(getattr(vendor, verb), _told()))

    sandbox.app.register_blueprint(control)


def _told() -> Json:
    body = request.get_json(silent=True) if request.data else {}
    if not isinstance(body, dict):
        abort(400, "JSON, an object")
    return body


def _call(verb: Callable[..., Any], told: Json) -> Any:
    """Call it; what it does not understand is the caller's mistake, not the sandbox's."""
    try:
        return verb(**told)
    except (LookupError, TypeError, ValueError) as error:
        abort(400, f"{type(error).__name__}: {error}")
