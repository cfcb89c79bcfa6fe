"""What a letter says, made of its bytes.

The standard library's parser, under a wrapper that survives what it raises: real mail breaks
every rule, and some of it is written to do harm. Whatever comes out can be stored (no NUL, no
half characters), shown on one line where it is one, and is bounded in size. What cannot be
read at all raises ``Unreadable``.
"""

from apps.mailbox.parsing.headers import Address, read_message_id
from apps.mailbox.parsing.parts import File, file_kind
from apps.mailbox.parsing.reading import (
    NOTHING,
    Parsed,
    Unreadable,
    parse_header,
    parse_letter,
)

__all__ = [
    "NOTHING",
    "Address",
    "File",
    "Parsed",
    "Unreadable",
    "file_kind",
    "parse_header",
    "parse_letter",
    "read_message_id",
]
