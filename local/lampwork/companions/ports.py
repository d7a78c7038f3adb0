import socket


def free_port() -> int:
    """A TCP port nobody listens on, for a program that can only be told a number."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
