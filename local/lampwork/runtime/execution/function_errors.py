"""The errors that Lambda reports in place of a function: their log lines and answers."""

import json
import signal


def timed_out(request_id: str, seconds: float) -> bytes:
    return _payload("Sandbox.Timedout", request_id, f"Task timed out after {seconds:.2f} seconds")


def exited(request_id: str, status: int) -> bytes:
    """`status` is that of `subprocess`: negative for a signal."""
    return _payload("Runtime.ExitError", request_id, exit_reason(status))


def not_importable(handler: str, reason: str) -> bytes:
    """The error of AWS's runtime client for a function whose module imports what is not there."""
    module = handler.rpartition(".")[0]
    answer = {
        "errorMessage": f"Unable to import module '{module}': {reason}",
        "errorType": "Runtime.ImportModuleError",
        "requestId": "",
        "stackTrace": [],
    }
    return json.dumps(answer).encode()


def log_line(payload: bytes) -> str:
    """The first line of the runtime client's report of such an error."""
    error = json.loads(payload)
    return f"[ERROR] {error['errorType']}: {error['errorMessage'].splitlines()[0]}"


def exit_reason(status: int) -> str:
    if status == 0:
        return "Runtime exited without providing a reason"
    if status < 0:
        name = signal.strsignal(-status) or f"signal {-status}"
        return f"Runtime exited with error: signal: {name.lower()}"
    return f"Runtime exited with error: exit status {status}"


def _payload(kind: str, request_id: str, message: str) -> bytes:
    text = f"RequestId: {request_id} Error: {message}"
    return json.dumps({"errorType": kind, "errorMessage": text}, separators=(",", ":")).encode()
