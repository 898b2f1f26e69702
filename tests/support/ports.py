"""A port for a server that a test starts."""

import random
import socket

CHANCE = random.SystemRandom()  # not the generator that a test may have seeded, as its neighbour has


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens at. The server may take seconds until it does.

    It is below those that a system gives to outgoing connections (from 32768 on Linux), so that none of the tests
    beside this one takes it meanwhile, and drawn by lot, so that two workers do not draw the same.
    """
    while True:
        port = CHANCE.randrange(10_000, 32_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
