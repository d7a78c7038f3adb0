"""A health check for images without curl: `python -m local.http_check URL`."""

import sys
import urllib.request

TIMEOUT_SECONDS = 5


def main() -> int:
    try:
        with urllib.request.urlopen(sys.argv[1], timeout=TIMEOUT_SECONDS):
            return 0
    except OSError as error:  # an error status is one too
        sys.stderr.write(f"{sys.argv[1]}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
