"""A local AWS (MiniStack) with the stack of template.yaml in it, the functions' binaries as its functions."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from proxy import Proxy

ROOT = pathlib.Path(__file__).resolve().parents[2]
FINAL = {"completed", "partial", "failed", "canceled", "expired"}
REGION = "us-east-1"
# For how long a share is in the hands of whoever claimed it, in seconds.
LEASE = 90
FUNCTIONS = sorted(path.name for path in (ROOT / "functions").iterdir() if (path / "Cargo.toml").exists())


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(condition, seconds=60, what="it did not happen"):
    """Waits until the condition gives something true, and gives that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(what() if callable(what) else what)


def by_state(message):
    """How many recipients are in which state, of those states that have any."""
    return {state: count for state, count in message["counts"].items() if count}


def word():
    """A text that nothing else holds."""
    return f"w{uuid.uuid4().hex[:12]}"


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


class Program:
    """A program that runs until it is stopped, its words in a file."""

    def __init__(self, folder, name, command, environment):
        self.log = folder / f"{name}.log"
        self.file = open(self.log, "wb")
        self.process = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=self.file, stderr=subprocess.STDOUT, start_new_session=True
        )

    def words(self):
        return self.log.read_text(errors="replace")

    def stop(self):
        # The emulator starts the functions; they are to end with it.
        for kind in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, kind)
                self.process.wait(10)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        self.file.close()


class LocalAws:
    """The emulator, with a proxy in front of it through which the functions call it."""

    def __init__(self, folder, smtp):
        self.port, self.control = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.proxy = Proxy(self.port)
        temporary = folder / "tmp"
        temporary.mkdir()
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("MESSAGE_CENTER_", "AWS_"))}
        emulator = [sys.executable, str(ROOT / "tests/aws/emulator.py"), "ministack", str(self.port), str(self.control)]
        self.program = Program(folder, "ministack", emulator, clean | {
            "AWS_ENDPOINT_URL": self.proxy.url,
            "LOG_LEVEL": "INFO",
            "SMTP_HOST": smtp,
            "TMPDIR": str(temporary),
        })
        until(lambda: answers(f"{self.url}/_ministack/health"), 60, self.program.words)

    def turn(self, seconds):
        """Moves the emulator's clock on. The functions have the machine's, which nobody turns."""
        turned = urllib.request.Request(f"http://127.0.0.1:{self.control}/advance?{seconds}", method="POST")
        urllib.request.urlopen(turned, timeout=10).close()

    def environment(self):
        """What tools need to find this AWS and no other."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        return clean | {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_SECRET_ACCESS_KEY": "test",
            "SAM_CLI_TELEMETRY": "0",
        }

    def client(self, service):
        return boto3.client(
            service, endpoint_url=self.url, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test"
        )

    def stop(self):
        self.program.stop()
        self.proxy.stop()


class Stack:
    """The deployed template."""

    def __init__(self, aws, name, outputs):
        self.aws = aws
        self.name = name
        self.outputs = outputs
        self.api = re.sub(r"^https?://([a-z0-9]+)\..*$", r"\1", outputs["Url"])

    def secret(self, output):
        value = self.aws.client("secretsmanager").get_secret_value(SecretId=self.outputs[output])["SecretString"]
        return json.loads(value)

    def invoke(self, function, event):
        """Calls a function and gives what it answers."""
        answer = self.aws.client("lambda").invoke(
            FunctionName=f"{self.name}-{function}", Payload=json.dumps(event).encode()
        )
        payload = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, payload
        return payload

    def function(self, name):
        """The ARN of a function."""
        return self.aws.client("lambda").get_function(FunctionName=f"{self.name}-{name}")["Configuration"]["FunctionArn"]

    def queue(self, family):
        return self.aws.client("sqs").get_queue_url(QueueName=f"{self.name}-{family}")["QueueUrl"]

    def call(self, method, path, body=None, headers=None, key=None):
        """One signed call through API Gateway; gives status, headers and answer."""
        key = key or self.key
        data = None if body is None else json.dumps(body).encode()
        host = f"{self.api}.execute-api.localhost:{self.aws.port}"
        given = {"content-type": "application/json"} | (headers or {})
        request = AWSRequest(method, f"http://{host}{path}", headers=given, data=data)
        credentials = Credentials(key["access_key_id"], key["secret_access_key"])
        SigV4Auth(credentials, "message-center", "any").add_auth(request)
        raw = urllib.request.Request(
            f"{self.aws.url}{path}", data=data, headers=dict(request.headers) | {"host": host}, method=method
        )
        try:
            with urllib.request.urlopen(raw, timeout=60) as answer:
                return answer.status, dict(answer.headers), read(answer)
        except urllib.error.HTTPError as answer:
            return answer.code, dict(answer.headers), read(answer)

    def message(self, id):
        """What became of a message."""
        status, _, answer = self.call("GET", f"/v1/messages/{id}")
        assert status == 200, answer
        return answer

    def final(self, id, seconds=90):
        """The same, once that is decided."""
        def ended():
            answer = self.message(id)
            return answer if answer["status"] in FINAL else None

        return until(ended, seconds, lambda: json.dumps(self.message(id)))

    def depth(self, family):
        """How many messages the queue of a family holds: for now, for later, and in somebody's hands."""
        answer = self.aws.client("sqs").get_queue_attributes(QueueUrl=self.queue(family), AttributeNames=["All"])
        return sum(int(n) for name, n in answer["Attributes"].items() if name.startswith("ApproximateNumberOfMessages"))

    def settle(self, family):
        """Waits until the queue of a family holds nothing. Who met another's lease there comes back when that is over."""
        self.leave(LEASE)
        until(lambda: self.depth(family) == 0, 60, lambda: f"{self.depth(family)} messages are left in the queue")

    def leave(self, seconds):
        """Leaves the functions' work where it is for so long: what they compare with their clock is moved back by that,
        and the emulator's clock on."""
        self.age(seconds)
        self.aws.turn(seconds)

    def age(self, seconds):
        """Moves leases and due times back in the table, and the rows of the due index with them."""
        client, table = self.aws.client("dynamodb"), self.outputs["Table"]
        for page in client.get_paginator("scan").paginate(TableName=table):
            for item in page["Items"]:
                if item["pk"]["S"].startswith("due#"):
                    at, _, name = item["sk"]["S"].partition("#")
                    client.put_item(TableName=table, Item=item | {"sk": {"S": f"{int(at) - 1000 * seconds:013}#{name}"}})
                    client.delete_item(TableName=table, Key={"pk": item["pk"], "sk": item["sk"]})
                for name in ("lg", "due"):
                    if int(item.get(name, {}).get("N", 0)) > 0:
                        client.update_item(
                            TableName=table, Key={"pk": item["pk"], "sk": item["sk"]}, UpdateExpression="ADD #n :less",
                            ExpressionAttributeNames={"#n": name},
                            ExpressionAttributeValues={":less": {"N": str(-1000 * seconds)}},
                        )

    @property
    def key(self):
        if not hasattr(self, "_key"):
            self._key = self.secret("AccessKeySecret")
        return self._key


