"""Signatures of botocore and curl are accepted as they are; anything else is 401 and says nothing more."""

import json
import subprocess

import pytest

from conftest import ACCESS_KEY_ID, SECRET
from signing import call

MESSAGE = {"template": "hello", "to": [{"email": "py@example.com"}], "data": {"name": "Päivi 张伟"}}


def curl(center, path, *arguments, secret=SECRET, provider="aws:amz:any:message-center"):
    command = ["curl", "-sS", "--aws-sigv4", provider, "-u", f"{ACCESS_KEY_ID}:{secret}", "-w", "\n%{http_code}",
               *arguments, center.url + path]
    text, _, status = subprocess.run(command, check=True, capture_output=True, text=True).stdout.rpartition("\n")
    return int(status), json.loads(text) if text else None


def test_botocore_sends_a_message(center):
    status, answer = call(center, "POST", "/v1/messages", MESSAGE, {"content-type": "application/json"})
    assert status == 202, answer
    status, message = call(center, "GET", f"/v1/messages/{answer['id']}")
    assert status == 200 and message["id"] == answer["id"]


def test_curl_sends_a_message(center):
    body = json.dumps(MESSAGE, ensure_ascii=False)
    status, answer = curl(center, "/v1/messages", "-H", "content-type: application/json", "-d", body)
    assert status == 202, answer
    status, message = curl(center, f"/v1/messages/{answer['id']}")
    assert status == 200 and message["id"] == answer["id"]


@pytest.mark.parametrize("query", [
    {"limit": "5", "tag": "a b"}, {"tag": "ü/ä?&="}, {"reference": "order+1"}, {"tag": "标签", "limit": "1"},
    {"tag": "~.-_"}, {"tag": ""},
])
def test_odd_queries_of_botocore(center, query):
    status, answer = call(center, "GET", "/v1/messages", params=query)
    assert status == 200, answer


@pytest.mark.parametrize("query", [
    "?limit=5&tag=a%20b", "?tag=%C3%BC", "?limit=1&tag=x", "?tag=x&limit=1", "?tag=~.-_", "?tag=",
])
def test_odd_queries_of_curl(center, query):
    status, answer = curl(center, f"/v1/messages{query}")
    assert status == 200, answer


def test_a_body_of_four_mebibytes_is_signed_and_read(center):
    body = json.dumps(MESSAGE).encode()
    full = body + b" " * (4 * 1024 * 1024 - len(body))
    status, answer = call(center, "POST", "/v1/messages", full)
    assert status == 202, answer
    status, answer = call(center, "POST", "/v1/messages", full + b" ")
    assert (status, answer["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("region", ["any", "us-east-1", "cn-north-1"])
def test_every_region_is_good(center, region):
    assert call(center, "GET", "/v1/templates", region=region)[0] == 200


def test_a_wrong_secret_is_refused_without_a_hint(center):
    for status, answer in [call(center, "GET", "/v1/messages", secret="wrong"),
                           curl(center, "/v1/messages", secret="wrong"),
                           curl(center, "/v1/messages", provider="aws:amz:any:s3")]:
        assert status == 401
        assert answer["code"] == "unauthorized"
        assert "secret" not in json.dumps(answer).lower()


def test_basic_works_for_tools_that_cannot_sign(center):
    command = ["curl", "-sS", "-u", f"{ACCESS_KEY_ID}:{SECRET}", center.url + "/v1/templates/hello"]
    assert json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["format"] == "markdown"
