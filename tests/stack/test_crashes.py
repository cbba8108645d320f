"""Functions that end in the middle of their work."""

import json

from local_aws import by_state, until, word

# As template.yaml has them: how long a queue's message is in the hands of whoever received it, and how often that may be.
VISIBILITY = 360
RECEIVES = 5


def send(stack, texts, channels, completed):
    """Sends texts in one call, so that one message of the queue holds the tasks of all, and waits until so many of them
    are completed; gives the ids by text."""
    reference = word()
    messages = [
        {"content": {"body": text}, "routing": {"channels": [channel]}, "reference": reference}
        for text, channel in zip(texts, channels)
    ]
    status, _, answer = stack.call("POST", "/v1/messages/batch", {"messages": messages})
    assert status == 202, answer

    def are_completed():
        status, _, listed = stack.call("GET", f"/v1/messages?reference={reference}&limit=50")
        assert status == 200, listed
        return sum(message["status"] == "completed" for message in listed["items"]) == completed

    until(are_completed)
    return dict(zip(texts, (result["id"] for result in answer["results"])))


def attempts(message):
    return [attempt["outcome"] for attempt in message["deliveries"][0]["attempts"]]


def crash_loops(stack):
    status, _, answer = stack.call("GET", "/v1/dead-letters")
    assert status == 200, answer
    return answer["crash_loops"]


def counted(stack, function, metric):
    """The sum of a metric over all lines that a function wrote."""
    pages = stack.aws.client("logs").get_paginator("filter_log_events")
    lines = (e["message"] for p in pages.paginate(logGroupName=f"/aws/lambda/{stack.name}-{function}") for e in p["events"])
    return sum(json.loads(line).get(metric, 0) for line in lines if line.startswith("{"))


def test_of_ten_tasks_the_one_that_ends_its_function_is_put_aside_and_redriven(stack, im):
    texts = [word() for _ in range(10)]
    poison, others = texts[3], texts[:3] + texts[4:]
    im.hold(poison)
    ids = send(stack, texts, ["im"] * 10, completed=9)
    parted = []

    def keep(call):
        if call.operation == "ChangeMessageVisibility":
            parted.append(call.said()["VisibilityTimeout"])

    # It ends the function that has all ten, then one that has them one by one, then those that have it alone, until its
    # queue gives it up.
    with stack.aws.proxy.meddling(keep):
        for n in range(1 + RECEIVES):
            assert crash_loops(stack) == 0
            im.held(poison, n + 1).kill()
            stack.leave(VISIBILITY)
            if parted:
                until(lambda: stack.depth("webhook") == 1, 30, "those it came with are not done without it")
                stack.leave(parted[-1] - VISIBILITY)
                parted.clear()
    until(lambda: crash_loops(stack) == 1, 30, "it did not become a crash loop")
    stack.settle("webhook")
    assert [len(im.of(text)) for text in others] == [1] * 9
    assert stack.message(ids[poison])["status"] == "processing"

    im.hold()
    status, _, answer = stack.call("POST", "/v1/dead-letters/redrive", {"all": True})
    assert (status, answer) == (202, {"redriven": 1})
    ended = stack.final(ids[poison])
    assert (ended["status"], by_state(ended)) == ("completed", {"sent": 1})
    assert attempts(ended) == ["in_doubt"] * (1 + RECEIVES) + ["sent"]
    assert crash_loops(stack) == 0
    assert len(im.of(poison)) == 2 + RECEIVES
    assert len({push.id for push in im.of(poison)}) == 1, "the platform can know it again"


def test_what_a_killed_function_had_in_hand_comes_again_and_is_in_doubt(stack, im):
    sent, again, kept = ([word() for _ in range(n)] for n in (4, 3, 3))
    im.hold(*again, *kept)
    before = counted(stack, "send-webhook", "InDoubt")
    ids = send(stack, sent + again + kept, ["im"] * 7 + ["careful"] * 3, completed=4)
    held = [im.held(text) for text in again + kept]
    assert len({push.process() for push in held}) == 1, "one function has all of them"
    held[0].kill()
    im.hold()
    stack.leave(VISIBILITY)

    for text in again:
        ended = stack.final(ids[text])
        assert (ended["status"], attempts(ended)) == ("completed", ["in_doubt", "sent"])
        first, second = im.of(text)
        assert first.id == second.id, "the platform can know it again"
    for text in kept:
        ended = stack.final(ids[text])
        assert (ended["status"], by_state(ended), attempts(ended)) == ("failed", {"in_doubt": 1}, ["in_doubt"])
    stack.settle("webhook")
    assert [len(im.of(text)) for text in sent + kept] == [1] * 7
    assert counted(stack, "send-webhook", "InDoubt") - before == 6

    status, _, retried = stack.call("POST", f"/v1/messages/{ids[kept[0]]}/retry")
    assert status == 202, retried
    assert stack.final(retried["id"])["status"] == "completed"
    assert len(im.of(kept[0])) == 2
