import os
import subprocess
import sys
from pathlib import Path

from tests.catalogue.products import WITHOUT_LIMITS
from tests.e2e.product import running, sign_up

SCHEMATHESIS = str(Path(sys.executable).parent / "schemathesis")
CONFIGURATION = str(Path(__file__).with_name("schemathesis.toml"))


def test_the_running_product_keeps_to_its_schema(tmp_path: Path):
    with (
        running(tmp_path / "data", environment=WITHOUT_LIMITS) as product,
        sign_up(product) as user,
        sign_up(product) as leaver,
    ):
        schema = f"{product.origin}/api/openapi.json"
        finished = subprocess.run(
            [SCHEMATHESIS, "--config-file", CONFIGURATION, "run", schema],
            env={**os.environ, "TOKEN": user.token, "TOKEN_TO_LOSE": leaver.token},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

        assert finished.returncode == 0, finished.stdout + finished.stderr
        assert user.client.get("/auth/me").status_code == 200
