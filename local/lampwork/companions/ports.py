import socket


def free_port() -> int:
    """A free TCP port, for a program that takes a port number but no open socket."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
