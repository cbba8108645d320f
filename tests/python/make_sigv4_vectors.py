"""Record requests signed by real AWS Signature Version 4 signers.

Each case is sent by every signer to a listener on 127.0.0.1 and written down as it came off the wire, so the vectors
hold what a server really sees. The result is kept in shared/mc-api/src/auth/fixtures/sigv4.json; run this again only
to add a case or a signer:

    pip install botocore
    pip install --no-deps --target pycurl-7.45.7 pycurl==7.45.7        # optional: brings its own, newer libcurl
    python tests/python/make_sigv4_vectors.py --pycurl pycurl-7.45.7 > shared/mc-api/src/auth/fixtures/sigv4.json
"""

import argparse
import datetime
import json
import os
import socket
import subprocess
import sys
import threading
from urllib.parse import parse_qsl

import botocore
import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session

ACCESS_KEY_ID = "MCEXAMPLEKEY00000001"
SECRET = "only-for-tests/of+the=signature~verifier"
SERVICE = "message-center"

JSON = ["Content-Type: application/json"]
SMALL = '{"template":"deploy-done","to":["@ops"],"data":{"app":"pay"}}'

# name, method, target (path and query as sent), headers, body
CASES = [
    ("plain_get", "GET", "/v1/messages", [], None),
    ("root", "GET", "/", [], None),
    ("no_path", "GET", "", [], None),
    ("no_path_with_query", "GET", "?a=1", [], None),
    ("delete", "DELETE", "/v1/templates/deploy-done", [], None),
    ("post_json", "POST", "/v1/messages", JSON, SMALL),
    ("put_json", "PUT", "/v1/templates/a.b_c~d-1", JSON, '{"title":"t","body":"b"}'),
    ("post_empty_body", "POST", "/v1/messages/msg_1/cancel", JSON, ""),
    ("post_unicode_body", "POST", "/v1/messages", JSON, '{"content":{"title":"告警","body":"磁盘 95%"}}'),
    ("post_600_bytes", "POST", "/v1/messages", JSON, '{"content":{"title":"t","body":"' + "x" * 564 + '"}}'),
    ("query_sorted", "GET", "/v1/messages?limit=10&status=failed", [], None),
    ("query_unsorted", "GET", "/v1/messages?status=failed&limit=10&channel=ops", [], None),
    ("query_repeated_and_empty", "GET", "/v1/messages?a=2&a=1&b=&c", [], None),
    ("query_empty_pairs", "GET", "/v1/messages?b=2&&a=1&", [], None),
    ("query_only_mark", "GET", "/v1/messages?", [], None),
    ("query_space", "GET", "/v1/messages?tag=b%20c&reference=a", [], None),
    ("query_plus", "GET", "/v1/messages?tag=b+c&reference=a", [], None),
    ("query_escaped_plus", "GET", "/v1/messages?to=2026-12-01T09:00:00%2B08:00&from=2026-11-01T09:00:00%2B08:00", [], None),
    ("query_unicode_upper", "GET", "/v1/messages?tag=%E5%91%8A%E8%AD%A6&limit=1", [], None),
    ("query_unicode_lower", "GET", "/v1/messages?tag=%e5%91%8a%e8%ad%a6&limit=1", [], None),
    ("query_reserved", "GET", "/v1/messages?reference=a/b:c@d,e;f!g$h(i)*j&limit=1", [], None),
    ("query_tilde", "GET", "/v1/messages?reference=~a.b-c_d&limit=~", [], None),
    ("query_equals_in_value", "GET", "/v1/messages?reference=a=b&limit=1", [], None),
    ("query_escaped_unreserved", "GET", "/v1/messages?reference=%61%7E&limit=1", [], None),
    ("query_stray_percent", "GET", "/v1/messages?reference=100%&limit=1", [], None),
    ("query_prefix_keys", "GET", "/v1/messages?ab=1&a=2", [], None),
    ("path_unicode", "GET", "/v1/templates/%E5%91%8A%E8%AD%A6", [], None),
    ("path_unicode_lower", "GET", "/v1/templates/%e5%91%8a", [], None),
    ("path_space", "GET", "/v1/templates/a%20b", [], None),
    ("path_reserved", "GET", "/v1/templates/a:b@c+d=e,f", [], None),
    ("path_slashes", "GET", "/v1//templates/", [], None),
    ("path_dots", "GET", "/v1/./templates/x/../y", [], None),
    ("path_and_query", "GET", "/v1/templates/a%20b?z=%E5%91%8A&a=1", [], None),
    ("header_spaces", "GET", "/v1/messages", ["X-Note:   a   b\t c   "], None),
    ("header_unicode", "GET", "/v1/messages", ["X-Note: 告 警"], None),
    ("header_prefix_names", "GET", "/v1/messages", ["X-Note: 1", "X-Note-Two: 2", "X-Note.A: 3"], None),
    ("header_removed", "GET", "/v1/messages", ["Accept:"], None),
    ("header_idempotency", "POST", "/v1/messages", JSON + ["Idempotency-Key: order-1"], SMALL),
    ("header_repeated", "GET", "/v1/messages", ["X-Note: b", "X-Note: a", "X-Note:  c  d"], None),
    ("header_content_sha256", "POST", "/v1/messages",
     ["X-Amz-Content-Sha256: 44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"], "{}"),
]

