"""Play Stripe, the Bank of Georgia, Twilio, the weather and a directory until told to stop."""

import argparse
import signal
import sys
import threading
from datetime import date, datetime
from pathlib import Path

from sandbox.memory import Unreadable
from sandbox.program import Sandbox


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=12111, help="0 takes a free one")
    parser.add_argument(
        "--directory-port", type=int, default=0, help="of the directory; 0 takes a free one"
    )
    parser.add_argument(
        "--directory-ca", type=Path, help="write here who signs the directory's certificate"
    )
    parser.add_argument("--world", type=Path, help="what there is: fixtures/sandbox.json")
    parser.add_argument(
        "--as-of", type=date.fromisoformat, metavar="YYYY-MM-DD", help="the world's day (today)"
    )
    parser.add_argument(
        "--app",
        default="http://127.0.0.1:8000",
        metavar="URL",
        help="where webhooks go whose address in the world file is only a path",
    )
    parser.add_argument("--log", type=Path, help="append requests and effects here, as JSON")
    parser.add_argument(
        "--state",
        type=Path,
        help="remember everything here; when the file exists, go on from it, not from --world",
    )
    parser.add_argument(
        "--since",
        type=datetime.fromisoformat,
        metavar="MOMENT",
        help="a state that began before is another world's: do not go on from it",
    )
    options = parser.parse_args()

    sandbox = Sandbox(
        port=options.port, directory_port=options.directory_port, app_url=options.app
    )
    if options.directory_ca:
        options.directory_ca.write_bytes(sandbox.directory.server.authority)
    sandbox.core.mortal = True
    if options.log:
        sandbox.core.log.write_to(options.log)
    if options.world:
        sandbox.load(options.world, as_of=options.as_of)
    if options.state:
        try:
            sandbox.remember(options.state, since=options.since)
        except Unreadable as error:
            sys.exit(str(error))
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with sandbox:
        sandbox.send_callbacks()
        print(f"Sandbox ready at {sandbox.url}", flush=True)
        stop.wait()


if __name__ == "__main__":
    main()
