"""AWS that takes less than it is given."""

import itertools
import json
import random
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

from local_aws import until, word

# What DynamoDB and SQS answer to whoever is too fast, as they write it.
TOO_FAST = {
    "table": ("com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
              "The level of configured provisioned throughput for the table was exceeded. Consider increasing your "
              "provisioning level with the UpdateTable API."),
    "account": ("com.amazon.coral.availability#ThrottlingException", "Rate of requests exceeds the allowed throughput."),
    "queue": ("com.amazonaws.sqs#RequestThrottled", "Request is throttled."),
}
TABLE = {"GetItem", "Query", "PutItem", "UpdateItem", "DeleteItem", "BatchGetItem", "BatchWriteItem"}
QUEUES = {"SendMessageBatch"}
BATCHES = {"BatchGetItem", "BatchWriteItem", "SendMessageBatch"}


def refusal(kind):
    code, words = TOO_FAST[kind]
    headers = {"content-type": "application/x-amz-json-1.0", "x-amzn-requestid": str(uuid.uuid4())}
    if kind == "queue":
        headers["x-amzn-query-error"] = "RequestThrottled;Sender"
    return 400, headers, json.dumps({"__type": code, "message": words}).encode()


def too_fast(call):
    """Nothing is taken."""
    return refusal(random.choice(["account", "table" if call.operation in TABLE else "queue"]))


def in_part(call):
    """Of a batch only the first is taken. Whatever is no batch, or a batch of one, is taken whole."""
    if call.operation not in BATCHES:
        return None
    said = call.said()
    if call.operation == "SendMessageBatch":
        rest, said["Entries"] = said["Entries"][1:], said["Entries"][:1]
        left = {"Failed": [{"Id": entry["Id"], "SenderFault": False, "Code": "InternalError",
                            "Message": "We encountered an internal error. Please try again."} for entry in rest]}
    else:
        ((table, asked),) = said["RequestItems"].items()
        if call.operation == "BatchWriteItem":
            said["RequestItems"], rest = {table: asked[:1]}, asked[1:]
            left = {"UnprocessedItems": {table: rest} if rest else {}}
        else:
            said["RequestItems"], rest = {table: asked | {"Keys": asked["Keys"][:1]}}, asked["Keys"][1:]
            left = {"UnprocessedKeys": {table: asked | {"Keys": rest}} if rest else {}}
    if not rest:
        return None
    status, headers, body = call.forward(said)
    return status, headers, json.dumps(json.loads(body) | left).encode()


@contextmanager
def refusing(stack, operations):
    """Meanwhile AWS takes none of these calls."""
    with stack.aws.proxy.meddling(lambda call: too_fast(call) if call.operation in operations else None):
        yield


@contextmanager
def refusing_some(stack, share):
    """Meanwhile AWS takes every other batch in part, the first too, and refuses a share of the other calls. Gives what
    it did."""
    made = []
    whole = dict.fromkeys(BATCHES, True)

    def did(kind, call):
        answer = kind(call)
        if answer:
            made.append((kind.__name__, call.operation))
        return answer

    def meddle(call):
        if call.operation not in TABLE | QUEUES:
            return None
        if whole.get(call.operation):
            answer = did(in_part, call)
            if answer:
                whole[call.operation] = False
                return answer
        whole[call.operation] = True
        return did(too_fast, call) if random.random() < share else None

    with stack.aws.proxy.meddling(meddle):
        yield made


def request(texts):
    """A message, or a batch that is more than one message of the queue, and more than one plain item of the table."""
    if len(texts) == 1:
        return "/v1/messages", {"content": {"body": texts[0]}, "routing": {"channels": ["im"]}}
    priorities = itertools.cycle(["high", "normal", "bulk"])
    at = (datetime.now(timezone.utc) + timedelta(seconds=5)).isoformat()
    return "/v1/messages/batch", {"messages": [
        {"content": {"body": text}, "routing": {"channels": ["im"]}, "priority": priority, "send_at": at}
        for text, priority in zip(texts, priorities)
    ]}


class Caller:
    """Sends texts, and repeats itself under one key."""

    def __init__(self, stack, texts):
        self.stack, self.texts, self.request, self.key = stack, texts, request(texts), str(uuid.uuid4())

    def send(self):
        """Calls once; gives the ids by text, if they were taken."""
        status, headers, answer = self.stack.call("POST", *self.request, headers={"idempotency-key": self.key})
        if status != 202:
            assert status in (429, 503) and "retry-after" in {name.lower() for name in headers}, (status, answer)
            return None
        results = answer["results"] if "results" in answer else [answer]
        return dict(zip(self.texts, (result["id"] for result in results)))

    def insist(self):
        return until(self.send, 60)


def test_with_a_third_of_all_calls_refused_everything_arrives_once(stack, im):
    callers = [Caller(stack, [word() for _ in range(count)]) for count in [15, 15] + [1] * 10]
    ids = {}
    with refusing_some(stack, 0.3) as made:
        with ThreadPoolExecutor(4) as pool:
            for taken in pool.map(Caller.insist, callers):
                ids |= taken
        until(lambda: all(im.of(text) for text in ids), 90, lambda: str([t for t in ids if not im.of(t)]))
    assert len(made) > 40 and {("in_part", "BatchWriteItem"), ("in_part", "SendMessageBatch")} < set(made), made
    for id in ids.values():
        assert stack.final(id)["status"] == "completed"
    stack.settle("webhook")
    assert {text: [push.message for push in im.of(text)] for text in ids} == {text: [id] for text, id in ids.items()}


def test_without_a_queue_nothing_is_promised_and_the_repeated_call_completes_it(stack, im):
    text = word()
    caller = Caller(stack, [text])
    with refusing(stack, QUEUES):
        assert caller.send() is None
    assert not im.of(text)
    ids = caller.send()
    assert stack.final(ids[text])["status"] == "completed"
    stack.settle("webhook")
    assert [push.message for push in im.of(text)] == [ids[text]]


def test_without_a_table_nothing_is_promised_and_nothing_is_sent(stack, im):
    text = word()
    caller = Caller(stack, [text])
    with refusing(stack, TABLE):
        assert caller.send() is None
    stack.settle("webhook")
    assert not im.of(text)
    ids = caller.send()
    assert stack.final(ids[text])["status"] == "completed"
