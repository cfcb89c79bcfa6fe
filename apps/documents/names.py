"""Names of files: whatever somebody sends, as it may be shown and saved under."""

import re
import unicodedata

from apps.documents.kinds import Kind

LONGEST = 120  # letters

# Unseen letters: controls, marks that turn the direction of writing, halves of a pair, and
# line ends in disguise.
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_RESERVED = re.compile(r'[<>:"|?*]')  # by one operating system or another


def fit_name(name: str, kind: Kind) -> str:
    """Return a name without folders, tricks and excess, that ends as files of its kind do.

    ``../../etc/passwd`` becomes ``passwd.txt``, ``invoice\\u202efdp.exe``, if it is a PDF,
    ``invoicefdp.exe.pdf``; of a name with nothing in it ``file.pdf`` is made.
    """
    name = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1])
    seen = (letter for letter in name if unicodedata.category(letter) not in _UNSEEN)
    name = " ".join(_RESERVED.sub("_", "".join(seen)).split()).rstrip(". ")
    stem, dot, suffix = name.rpartition(".")
    suffix = f"{dot}{suffix}".lower()
    if not dot or suffix not in kind.suffixes:
        stem, suffix = name, kind.suffixes[0]
    stem = stem[: LONGEST - len(suffix)].strip(". ")
    return f"{stem or 'file'}{suffix}"
