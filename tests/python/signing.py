"""Requests signed by botocore, the signer under every AWS tool."""

import json
import urllib.error
import urllib.request

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from conftest import ACCESS_KEY_ID, SECRET


def call(center, method, path, body=None, headers=None, secret=SECRET, region="any", params=None):
    """One signed call; gives the status and the answer."""
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    request = AWSRequest(method, center.url + path, headers=headers or {}, data=data, params=params)
    SigV4Auth(Credentials(ACCESS_KEY_ID, secret), "message-center", region).add_auth(request)
    prepared = request.prepare()
    raw = urllib.request.Request(prepared.url, data=data, headers=dict(prepared.headers), method=method)
    try:
        with urllib.request.urlopen(raw, timeout=30) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        text = error.read()
        return error.code, json.loads(text) if text else None
