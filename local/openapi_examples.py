"""An example for each body of the schema, by the name of the component."""

from typing import Any

ID = "0a89f0bd-3a3a-4f5e-9d35-5a6b1f6d9c11"
EMAIL = "ada@example.com"
PASSWORD = "three blue lanterns at dusk"  # noqa: S105 - nobody's
TOKEN = "v1.9Yk2…"  # noqa: S105
BEFORE, NOW, LATER = "2026-01-30T10:15:31.762Z", "2026-01-30T10:16:05.114Z", "2026-02-28T10:15:31Z"

USER = {"id": ID, "email": EMAIL, "status": "active", "created_at": BEFORE}
TOKENS = {
    "access_token": "eyJhbGciOiJFZERTQSJ9…",
    "token_type": "Bearer",
    "expires_in": 900,
    "refresh_token": TOKEN,
    "refresh_expires_in": 1209600,
    "user": USER,
}
IN_COOKIES = {
    name: value for name, value in TOKENS.items() if name not in ("access_token", "refresh_token")
}
VERIFICATION = {"expires_at": LATER, "token": TOKEN}
TASK = {
    "id": ID,
    "task_id": ID,
    "sequence": 3,
    "status": "processing",
    "terminal": False,
    "progress": 0.4,
    "attempt": 1,
    "max_attempts": 3,
    "cancel_requested": False,
    "prompt": "a lighthouse in the rain",
    "parameters": {"width": 512, "height": 512, "style": "painting", "seed": 7},
    "error": None,
    "result": None,
    "retry_at": None,
    "retry_of": None,
    "request_id": "Y2hhc2U9",
    "created_at": BEFORE,
    "updated_at": NOW,
    "url": f"/api/v1/tasks/{ID}",
    "webhook_url": None,
    "ws_url": f"wss://lampwork.example/ws/tasks/{ID}",
}
API_KEY = {
    "id": ID,
    "name": "The nightly posters",
    "hint": "x9_Q",
    "scopes": ["tasks:read", "tasks:write"],
    "created_at": BEFORE,
    "last_used_at": NOW,
    "expires_at": LATER,
}
SECRET = {"id": ID, "created_at": BEFORE, "expires_at": None}
DELIVERY = {
    "id": ID,
    "webhook_id": "msg_0a89f0bd3a3a4f5e9d355a6b1f6d9c11",
    "task_id": ID,
    "url": "https://receiver.example.com/lampwork",
    "type": "task.completed",
    "status": "pending",
    "attempts": 1,
    "last_status": 503,
    "last_error": None,
    "created_at": BEFORE,
    "next_attempt_at": NOW,
    "finished_at": None,
}

EXAMPLES: dict[str, Any] = {
    "Accepted": {"status": "accepted"},
    "AccountRead": {
        "user": USER,
        "profile": {"display_name": "Ada", "locale": "en-GB"},
        "subscription": {
            "plan": "free",
            "period_start": BEFORE,
            "period_end": LATER,
            "limits": {
                "tasks_per_period": 100,
                "tasks_at_once": 5,
                "runs_at_once": 2,
                "polls_at_once": 10,
                "longest_side": 1024,
                "head_start_seconds": 0,
            },
            "usage": {"tasks": 12, "at_once": 1},
        },
    },
    "AddressRequest": {"email": EMAIL},
    "ApiKeyCreate": {
        "name": "The nightly posters",
        "scopes": ["tasks:read", "tasks:write"],
        "expires_in_days": 90,
    },
    "ApiKeyList": {"items": [API_KEY]},
    "DeliveryList": {"items": [DELIVERY], "next_cursor": None},
    "DeliveryRead": DELIVERY,
    "EmailChangeRequest": {"email": EMAIL},
    "EmailConfirmed": {"status": "changed"},
    "GatewayError": {"message": "Request Header Fields Too Large"},
    "Health": {
        "status": "ok",
        "dependencies": {"database": {"status": "ok", "latency_ms": 1.2}},
        "tasks": {"workers": "alive", "oldest_waiting_seconds": 0.0},
    },
    "LoginRequest": {"email": EMAIL, "password": PASSWORD},
    "LogoutRequest": {"refresh_token": TOKEN},
    "NewApiKey": {**API_KEY, "last_used_at": None, "key": "lw_9Yk2…x9_Q"},
    "NewSecret": {**SECRET, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
    "PasswordChangeRequest": {"current_password": PASSWORD, "new_password": f"{PASSWORD}, again"},
    "ProfileUpdate": {"display_name": "Ada", "locale": "en-GB"},
    "PublicKeySet": {
        "keys": [
            {
                "kty": "OKP",
                "crv": "Ed25519",
                "use": "sig",
                "alg": "EdDSA",
                "kid": "2026-01",
                "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            }
        ]
    },
    "ReauthenticateRequest": {"password": PASSWORD},
    "RefreshRequest": {"refresh_token": TOKEN},
    "RegisterRequest": {"email": EMAIL, "password": PASSWORD},
    "RegisterResponse": {
        "user": {"id": ID, "email": EMAIL, "status": "pending"},
        "verification": VERIFICATION,
    },
    "ResendResponse": {"status": "accepted", "verification": VERIFICATION},
    "ResetRequest": {"token": TOKEN, "password": PASSWORD},
    "SecretList": {"items": [SECRET]},
    "SecretRequest": {"keep_previous_seconds": 86400},
    "SessionList": {
        "items": [
            {
                "id": ID,
                "created_at": BEFORE,
                "last_used_at": NOW,
                "expires_at": LATER,
                "ip": "192.0.2.1",
                "user_agent": "Mozilla/5.0",
                "current": True,
            }
        ]
    },
    "TaskCreate": {
        "prompt": "a lighthouse in the rain",
        "parameters": {"width": 512, "height": 512, "style": "painting", "seed": 7},
    },
    "TaskList": {"items": [TASK], "next_cursor": None},
    "TaskRead": TASK,
    "TokenRequest": {"token": TOKEN},
    "TokenResponse": TOKENS,
    "VerifyRequest": {"token": TOKEN},
    "VerifyResponse": {"status": "active"},
    "WsTicket": {
        "ticket": "q8Jx…",
        "expires_in": 30,
        "ws_url": f"wss://lampwork.example/ws/tasks/{ID}?ticket=q8Jx…",
    },
}
