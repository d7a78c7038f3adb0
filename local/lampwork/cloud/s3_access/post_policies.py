"""Presigned POSTs: uploads by a form that carries a signed policy."""

import base64
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from werkzeug.formparser import parse_form_data

from lampwork.cloud.s3_access.keys import Secrets, is_same, version_2, version_4
from lampwork.cloud.s3_access.refusals import Refused, access_denied, wrong_signature
from lampwork.cloud.s3_access.request import S3Request

VERSION_4: Final = ("x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature")
VERSION_2: Final = ("awsaccesskeyid", "signature")
# Fields that no condition has to allow.
FREE: Final = frozenset(("awsaccesskeyid", "file", "policy", "signature", "x-amz-signature"))


@dataclass(frozen=True)
class Form:
    """The fields of an upload by their names in lower case, and the size of its file in bytes."""

    fields: Mapping[str, str]
    size: int

    @classmethod
    def of(cls, request: S3Request) -> "Form":
        body = request.environ["wsgi.input"]
        content = body.read()
        request.environ["wsgi.input"] = io.BytesIO(content)
        _, form, files = parse_form_data({**request.environ, "wsgi.input": io.BytesIO(content)})
        fields = {name.lower(): value for name, value in form.items()}
        file = files.get("file")
        size = len(file.read()) if file else len(fields.get("file", "").encode())
        return cls(fields, size)

    def needed(self, name: str) -> str:
        """A field.

        Raises:
            Refused: it is missing.
        """
        if name not in self.fields:
            raise Refused(
                400,
                "InvalidArgument",
                f"Bucket POST must contain a field named '{name}'.  If it is specified, please"
                " check the order of the fields.",
                ArgumentName=name,
                ArgumentValue="",
            )
        return self.fields[name]


def check_policy(form: Form, bucket: str, secrets: Secrets) -> None:
    """Check the signature of a form's policy, then the form against the policy.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html

    Raises:
        Refused: the form may not be sent, or not any more.
    """
    _check_signature(form, secrets)
    policy = _policy(form.fields["policy"])
    if _expiration(policy) <= datetime.now(UTC):
        raise access_denied("Invalid according to Policy: Policy expired.")
    allowed = {*FREE}
    values = {**form.fields, "bucket": bucket}
    for condition in policy.get("conditions", ()):
        for name, operator, wanted in _read(condition):
            if operator == "content-length-range":
                _check_size(form.size, *wanted)
                continue
            allowed.add(name)
            value = values.get(name, "")
            if not (value.startswith(wanted) if operator == "starts-with" else value == wanted):
                shown = json.dumps([operator, f"${name}", wanted])
                raise access_denied(
                    f"Invalid according to Policy: Policy Condition failed: {shown}"
                )
    others = {name for name in form.fields if not name.startswith("x-ignore-")}
    if extra := sorted(others - allowed):
        raise access_denied(f"Invalid according to Policy: Extra input fields: {', '.join(extra)}")


def _check_signature(form: Form, secrets: Secrets) -> None:
    policy = form.fields["policy"]
    if "awsaccesskeyid" in form.fields:
        access_key, provided = (form.needed(name) for name in VERSION_2)
        expected = version_2(secrets.of(access_key), policy)
    else:
        _, credential, _, provided = (form.needed(name) for name in VERSION_4)
        access_key, _, scope = credential.partition("/")
        expected = version_4(secrets.of(access_key), scope, policy)
    if not is_same(expected, provided):
        raise wrong_signature(access_key, provided, {"StringToSign": policy})


def _policy(encoded: str) -> dict[str, Any]:
    try:
        policy = json.loads(base64.b64decode(encoded))
    except ValueError:
        raise _invalid("Invalid JSON.") from None
    if not isinstance(policy, dict):
        raise _invalid("Invalid JSON.")
    return policy


def _expiration(policy: Mapping[str, Any]) -> datetime:
    try:
        return datetime.fromisoformat(policy["expiration"]).astimezone(UTC)
    except KeyError:
        raise _invalid("Policy missing expiration.") from None
    except (TypeError, ValueError, OverflowError):
        raise _invalid("Invalid 'expiration' value.") from None


def _read(condition: Any) -> Iterator[tuple[str, str, Any]]:
    """The field, the operator and the value of a condition."""
    match condition:
        case dict() if len(condition) == 1:
            [(name, value)] = condition.items()
            yield str(name).lower(), "eq", value
        case dict():
            problem = "Simple-Conditions must have exactly one property specified."
            raise _invalid(f"Invalid Simple-Condition: {problem}")
        case ["content-length-range", smallest, largest]:
            try:
                yield "", "content-length-range", (int(smallest), int(largest))
            except (TypeError, ValueError):
                raise _invalid("Invalid content-length-range.") from None
        case [("eq" | "starts-with") as operator, str(name), str(value)] if name.startswith("$"):
            yield name.removeprefix("$").lower(), operator, value
        case _:
            raise _invalid(f"Invalid Condition: {json.dumps(condition)}")


def _check_size(size: int, smallest: int, largest: int) -> None:
    if size < smallest:
        raise Refused(
            400,
            "EntityTooSmall",
            "Your proposed upload is smaller than the minimum allowed size",
            ProposedSize=size,
            MinSizeAllowed=smallest,
        )
    if size > largest:
        raise Refused(
            400,
            "EntityTooLarge",
            "Your proposed upload exceeds the maximum allowed size",
            ProposedSize=size,
            MaxSizeAllowed=largest,
        )


def _invalid(problem: str) -> Refused:
    return Refused(400, "InvalidPolicyDocument", f"Invalid Policy: {problem}")
