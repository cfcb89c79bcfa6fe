"""A handler that cannot do anything at the moment."""

from typing import Any


class Refusing:
    def answer(self, event: Any, *, clock: Any) -> str | None:
        raise ConnectionError("the database has gone away")


HANDLERS = {"twilio": Refusing()}
