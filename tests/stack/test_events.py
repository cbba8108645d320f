"""Events that become messages, and events of mails."""

import json
import uuid

from local_aws import ROOT, by_state, until, word


def put(stack, detail):
    """Puts an event on the bus, and gives it as its target gets it."""
    entry = {"Source": "shop", "DetailType": "message-center.send", "Detail": json.dumps(detail)}
    answer = stack.aws.client("events").put_events(Entries=[entry])
    assert answer["FailedEntryCount"] == 0, answer
    return {"version": "0", "id": answer["Entries"][0]["EventId"], "detail-type": "message-center.send",
            "source": "shop", "detail": detail}


def test_an_event_is_one_message_however_often_it_is_delivered(stack, im):
    text = word()
    event = put(stack, {"content": {"body": text}, "routing": {"channels": ["im"]}})
    push = until(lambda: im.of(text))[0]
    first, again = stack.invoke("ingest", event), stack.invoke("ingest", event)
    assert first == again == {"id": push.message}
    assert stack.final(push.message)["status"] == "completed"
    stack.settle("webhook")
    assert len(im.of(text)) == 1


def test_an_event_for_another_stack_is_left_alone(stack, im):
    theirs, ours = word(), word()
    put(stack, {"content": {"body": theirs}, "routing": {"channels": ["im"]}, "stack": "another"})
    put(stack, {"content": {"body": ours}, "routing": {"channels": ["im"]}, "stack": stack.name})
    until(lambda: im.of(ours))
    stack.settle("webhook")
    assert not im.of(theirs)


def test_an_event_that_cannot_be_sent_is_told_and_not_repeated(stack):
    event = {"version": "0", "id": str(uuid.uuid4()), "detail-type": "message-center.send", "source": "shop",
             "detail": {"template": "no-such-template", "to": []}}
    answer = stack.invoke("ingest", event)
    assert answer["code"] == "unknown_template", answer
    _, _, events = stack.call("GET", "/v1/events?limit=50")
    refused = [e for e in events["items"] if e["type"] == "event.refused" and e["data"]["event"] == event["id"]]
    assert refused, events


def mail(stack, address):
    message = {"content": {"title": "Hello", "body": word()}, "to": [{"email": address}], "routing": {"channels": ["ses"]}}
    status, _, answer = stack.call("POST", "/v1/messages", message)
    assert status == 202, answer
    return stack.final(answer["id"])


def bounce(address, tags):
    """What SES tells of a mail with these tags whose recipient is not there."""
    event = json.loads((ROOT / "events/callback-event.json").read_text())
    event["detail"]["mail"] |= {"destination": [address], "tags": tags}
    event["detail"]["bounce"]["bouncedRecipients"][0]["emailAddress"] = address
    return event


def test_a_bounce_fails_its_recipient_and_nothing_is_sent_to_the_address_again(stack, sandbox):
    # Identities are verified by hand, as the guide says.
    stack.aws.client("sesv2").create_email_identity(EmailIdentity="example.com")
    address = f"{word()}@example.com"
    told = []

    def keep(call):
        if call.operation == "SendEmail":
            told.append(call.said())

    with stack.aws.proxy.meddling(keep):
        sent = mail(stack, address)
    assert (sent["status"], by_state(sent)) == ("completed", {"sent": 1}), sent
    until(lambda: sandbox.inbox(address))
    (of_mail,) = told
    assert of_mail["ConfigurationSetName"] == stack.outputs["Feedback"]
    # SES repeats the tags that a mail was given, and adds its own.
    tags = {tag["Name"]: [tag["Value"]] for tag in of_mail["EmailTags"]}
    event = bounce(address, tags | {"ses:configuration-set": [of_mail["ConfigurationSetName"]]})

    # Nobody but AWS may put events of SES on a bus. So the rule is asked whether it takes this one, and its target is called.
    events = stack.aws.client("events")
    rules = events.list_rule_names_by_target(TargetArn=stack.function("callback"))["RuleNames"]
    patterns = [events.describe_rule(Name=rule)["EventPattern"] for rule in rules]
    assert [events.test_event_pattern(EventPattern=p, Event=json.dumps(event))["Result"] for p in patterns] == [True]
    assert stack.invoke("callback", event)["told"] == 2

    bounced = stack.message(sent["id"])
    assert by_state(bounced) == {"failed": 1}, bounced
    status, _, recipients = stack.call("GET", f"/v1/messages/{sent['id']}/recipients")
    assert [r["status"] for r in recipients["items"]] == ["failed"], recipients
    status, _, suppressed = stack.call("GET", f"/v1/suppressions?address={address}")
    assert [s["address"] for s in suppressed["items"]] == [address], suppressed

    refused = mail(stack, address)
    assert (refused["status"], by_state(refused)) == ("failed", {"suppressed": 1}), refused
    assert len(sandbox.inbox(address)) == 1
