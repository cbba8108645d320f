"""Two schedulers at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

from local_aws import word

HOUR = timedelta(hours=1)


def test_what_is_due_goes_out_once_with_two_schedulers_at_once(stack, im):
    text = word()
    at = datetime.now(timezone.utc) + HOUR
    message = {"content": {"body": text}, "routing": {"channels": ["im"]}, "send_at": at.isoformat()}
    status, _, accepted = stack.call("POST", "/v1/messages", message)
    assert (status, accepted["status"]) == (202, "scheduled")

    # The stack's own scheduler would make it three.
    events = stack.aws.client("events")
    (rule,) = events.list_rule_names_by_target(TargetArn=stack.function("schedule"))["RuleNames"]
    events.disable_rule(Name=rule)
    queued = []
    both = threading.Event()

    def meet(call):
        """Neither goes on before both have read what is due and queue it."""
        if call.operation == "SendMessageBatch" and accepted["id"].encode() in call.body:
            queued.append(call)
            if len(queued) == 2:
                both.set()
            both.wait(10)

    stack.settle("webhook")
    stack.age(HOUR.seconds)
    with stack.aws.proxy.meddling(meet), ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: stack.invoke("schedule", {}), range(2)))
    events.enable_rule(Name=rule)
    assert both.is_set() and all(answer["promoted"] for answer in answers), answers

    assert stack.final(accepted["id"])["status"] == "completed"
    stack.settle("webhook")
    assert len(im.of(text)) == 1
