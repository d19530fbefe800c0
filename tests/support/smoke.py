"""Try a deployed API: `make smoke URL=https://….amazonaws.com/live`, signed with the AWS credentials of the caller.

It asks for what each user needs first, and ends with 1 if an answer is not as it must be.
"""

import json
import os
import sys
from collections.abc import Callable

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.session import Session

TIMEOUT_SECONDS = 35.0


def _is_healthy(body: bytes) -> str | None:
    status = json.loads(body)
    if not status["engine"]["healthy"]:
        return "the engine is not healthy"
    return f"{status['missing']} items are missing from the index" if status["missing"] else None


def _is_search(body: bytes) -> str | None:
    answer = json.loads(body)
    return None if answer["total"]["exact"] else "the total is not exact"


def _is_page(body: bytes) -> str | None:
    return None if b"<!doctype html>" in body[:100].lower() else "it is not a page"


def _is_openapi(body: bytes) -> str | None:
    return None if json.loads(body)["openapi"].startswith("3.1") else "it is not OpenAPI 3.1"


CHECKS: dict[str, Callable[[bytes], str | None]] = {
    "/v1/status": _is_healthy,
    "/v1/search?size=1": _is_search,
    "/openapi.json": _is_openapi,
    "/": _is_page,
}
"""What each path must answer: a function returns what is wrong with a body."""


def problems(url: str, region: str) -> list[str]:
    """Return what is wrong with the API at this URL."""
    credentials = Session().get_credentials()
    if credentials is None:
        return ["AWS credentials are not available. Set AWS_PROFILE, or log in."]
    found = []
    with urllib3.PoolManager(retries=False, timeout=TIMEOUT_SECONDS) as pool:
        for path, check in CHECKS.items():
            request = AWSRequest("GET", url.rstrip("/") + path)
            SigV4Auth(credentials, "execute-api", region).add_auth(request)
            response = pool.request("GET", request.url, headers=dict(request.headers.items()))
            wrong = check(response.data) if response.status == 200 else f"HTTP {response.status}"
            found += [f"{path}: {wrong}"] if wrong else []
    return found


def main() -> int:
    """Print what is wrong, or that nothing is."""
    url = sys.argv[1] if len(sys.argv) > 1 else ""
    if not url.startswith("http"):
        print("URL must be the ApiUrl output of the stack: make smoke URL=https://…", file=sys.stderr)
        return 2
    found = problems(url, os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "eu-central-1")
    print("\n".join(found) or f"{url} answers {len(CHECKS)} requests as it must.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
