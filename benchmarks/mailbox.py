"""A mail server that takes everything and keeps nothing: ``python -m benchmarks.mailbox``.

Speaks as much SMTP as smtplib needs and answers at once. It is as quick as Python's sockets
are, so that what is measured is the sender. Prints its port. ``VRFY`` answers how many
connections there were.
"""

import socketserver

ANSWERS = {b"EHLO": b"250-mailbox\r\n250 8BITMIME\r\n", b"QUIT": b"221 Bye\r\n"}


class Session(socketserver.StreamRequestHandler):
    """One connection."""

    disable_nagle_algorithm = True
    server: "Mailbox"

    def handle(self) -> None:
        self.server.connections += 1
        self._say(b"220 mailbox\r\n")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"VRFY":
                self._say(b"252 %d\r\n" % self.server.connections)
            elif verb == b"DATA":
                self._say(b"354 Go on\r\n")
                while self.rfile.readline() not in {b".\r\n", b""}:
                    pass
                self._say(b"250 Taken\r\n")
            else:
                self._say(ANSWERS.get(verb, b"250 OK\r\n"))
            if verb == b"QUIT":
                return

    def _say(self, answer: bytes) -> None:
        self.wfile.write(answer)


class Mailbox(socketserver.ThreadingTCPServer):
    daemon_threads = True
    connections = 0


if __name__ == "__main__":
    with Mailbox(("127.0.0.1", 0), Session) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()
