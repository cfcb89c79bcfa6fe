"""Reads parameters off the wire and refuses what Stripe would refuse.

What is valid is read from the SDK's own ``stripe.params.*`` TypedDicts. ``Literal[…] | str``
there is an enumeration that may grow: Stripe refuses a word that is not in it, so we do too.
"""

import re
import types
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

import stripe._request_options as options
import typing_extensions
from stripe._stripe_object import UntypedStripeObject

from sandbox.stripe.errors import StripeError, invalid

__all__ = ["Params", "check", "check_metadata", "decode"]

Params = dict[str, Any]
_PART = re.compile(r"\[([^\]]*)\]")


def decode(pairs: Iterable[tuple[str, str]]) -> Params:
    """Turn ``a[b][0]=c`` into nested dictionaries; lists keep their numbers as keys."""
    tree: Params = {}
    for name, value in pairs:
        root, bracket, rest = name.partition("[")
        parts = [root, *_PART.findall(bracket + rest)]
        branch = tree
        for part in parts[:-1]:
            branch = branch.setdefault(part or str(len(branch)), {})
            if not isinstance(branch, dict):
                raise invalid(f"Invalid parameters: {name}", param=name)
        branch[parts[-1] or str(len(branch))] = value
    return tree


def check(tree: Mapping[str, Any], shape: type) -> Params:
    """Return the parameters with their types; raises what Stripe would answer."""
    checked = _typed_dict(tree, shape, "")
    for name in ("metadata", "payment_intent_data", "setup_intent_data"):
        part = checked.get(name)
        if isinstance(part, dict):
            check_metadata(part if name == "metadata" else part.get("metadata") or {})
    return checked


def check_metadata(metadata: Mapping[str, str]) -> None:
    if len(metadata) > 50:
        raise invalid("Metadata can have at most 50 keys.", param="metadata")
    for key, value in metadata.items():
        param = f"metadata[{key}]"
        if len(key) > 40:
            raise invalid("Metadata keys can be at most 40 characters.", param=param)
        if len(value) > 500:
            raise invalid("Metadata values can be at most 500 characters.", param=param)


@cache
def _fields(shape: type) -> tuple[dict[str, Any], frozenset[str]]:
    """Return a TypedDict's fields with their types, and which of them must be there."""
    names = {**vars(options), "StripeContext": Any}
    hints = typing_extensions.get_type_hints(shape, localns=names)
    ours = set(hints) - set(options.RequestOptions.__annotations__)
    required = frozenset(getattr(shape, "__required_keys__", ())) & ours
    return {name: hints[name] for name in ours}, required


def _typed_dict(tree: Mapping[str, Any], shape: type, prefix: str) -> Params:
    fields, required = _fields(shape)
    for name in tree:
        if name not in fields:
            param = _join(prefix, name)
            raise invalid(
                f"Received unknown parameter: {param}", param=param, code="parameter_unknown"
            )
    for name in sorted(required):
        if name not in tree:
            param = _join(prefix, name)
            message = f"Missing required param: {param}."
            raise invalid(message, param=param, code="parameter_missing")
    return {
        name: _value(value, fields[name], _join(prefix, name)) for name, value in tree.items()
    }


def _value(value: Any, hint: Any, param: str) -> Any:
    """Return one value as the type says, or raise."""
    origin = get_origin(hint)
    if origin in {Union, types.UnionType}:
        return _one_of(value, get_args(hint), param)
    if origin is Literal:
        if value in get_args(hint):
            return value
        words = ", ".join(word for word in get_args(hint) if word)
        raise invalid(f"Invalid {param}: must be one of {words}", param=param)
    if origin in {list, typing_extensions.List}:
        return _list(value, get_args(hint)[0], param)
    if origin in {dict, UntypedStripeObject}:
        return _mapping(value, param)
    if typing_extensions.is_typeddict(hint):
        if not isinstance(value, dict):
            raise invalid("Invalid object", param=param)
        return _typed_dict(value, hint, param)
    return _scalar(value, hint, param)


def _scalar(value: Any, hint: Any, param: str) -> Any:
    if isinstance(value, dict):
        raise invalid(f"Invalid string: {value}", param=param)
    if hint is bool:
        if value in {"true", "false"}:
            return value == "true"
        raise invalid(f"Invalid boolean: {value}", param=param)
    if hint is int:
        if re.fullmatch(r"-?\d+", value):
            return int(value)
        code = "parameter_invalid_integer"
        raise invalid(f"Invalid integer: {value}", param=param, code=code)
    if hint in {float, Decimal}:
        try:
            return str(Decimal(value))
        except InvalidOperation:
            raise invalid(f"Invalid decimal: {value}", param=param) from None
    if value == "":
        message = (
            f"You passed an empty string for '{param}'. We assume empty values are an attempt "
            f"to unset a parameter; however '{param}' cannot be unset."
        )
        raise invalid(message, param=param, code="parameter_invalid_empty")
    return value


def _one_of(value: Any, hints: tuple[Any, ...], param: str) -> Any:
    words = {word for hint in hints if get_origin(hint) is Literal for word in get_args(hint)}
    choices = [hint for hint in hints if hint is not type(None)]
    if words - {""}:  # an enumeration that may grow; Stripe knows how far it has
        choices = [hint for hint in choices if hint is not str]
    refusal: StripeError | None = None
    for hint in choices:
        try:
            return _value(value, hint, param)
        except StripeError as error:
            # Of several refusals the one about something further inside says more.
            if refusal is None or len(error.error["param"]) > len(refusal.error["param"]):
                refusal = error
    assert refusal
    raise refusal


def _list(value: Any, hint: Any, param: str) -> list[Any]:
    if not isinstance(value, dict):
        raise invalid("Invalid array", param=param)
    return [
        _value(each, hint, f"{param}[{index}]") for index, each in enumerate(value.values())
    ]


def _mapping(value: Any, param: str) -> dict[str, str]:
    if not isinstance(value, dict) or any(isinstance(each, dict) for each in value.values()):
        raise invalid("Invalid object", param=param)
    return dict(value)


def _join(prefix: str, name: str) -> str:
    return f"{prefix}[{name}]" if prefix else name
