"""The way of a message through the deployed stack."""

import json
import subprocess
import uuid

from standardwebhooks.webhooks import Webhook

from local_aws import until, word


def test_a_request_signed_by_curl_reaches_mail_and_robot_and_its_caller_hears_of_it(stack, sandbox, receiver):
    status, _, hook = stack.call("PUT", "/v1/webhooks/results", {
        "url": f"http://127.0.0.1:{receiver.server_port}/told", "events": ["message.completed"],
    })
    assert status == 201, hook
    name, key = word(), stack.key
    host = f"{stack.api}.execute-api.localhost"
    run = subprocess.run([
        "curl", "-sS", "--aws-sigv4", "aws:amz:any:message-center", "-u", f"{key['access_key_id']}:{key['secret_access_key']}",
        "--resolve", f"{host}:{stack.aws.port}:127.0.0.1", "-H", "content-type: application/json",
        f"http://{host}:{stack.aws.port}/v1/messages",
        "-d", json.dumps({"template": "hello", "to": [{"email": "ann@example.com"}], "data": {"name": name}}),
    ], capture_output=True, text=True, check=True)
    accepted = json.loads(run.stdout)
    assert accepted["status"] == "queued", accepted

    ended = stack.final(accepted["id"])
    assert ended["status"] == "completed", ended
    assert len(until(lambda: sandbox.inbox(name))) >= 2
    assert {item["platform"] for item in sandbox.inbox(name)} == {"wecom", "smtp"}, sandbox.inbox(name)

    def told():
        return [(headers, body) for headers, body in receiver.told if accepted["id"].encode() in body]

    headers, body = until(told)[0]
    event = Webhook(hook["secret"]).verify(body, {k.lower(): v for k, v in headers.items()})
    assert (event["type"], event["data"]["status"]) == ("message.completed", "completed")
    # Other tests count what is in the queue of the webhooks.
    assert stack.call("DELETE", "/v1/webhooks/results")[0] == 204


def test_the_same_key_and_body_are_one_message(stack):
    body = {"template": "hello", "to": [{"email": "bob@example.com"}], "data": {"name": word()}}
    headers = {"idempotency-key": str(uuid.uuid4())}
    first = stack.call("POST", "/v1/messages", body, headers)
    again = stack.call("POST", "/v1/messages", body, headers)
    assert (first[0], again[0]) == (202, 202)
    assert first[2]["id"] == again[2]["id"]
    assert {k.lower(): v for k, v in again[1].items()}["idempotent-replayed"] == "true"
    assert stack.call("POST", "/v1/messages", body | {"reference": "other"}, headers)[0] == 409


def test_a_wrong_signature_an_unknown_path_and_an_unknown_method_are_refused(stack):
    wrong = stack.key | {"secret_access_key": "wrong"}
    assert stack.call("GET", "/v1/messages", key=wrong)[0] == 401
    assert stack.call("GET", "/v1/messages?tag=a%20b&limit=5")[0] == 200
    for method, path, status, code in [
        ("GET", "/nothing/here", 404, "not_found"),
        ("DELETE", "/v1/messages", 405, "method_not_allowed"),
    ]:
        answered, headers, problem = stack.call(method, path)
        headers = {k.lower(): v for k, v in headers.items()}
        assert (answered, headers["content-type"]) == (status, "application/problem+json"), problem
        assert (problem["code"], problem["errors"]) == (code, []), problem
        assert problem["request_id"] == headers["x-request-id"]
