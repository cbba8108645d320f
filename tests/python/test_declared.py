"""A project's configuration as files: what one center exports makes another the same."""

import base64
import json
import os
import re
import subprocess
import urllib.request

import pytest
from conftest import ACCESS_KEY_ID, ROOT, SECRET, Center, binary

MAIN = """
channels:
  ops:
    kind: wecom_robot
    secrets:
      key: {env: OPS_KEY}
  im:
    kind: webhook
    settings: {url: https://im.example.com/messages}
    enabled: false
templates:
  deploy-done:
    title: "{{ app }} is live"
    body: |
      **{{ app }}** is live.

      - by {{ who }}
    format: markdown
    routing: {channels: [ops, im]}
webhooks:
  results:
    url: https://caller.example.com/results
    events: [message.completed]
    secret: {env: RESULTS_SECRET}
schedules:
  weekly:
    cron: 0 9 * * MON
    timezone: Asia/Shanghai
    message:
      template: deploy-done
      data: {app: pay, who: "{{ scheduled_at }}"}
      routing: {channels: [ops]}
  new-year:
    at: 2099-01-01T00:00:00+08:00
    timezone: Asia/Shanghai
    catch_up: skip
    message: {content: {body: Happy new year}, routing: {channels: [ops]}}
    condition: {url: "https://caller.example.com/open"}
"""
SECRETS = {"OPS_KEY": "5a1db0c5-0000-4000-8000-000000000001", "RESULTS_SECRET": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"}


def run(center, *arguments, secrets=None):
    environment = os.environ | {
        "MESSAGE_CENTER_URL": center.url,
        "MESSAGE_CENTER_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "MESSAGE_CENTER_SECRET_ACCESS_KEY": SECRET,
    } | (secrets or {})
    done = subprocess.run([binary(), *arguments], env=environment, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def centers(tmp_path_factory):
    both = [Center(tmp_path_factory.mktemp(name)) for name in ("one", "two")]
    yield both
    for center in both:
        center.stop()


def test_a_configuration_moves_from_one_center_to_another(centers, tmp_path):
    one, two = centers
    main = tmp_path / "main.yaml"
    main.write_text(MAIN)

    code, _, said = run(one, "apply", "-f", str(main))
    assert code == 1 and "OPS_KEY for channels/ops/secrets/key" in said and "RESULTS_SECRET" in said
    assert "channels:" not in run(one, "export")[1], "nothing is changed while a secret is missing"

    code, told, _ = run(one, "apply", "-f", str(main), "--dry-run", secrets=SECRETS)
    assert code == 0 and "would make channels/ops" in told and "+  key:" in told
    assert "channels:" not in run(one, "export")[1], "a dry run changes nothing"

    code, told, said = run(one, "apply", "-f", str(main), secrets=SECRETS)
    assert code == 0 and "6 changed" in told, said
    code, told, _ = run(one, "apply", "-f", str(main))
    assert code == 0 and "0 changed, 6 as they should be" in told, "the second time nothing is left to do"
    assert 'version": 1' in template(one), "and no version is made"

    folder = tmp_path / "written"
    assert run(one, "export", "--output", str(folder))[0] == 0
    written = "".join(path.read_text() for path in folder.rglob("*.yaml"))
    assert (folder / "channels/ops.yaml").exists() and "- by {{ who }}" in written
    assert not any(secret in written for secret in SECRETS.values())
    names = dict.fromkeys(re.findall(r"env: (\w+)", written))
    values = {name: SECRETS["OPS_KEY" if "OPS" in name else "RESULTS_SECRET"] for name in names}
    assert len(values) == 2
    code, told, said = run(two, "apply", "-f", str(folder), secrets=values)
    assert code == 0, said
    assert run(two, "export")[1] == run(one, "export")[1]
    assert "0 changed" in run(two, "apply", "-f", str(folder))[1]


def test_only_what_differs_is_changed(centers, tmp_path):
    one, _ = centers
    changed = tmp_path / "changed.yaml"
    changed.write_text("channels: {im: {kind: webhook, settings: {url: 'https://im.example.com/messages'}}}")
    code, told, _ = run(one, "apply", "-f", str(changed), "--dry-run")
    assert code == 0 and "-enabled: false" in told and "1 would change" in told
    code, told, said = run(one, "apply", "-f", str(changed))
    assert code == 0 and "changed channels/im" in told, said


def test_the_alarms_of_the_guide_can_be_applied_as_they_are(centers, tmp_path):
    one, _ = centers
    guide = (ROOT / "docs/OPERATIONS.md").read_text()
    [alarms] = re.findall(r"```yaml\n(alarms:\n.*?)```", guide, re.DOTALL)
    (tmp_path / "alarms.yaml").write_text(alarms)
    # What it sends with and through is not there yet, and that is said.
    code, told, said = run(one, "apply", "-f", str(tmp_path / "alarms.yaml"))
    assert code == 1 and "ops-alarm" in told + said
    (tmp_path / "ops.yaml").write_text("""
channels: {ops-robot: {kind: wecom_robot, secrets: {key: {env: OPS_KEY}}}}
templates: {ops-alarm: {title: "{{ alarm }} is {{ state }}", body: "{{ metric }} is {{ value }}"}}
""")
    names = re.findall(r"^  ([\w-]+):", alarms, re.MULTILINE)
    assert len(names) == 6
    code, told, said = run(one, "apply", "-f", str(tmp_path), "--dry-run", secrets=SECRETS)
    assert code == 0 and all(f"would make alarms/{name}" in told for name in names), told + said
    code, told, said = run(one, "apply", "-f", str(tmp_path), secrets=SECRETS)
    assert code == 0 and "8 changed" in told, told + said
    code, told, said = run(one, "apply", "-f", str(tmp_path))
    assert code == 0 and "0 changed, 8 as they should be" in told, told + said


def test_a_mistake_is_named_and_ends_with_an_error(centers, tmp_path):
    one, _ = centers
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("channels: {x: {kind: webhook}}")
    code, _, said = run(one, "apply", "-f", str(wrong))
    assert code == 1 and "channels/x" in said and "/settings/url" in said
    wrong.write_text("chanels: {}")
    code, _, said = run(one, "apply", "-f", str(wrong))
    assert code == 1 and "wrong.yaml" in said and "chanels" in said


def template(center):
    request = urllib.request.Request(f"{center.url}/v1/templates/deploy-done")
    request.add_header("authorization", "Basic " + base64.b64encode(f"{ACCESS_KEY_ID}:{SECRET}".encode()).decode())
    with urllib.request.urlopen(request) as answer:
        return json.dumps(json.load(answer))
