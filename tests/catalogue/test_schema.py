import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.e2e.product import Product, sign_up

SCHEMATHESIS = str(Path(sys.executable).parent / "schemathesis")
CONFIGURATION = str(Path(__file__).with_name("schemathesis.toml"))


TOKENS = ("TOKEN", "TOKEN_TO_SIGN_OUT", "TOKEN_TO_REVOKE", "TOKEN_TO_DELETE")


def test_the_running_product_keeps_to_its_schema(product: Product, tmp_path: Path):
    with ExitStack() as people:
        users = {name: people.enter_context(sign_up(product)) for name in TOKENS}
        schema = f"{product.origin}/api/openapi.json"

        finished = subprocess.run(
            [SCHEMATHESIS, "--config-file", CONFIGURATION, "run", schema],
            env={**os.environ, **{name: user.token for name, user in users.items()}},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

        assert finished.returncode == 0, finished.stdout + finished.stderr
        assert users["TOKEN"].client.get("/auth/me").status_code == 200
