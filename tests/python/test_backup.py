"""A backup made while the center works at full speed holds everything that was accepted before it began."""

import base64
import shutil
import sqlite3
import time

from conftest import Center, until
from signing import call
from test_crash import Caller, World, everything

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def accepted_at(message_id):
    """When an id was made, in milliseconds: the first ten characters of its ULID."""
    value = 0
    for character in message_id.removeprefix("msg_")[:10]:
        value = value * 32 + ALPHABET.index(character)
    return value


def backups(folder):
    return sorted(folder.glob("*Z"))


def test_a_backup_under_load_is_whole_and_starts_another_center(tmp_path):
    world = World()
    address = f"http://127.0.0.1:{world.server_address[1]}"
    kept = tmp_path / "backups"
    config = tmp_path / "backup.toml"
    config.write_text(f'[backup]\nfolder = "{kept}"\nevery_seconds = 1\nkeep = 5\n')
    center = Center(tmp_path, "--config", str(config))
    assert call(center, "PUT", "/v1/channels/im", {"kind": "webhook", "settings": {"url": f"{address}/im"}})[0] == 201
    template = {"title": "n", "body": "{{ n }}", "routing": {"channels": ["im"]}}
    assert call(center, "PUT", "/v1/templates/crash", template)[0] == 201
    results = {"url": f"{address}/results", "events": ["message.completed"]}
    assert call(center, "PUT", "/v1/webhooks/results", results)[0] == 201
    file = {"filename": "a.txt", "content_type": "text/plain", "content": base64.b64encode(b"attached").decode()}
    later = {"template": "crash", "data": {"n": "later"}, "send_at": "2030-01-01T00:00:00Z", "attachments": [file]}
    status, scheduled = call(center, "POST", "/v1/messages", later)
    assert status == 202, scheduled

    accepted = {}
    callers = [Caller(center, n, accepted) for n in range(4)]
    for caller in callers:
        caller.start()
    until(lambda: len(accepted) > 50, 60)
    before = {i for ids in dict(accepted).values() for i in ids}
    # The one that is under way may have begun earlier; the one after it did not.
    seen = {b.name for b in backups(kept)}
    until(lambda: {b.name for b in backups(kept)} - seen, 60)
    seen |= {b.name for b in backups(kept)}
    until(lambda: {b.name for b in backups(kept)} - seen, 60)
    taken = backups(kept)[-1]
    copy = tmp_path / "restored" / "data"
    shutil.copytree(taken, copy)
    for caller in callers:
        caller.stop.set()
    for caller in callers:
        caller.join(60)
        assert not caller.is_alive() and caller.open is None
    center.stop()
    assert center.process.returncode == 0, center.logs()
    assert 2 <= len(backups(kept)) <= 5
    assert "a backup failed" not in center.logs()

    with sqlite3.connect(copy / "message-center.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert not (copy / "keys.json").exists(), "the key ring is kept apart"
    assert [f.read_bytes() for f in (copy / "blobs").rglob("*") if f.is_file()] == [b"attached"]

    shutil.copy2(tmp_path / "data" / "keys.json", copy)
    restored = Center(tmp_path / "restored")
    ids = {i for many in accepted.values() for i in many} | {scheduled["id"]}
    found = set(everything(restored))
    assert before | {scheduled["id"]} <= found <= ids
    began = time.strptime(taken.name, "%Y%m%dT%H%M%SZ")
    began = (time.mktime(began) - time.timezone) * 1000
    assert all(accepted_at(i) >= began for i in ids - found), "what is missing came later"
    done = lambda: all(m["status"] == "completed" for i, m in everything(restored).items() if i != scheduled["id"])
    until(done, 60)
    restored.stop()
    assert "panicked" not in center.logs() + restored.logs()
