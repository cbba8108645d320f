"""What callers are told verifies with the Standard Webhooks project's own library."""

import json

from standardwebhooks.webhooks import Webhook

from conftest import until
from signing import call


def test_the_projects_own_library_verifies_what_is_told(center, receiver):
    url = f"http://127.0.0.1:{receiver.server_address[1]}/results"
    wanted = ["message.completed", "delivery.sent"]
    status, webhook = call(center, "PUT", "/v1/webhooks/python", {"url": url, "events": wanted})
    assert status == 201, webhook
    secret = webhook["secret"]
    status, sent = call(center, "POST", "/v1/messages", {
        "template": "hello", "to": [{"email": "told@example.com"}], "data": {"name": "张伟"}, "reference": "py-1"})
    assert status == 202, sent
    mine = until(lambda: [t for t in receiver.told if json.loads(t[1])["data"]["message_id"] == sent["id"]
                          and json.loads(t[1])["type"] == "message.completed"])
    for headers, body in receiver.told:
        verified = Webhook(secret).verify(body, {k.lower(): v for k, v in headers.items()})
        assert verified["type"] in wanted
    completed = json.loads(mine[0][1])
    assert completed["data"]["status"] == "completed"
    assert completed["data"]["reference"] == "py-1"
    # One mail, and one push for each robot and IM.
    counts = completed["data"]["counts"]
    assert counts["sent"] == sum(counts.values()) == len(sent["deliveries"]) and counts["failed"] == 0
    assert "." not in {k.lower(): v for k, v in mine[0][0].items()}["webhook-id"]
    status, listed = call(center, "GET", "/v1/webhooks/python")
    assert status == 200 and secret not in json.dumps(listed)
