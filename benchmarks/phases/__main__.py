"""Run one phase: ``python -m benchmarks.phases charges.world '[1000, "world.json"]'``.

Prints its figures as a line of JSON.
"""

import json
import os
import sys
from importlib import import_module

import django


def main() -> None:
    """Run the phase named on the command line with the arguments after it."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    django.setup()
    part, _, function = sys.argv[1].partition(".")
    module = import_module(f"benchmarks.phases.{part}")
    print(json.dumps(getattr(module, function)(*json.loads(sys.argv[2]))))


if __name__ == "__main__":
    main()
