import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.catalogue.products import WITHOUT_LIMITS
from tests.e2e.product import running, sign_up

SCHEMATHESIS = str(Path(sys.executable).parent / "schemathesis")
CONFIGURATION = str(Path(__file__).with_name("schemathesis.toml"))


TOKENS = ("TOKEN", "TOKEN_TO_SIGN_OUT", "TOKEN_TO_REVOKE", "TOKEN_TO_DELETE")


def test_the_running_product_keeps_to_its_schema(tmp_path: Path):
    with running(tmp_path / "data", environment=WITHOUT_LIMITS) as product, ExitStack() as people:
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
