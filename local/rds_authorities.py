"""Renews the certificates of the authorities of Amazon RDS's servers: `make rds-authorities`.

AWS publishes them at the address that its page names, and a package that database drivers depend on
keeps them too: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html

    python -m local.rds_authorities FILE

FILE is text of any kind that holds certificates: AWS's `global-bundle.pem`, or that package's
module. Roots alone are kept, as a server sends what lies between, and none that is no longer valid.
"""

import re
import sys
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate, load_pem_x509_certificates

from shared.database import RDS_AUTHORITIES

PEM = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
BETWEEN_LINES = re.compile(r"\\n'[\s+]*'")  # of a text that JavaScript joins


def roots(text: str, moment: datetime) -> list[Certificate]:
    """The authorities in a text that are valid then, in the order of their names."""
    found = PEM.findall(BETWEEN_LINES.sub("\n", text))
    certificates = load_pem_x509_certificates("\n".join(found).encode())
    kept = {each for each in certificates if is_root(each) and each.not_valid_after_utc > moment}
    return sorted(kept, key=lambda each: (each.subject.rfc4514_string(), each.serial_number))


def is_root(certificate: Certificate) -> bool:
    return certificate.issuer == certificate.subject


def main(words: list[str]) -> None:
    if len(words) != 1:
        sys.exit(__doc__)
    kept = roots(Path(words[0]).read_text(), datetime.now(UTC))
    pem = b"".join(each.public_bytes(Encoding.PEM) for each in kept)
    RDS_AUTHORITIES.write_bytes(pem)
    print(f"{len(kept)} authorities in {RDS_AUTHORITIES}")  # noqa: T201 - a command


if __name__ == "__main__":
    main(sys.argv[1:])
