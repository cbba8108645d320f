"""Runs a command with a local AWS around it.

    local_aws.py ministack|moto COMMAND...

Starts the emulator on free ports, waits until it answers, runs the command with AWS's usual variables set, and ends the
emulator however the command ended. The command finds:

    AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY   as every AWS program does
    TESTS_AWS        ministack or moto
    TESTS_AWS_CLOCK  POST here with ?SECONDS to move the emulator's clock on
"""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
HEALTH = {"ministack": "/_ministack/health", "moto": "/moto-api/"}


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_for(url, process, log):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status < 500:
                    return
        except OSError:
            time.sleep(0.1)
    log.seek(0)
    sys.exit(f"The local AWS did not start:\n{log.read()[-4000:]}")


def main():
    kind, command = sys.argv[1], sys.argv[2:]
    port, control = free_ports(2)
    with tempfile.TemporaryDirectory(prefix="local-aws-") as folder, open(f"{folder}/log", "w+") as log:
        # What the emulator keeps goes with its folder, and nothing of the caller's account reaches it.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")} | {"TMPDIR": folder}
        emulator = subprocess.Popen([sys.executable, HERE / "emulator.py", kind, str(port), str(control)],
                                    cwd=folder, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            wait_for(f"http://127.0.0.1:{port}{HEALTH[kind]}", emulator, log)
            variables = {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_REGION": "us-east-1",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "TESTS_AWS": kind,
                "TESTS_AWS_CLOCK": f"http://127.0.0.1:{control}/advance",
            }
            status = subprocess.call(command, env=os.environ | variables)
            if status != 0:
                log.seek(0)
                print(f"The end of what {kind} said:\n{log.read()[-2000:]}", file=sys.stderr)
        finally:
            emulator.send_signal(signal.SIGTERM)
            try:
                emulator.wait(10)
            except subprocess.TimeoutExpired:
                emulator.kill()
                emulator.wait()
    sys.exit(status)


if __name__ == "__main__":
    main()
