from collections.abc import Collection, Iterable
from typing import Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from lampwork.cloud.moto_seam import s3
from lampwork.cloud.s3_access.keys import Secrets
from lampwork.cloud.s3_access.post_policies import Form, check_policy
from lampwork.cloud.s3_access.query_signatures import (
    SUBRESOURCES,
    VERSION_4,
    check_version_2,
    check_version_4,
)
from lampwork.cloud.s3_access.refusals import Refused, access_denied, unusable_authorization
from lampwork.cloud.s3_access.request import S3Request

# What anybody may be allowed to do, by the method and whether it is about an object.
ACTIONS: Final = {
    ("GET", True): "s3:GetObject",
    ("HEAD", True): "s3:GetObject",
    ("PUT", True): "s3:PutObject",
    ("DELETE", True): "s3:DeleteObject",
    ("GET", False): "s3:ListBucket",
    ("HEAD", False): "s3:ListBucket",
    ("POST", False): "s3:PutObject",
}
READS: Final = frozenset(("s3:GetObject", "s3:ListBucket"))
SCHEMES: Final = frozenset(("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", "AWS"))
IN_QUERY: Final = frozenset(("X-Amz-Algorithm", "Signature"))


class SignedS3:
    """Refuses requests to S3 that are not signed, or whose presigned URL or form is not valid.

    A signature in the Authorization header is taken as valid: such a request comes from a client
    that has the keys at hand, which are no secret here. Presigned URLs are handed on to others, so
    a program that makes them wrongly, lets them be changed, or sends its own token along to them,
    must fail here as on AWS.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app
        self._secrets = Secrets()

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        # Browsers send OPTIONS themselves, to ask what a page may send.
        if environ["REQUEST_METHOD"] != "OPTIONS":
            try:
                self._check(S3Request(environ))
            except Refused as refused:
                return refused.answer(environ, start)
        return self._app(environ, start)

    def _check(self, request: S3Request) -> None:
        given = request.parameters
        if (authorization := request.header("authorization")) is not None:
            if request.bucket is not None:
                _check_authorization(authorization, given)
            return
        if "Action" in given:  # another service's, which may carry an old signature too
            return
        if not VERSION_4.isdisjoint(given):
            if _service(given.get("X-Amz-Credential", "")) in ("", "s3"):
                check_version_4(request, self._secrets)
        elif "AWSAccessKeyId" in given or "Signature" in given:
            check_version_2(request, self._secrets)
        elif request.bucket is not None and "HTTP_X_AMZ_TARGET" not in request.environ:
            self._check_unsigned(request, request.bucket)

    def _check_unsigned(self, request: S3Request, bucket: str) -> None:
        if _is_form(request):
            form = Form.of(request)
            key = form.needed("key")
            if "policy" in form.fields:
                check_policy(form, bucket, self._secrets)
                return
        else:
            key = request.key
        action = ACTIONS.get((request.method, bool(request.key)))
        asks_for_more = not SUBRESOURCES.isdisjoint(request.parameters.keys() - {"versionId"})
        if action is None or asks_for_more or not _may_anybody(action, bucket, key):
            raise access_denied()


def _check_authorization(authorization: str, parameters: Collection[str]) -> None:
    if not IN_QUERY.isdisjoint(parameters):
        raise unusable_authorization(
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature"
            " query string parameter or the Authorization header should be specified",
            authorization,
        )
    if authorization.partition(" ")[0] not in SCHEMES:
        raise unusable_authorization("Unsupported Authorization Type", authorization)


def _service(credential: str) -> str:
    parts = credential.split("/")
    return parts[3] if len(parts) == 5 else ""


def _is_form(request: S3Request) -> bool:
    kind = request.header("content-type") or ""
    return request.method == "POST" and kind.startswith("multipart/form-data")


def _may_anybody(action: str, bucket: str, key: str) -> bool:
    return s3.policy_permits(bucket, key, action) or s3.everybody_may(
        "READ" if action in READS else "WRITE", bucket, key if action == "s3:GetObject" else ""
    )