# What a signer does not send the way it was signed. No server accepts these.
SKIP = {
    # A canonical line for each repeated header, instead of one with commas.
    ("curl 7.88", "header_repeated"),
    ("libcurl 8.11", "header_repeated"),
    # botocore's HTTP client sends the last of repeated headers, refuses text beyond Latin-1 in headers, and repairs
    # escapes after they were signed.
    ("botocore", "header_unicode"),
    ("botocore", "header_repeated"),
    ("botocore", "query_stray_percent"),
    ("botocore", "query_unicode_lower"),
    ("botocore", "path_unicode_lower"),
}


def skipped(signer, name, target):
    if signer.endswith("params"):  # botocore with the query as parameters instead of in the URL
        return "?" not in target or name == "query_stray_percent"
    return any(signer.startswith(start) and name == case for start, case in SKIP)


class Listener:
    """Answers 200 to anything and keeps the last request."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.last = None
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.socket.accept()
            with connection:
                data = b""
                while b"\r\n\r\n" not in data:
                    more = connection.recv(65536)
                    if not more:
                        break
                    data += more
                head, _, body = data.partition(b"\r\n\r\n")
                lines = head.split(b"\r\n")
                headers = [[part.decode() for part in line.split(b":", 1)] for line in lines[1:]]
                length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
                while len(body) < length:
                    body += connection.recv(65536)
                method, target, _ = lines[0].decode().split(" ", 2)
                path, _, query = target.partition("?")
                self.last = {
                    "method": method,
                    "path": path,
                    "query": query,
                    "headers": [[name.lower(), value.strip(" \t")] for name, value in headers],
                    "body": body.decode(),
                }
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def by_botocore(url, method, headers, body, encode_params=False):
    moment = datetime.datetime(2026, 11, 1, 12, 0, 0, tzinfo=datetime.timezone.utc)
    botocore.auth.get_current_datetime = lambda remove_tzinfo=True: moment.replace(tzinfo=None) if remove_tzinfo else moment
    params = None
    if encode_params and "?" in url:
        url, _, query = url.partition("?")
        params = parse_qsl(query, keep_blank_values=True)
    request = AWSRequest(method=method, url=url, data=body, params=params)
    for header in headers:
        name, value = header.split(":", 1)
        request.headers.add_header(name, value.strip())
    credentials = Credentials(ACCESS_KEY_ID, SECRET)
    botocore.auth.SigV4Auth(credentials, SERVICE, "eu-central-1").add_auth(request)
    URLLib3Session().send(request.prepare())


def by_curl(url, method, headers, body):
    command = ["curl", "-s", "-g", "-o", os.devnull, "-X", method, url]
    command += ["--aws-sigv4", f"aws:amz:any:{SERVICE}", "-u", f"{ACCESS_KEY_ID}:{SECRET}"]
    for header in headers:
        command += ["-H", header]
    if body is not None:
        command += ["--data-binary", body]
    return subprocess.run(command, check=False).returncode == 0


PYCURL = """
import json, os, pycurl, sys
url, method, headers, body, user, scope = json.load(sys.stdin)
c = pycurl.Curl()
c.setopt(c.URL, url.encode()); c.setopt(c.CUSTOMREQUEST, method); c.setopt(c.USERPWD, user)
c.setopt(c.AWS_SIGV4, scope); c.setopt(c.HTTPHEADER, [h.encode() for h in headers])
if body is not None:
    c.setopt(c.POSTFIELDS, body.encode())
c.setopt(c.WRITEFUNCTION, lambda data: None)
c.perform()
"""


def by_pycurl(folder):
    def send(url, method, headers, body):
        text = json.dumps([url, method, headers, body, f"{ACCESS_KEY_ID}:{SECRET}", f"aws:amz:any:{SERVICE}"])
        run = subprocess.run([sys.executable, "-c", PYCURL], input=text, text=True, check=False,
                             stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": folder})
        return run.returncode == 0

    return send


def version_of(command, env=None):
    return subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout


def signers(folders):
    yield f"botocore {botocore.__version__}", by_botocore
    yield f"botocore {botocore.__version__} params", lambda *request: by_botocore(*request, encode_params=True)
    yield "curl " + version_of(["curl", "--version"]).split()[1], by_curl
    for folder in folders:
        env = {**os.environ, "PYTHONPATH": folder}
        text = version_of([sys.executable, "-c", "import pycurl; print(pycurl.version)"], env)
        yield "libcurl " + text.split("libcurl/")[1].split()[0].removesuffix("-DEV"), by_pycurl(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pycurl", action="append", default=[], metavar="FOLDER")
    listener = Listener()
    vectors = []
    for signer, send in signers(parser.parse_args().pycurl):
        for name, method, target, headers, body in CASES:
            if skipped(signer, name, target):
                continue
            listener.last = None
            send(f"http://127.0.0.1:{listener.port}{target}", method, headers, body)
            if listener.last is None:
                print(f"{signer}: {name} was not sent", file=sys.stderr)
                continue
            vectors.append({"signer": signer, "case": name, **listener.last})
    print('{"access_key_id": %s, "secret_access_key": %s, "vectors": [' % (json.dumps(ACCESS_KEY_ID), json.dumps(SECRET)))
    print(",\n".join(json.dumps(vector, ensure_ascii=False) for vector in vectors))
    print("]}")


main()