def read(answer):
    body = answer.read()
    return json.loads(body) if body else None


def sam():
    """The SAM CLI, in an environment of its own."""
    return os.environ.get("TESTS_SAM", str(ROOT / ".venv-sam/bin/sam"))


def binaries():
    """Where the functions' binaries are."""
    return pathlib.Path(os.environ.get("FUNCTIONS_BIN", ROOT / "target/debug"))


def lay_out(folder):
    """A folder as the repository's own is after a build: template, configuration, `target/lambda/*/bootstrap`."""
    for name in ("template.yaml", "samconfig.toml"):
        shutil.copy(ROOT / name, folder / name)
    for name in FUNCTIONS:
        place = folder / "target/lambda" / name
        place.mkdir(parents=True)
        bootstrap = place / "bootstrap"
        shutil.copy(binaries() / name, bootstrap)
        # Debug symbols are most of a binary's bytes, and nobody reads them in the emulator.
        subprocess.run(["strip", str(bootstrap)], check=False)


def deploy(aws, folder, command):
    """Deploys with the words of the guide, and adds what the emulator does not import: the table's TTL."""
    words = [sam(), *command.split()[1:]]
    run = subprocess.run(words, cwd=folder, env=aws.environment(), capture_output=True, text=True, check=False)
    said = [line for line in (run.stdout + run.stderr).splitlines() if "Uploading" not in line]
    assert run.returncode == 0, "\n".join([*said, aws.program.words()[-5000:]])
    name = re.search(r"Stack name\s*: (\S+)", run.stdout).group(1)
    stacks = aws.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stacks[0]["Outputs"]}
    aws.client("dynamodb").update_time_to_live(
        TableName=outputs["Table"], TimeToLiveSpecification={"AttributeName": "ttl", "Enabled": True}
    )
    return Stack(aws, name, outputs)
