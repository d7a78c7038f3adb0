"""A certificate for this machine's own names, for clients that insist on TLS."""

import os
import re
import ssl
from collections.abc import Iterable, Iterator
from pathlib import Path

NAMES = (
    *("localhost", "*.localhost", "127.0.0.1", "::1"),
    # Most clients let a wildcard stand for one label, and only below two others.
    *("*.execute-api.localhost", "*.lambda-url.localhost"),
)
CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class Certificates:
    """The server's certificate, made once and kept in `directory`.

    `own` are the files of a certificate and its key that the server shows instead. The key that
    signed ours is not kept, so it can sign no other. `bundle` holds the authorities that
    this machine's programs trust and ours; variables such as SSL_CERT_FILE must name it.
    """

    def __init__(self, directory: Path, own: tuple[Path, Path] | None = None) -> None:
        self._own = own
        self.ca = directory / "ca.pem"
        self.bundle = directory / "bundle.pem"
        self._server = directory / "server.pem"

    def ensure(self, *hosts: str) -> None:
        """Make the files that are missing or out of date. The certificate is for these hosts, too,
        and goes on being for those it has been for."""
        import certifi

        self.ca.parent.mkdir(parents=True, exist_ok=True)
        named = self._names() if self.ca.exists() else []
        needed = list(dict.fromkeys([*NAMES, *hosts, *named]))
        if set(needed) != set(named):
            self._issue(needed)
        # What a company adds to the system's authorities counts here as it does without us.
        system = ssl.get_default_verify_paths().cafile
        files = [Path(certifi.where()), *([Path(system)] if system else []), self.ca]
        bundle = b"\n".join(dict.fromkeys(_certificates(files))) + b"\n"
        if not self.bundle.exists() or self.bundle.read_bytes() != bundle:
            _write_private(self.bundle, bundle)

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        certificate, key = self._own or (self._server, None)
        context.load_cert_chain(certificate, key)
        return context

    def _names(self) -> list[str]:
        """The names that the certificate is for. PEM lets text stand before what it holds."""
        if not self._server.exists():
            return []
        with self._server.open(encoding="utf-8") as file:
            return file.readline().removeprefix("#").split()

    def _issue(self, names: list[str]) -> None:
        import trustme  # takes 100 ms, once for each data folder

        authority = trustme.CA(organization_name="Lampwork on this machine")
        server = authority.issue_cert(*names)
        first_line = f"# {' '.join(names)}\n".encode()
        chain = b"".join(pem.bytes() for pem in server.cert_chain_pems)
        _write_private(self._server, first_line + server.private_key_pem.bytes() + chain)
        _write_private(self.ca, authority.cert_pem.bytes())


def _certificates(files: Iterable[Path]) -> Iterator[bytes]:
    for file in files:
        yield from CERTIFICATE.findall(file.read_bytes())


def _write_private(path: Path, content: bytes) -> None:
    """Write a file atomically, for this user only."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    new.replace(path)
