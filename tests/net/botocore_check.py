"""Signs each request of a JSON file with botocore, and says which signatures differ from ours.

The file: [{"method", "url", "headers": [[name, value], ...], "body", "region", "service",
"access_key", "secret_key", "token"}, ...]; the headers hold our Authorization.
"""

import json
import sys

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def check(index, given):
    headers = {name.lower(): value for name, value in given["headers"]}
    request = AWSRequest(
        method=given["method"], url=given["url"], data=given["body"].encode())
    signed = dict(part.split("=", 1) for part in headers["authorization"].split(" ", 1)[1].split(", "))
    for name, value in given["headers"]:
        if name.lower() in signed["SignedHeaders"].split(";"):
            request.headers.add_header(name, value)
    request.context["timestamp"] = headers["x-amz-date"]
    auth = SigV4Auth(
        Credentials(given["access_key"], given["secret_key"], given["token"] or None),
        given["service"], given["region"])
    canonical = auth.canonical_request(request)
    to_sign = auth.string_to_sign(request, canonical)
    expected = "AWS4-HMAC-SHA256 Credential=%s, SignedHeaders=%s, Signature=%s" % (
        auth.scope(request), auth.signed_headers(auth.headers_to_sign(request)),
        auth.signature(to_sign, request))
    if expected != headers["authorization"]:
        print("request %d: %s %s\nours:      %s\nbotocore:  %s\n%s" % (
            index, given["method"], given["url"], headers["authorization"], expected, canonical))
        return False
    return True


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        requests = json.load(file)
    good = [check(index, request) for index, request in enumerate(requests)]
    print("%d of %d agree" % (sum(good), len(good)))
    sys.exit(0 if all(good) else 1)


main()
