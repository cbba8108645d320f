"""A second stack in the same account, deployed as the one that counts."""

import json

import pytest

from local_aws import ROOT, deploy, until, word

# The words of docs/DEPLOY.md, and what only a local place needs besides; nobody is there to confirm.
DEPLOY = "sam deploy --config-env prod --parameter-overrides Architecture=arm64 AlarmMail=ops@example.com SesIdentity=example.com Dashboard=true"
assert f"\n{DEPLOY}\n" in (ROOT / "docs/DEPLOY.md").read_text(), "the guide deploys in other words"
LOCAL = DEPLOY.replace("Architecture=arm64", "Architecture=x86_64 EgressAllow=127.0.0.0/8") + " --no-confirm-changeset"


@pytest.fixture(scope="module")
def second(stack, aws, folder, im):
    second = deploy(aws, folder, LOCAL)
    second.invoke("schedule", json.loads((ROOT / "events/schedule.json").read_text()))
    status, _, answer = second.call("PUT", "/v1/channels/second-im", {"kind": "webhook", "settings": {"url": im.url}})
    assert status == 201, answer
    return second


def send(stack, text, channel):
    body = {"content": {"body": text}, "routing": {"channels": [channel]}}
    status, _, answer = stack.call("POST", "/v1/messages", body)
    assert status == 202, answer
    return answer["id"]


def test_two_stacks_know_nothing_of_each_other(stack, second, im):
    assert second.name != stack.name
    theirs, ours = word(), word()
    in_second, in_first = send(second, theirs, "second-im"), send(stack, ours, "im")
    assert second.final(in_second)["status"] == stack.final(in_first)["status"] == "completed"
    assert len(im.of(theirs)) == len(im.of(ours)) == 1

    assert stack.call("GET", f"/v1/messages/{in_second}")[0] == second.call("GET", f"/v1/messages/{in_first}")[0] == 404
    assert stack.call("GET", "/v1/messages", key=second.key)[0] == 401
    assert second.call("GET", "/v1/messages", key=stack.key)[0] == 401
    names = {channel["name"] for channel in second.call("GET", "/v1/channels")[2]["items"]}
    assert names == {"second-im"}


def test_an_event_reaches_the_stack_that_it_names(stack, second, aws, im):
    text = word()
    detail = {"content": {"body": text}, "routing": {"channels": ["second-im"]}, "stack": second.name}
    entry = {"Source": "shop", "DetailType": "message-center.send", "Detail": json.dumps(detail)}
    assert aws.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0
    push = until(lambda: im.of(text))[0]
    assert second.final(push.message)["status"] == "completed"
    assert stack.call("GET", f"/v1/messages/{push.message}")[0] == 404


def test_the_one_that_counts_is_protected(second, aws):
    table = aws.client("dynamodb").describe_table(TableName=second.outputs["Table"])["Table"]
    assert table["DeletionProtectionEnabled"]
    template = aws.client("cloudformation").get_template(StackName=second.name)["TemplateBody"]
    assert "AWS::CloudWatch::Dashboard" in json.dumps(template)
