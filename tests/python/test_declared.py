"""A project's configuration as files: what one center exports makes another the same."""

import base64
import json
import os
import re
import subprocess
import urllib.request
from datetime import datetime, timedelta, timezone

import pytest
from conftest import ACCESS_KEY_ID, ROOT, SECRET, Center, binary, until
from signing import call

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
    at: NEXT-01-01T00:00:00+08:00
    timezone: Asia/Shanghai
    catch_up: skip
    message: {content: {body: Happy new year}, routing: {channels: [ops]}}
    condition: {url: "https://caller.example.com/open"}
""".replace("NEXT", str(datetime.now().year + 1))
SECRETS = {"OPS_KEY": "5a1db0c5-0000-4000-8000-000000000001", "RESULTS_SECRET": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"}


def run(center, *arguments, secrets=None, key=(ACCESS_KEY_ID, SECRET)):
    environment = os.environ | {
        "MESSAGE_CENTER_URL": center.url,
        "MESSAGE_CENTER_ACCESS_KEY_ID": key[0],
        "MESSAGE_CENTER_SECRET_ACCESS_KEY": key[1],
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
    assert "0 changed, 6 failed, 0 as they should be" in told, told
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


def test_an_override_for_a_channel_that_is_not_there_is_warned_of(centers, tmp_path):
    one, _ = centers
    file = tmp_path / "odd.yaml"
    file.write_text("templates: {odd: {body: x, channels: {wecom_robto: {title: y}, slack: {title: z}}}}")
    code, told, said = run(one, "apply", "-f", str(file))
    assert code == 0 and "made templates/odd" in told, told + said
    assert "warning: templates/odd/channels/wecom_robto: there is no channel" in said and "slack" not in said


def test_a_mistake_is_named_and_ends_with_an_error(centers, tmp_path):
    one, _ = centers
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("channels: {x: {kind: webhook}}")
    code, _, said = run(one, "apply", "-f", str(wrong))
    assert code == 1 and "channels/x" in said and "/settings/url" in said
    wrong.write_text("chanels: {}")
    code, _, said = run(one, "apply", "-f", str(wrong))
    assert code == 1 and "wrong.yaml" in said and "chanels" in said


def test_what_is_empty_is_written_and_what_is_over_is_left_out(centers, receiver, tmp_path):
    one, two = centers
    soon = (datetime.now(timezone.utc) + timedelta(seconds=6)).strftime("%Y-%m-%dT%H:%M:%SZ")
    (tmp_path / "odd.yaml").write_text(f"""
groups: {{nobody: {{members: []}}}}
channels: {{near: {{kind: webhook, settings: {{url: 'http://127.0.0.1:{receiver.server_address[1]}/im'}}}}}}
schedules: {{once: {{at: '{soon}', message: {{content: {{body: Now}}, routing: {{channels: [near]}}}}}}}}
""")
    code, _, said = run(one, "apply", "-f", str(tmp_path / "odd.yaml"))
    assert code == 0, said
    until(lambda: not call(one, "GET", "/v1/schedules/once")[1]["next_runs"])
    folder = tmp_path / "written"
    code, _, said = run(one, "export", "-o", str(folder))
    assert code == 0 and "schedules/once is left out" in said and not (folder / "schedules/once.yaml").exists()
    assert "members: []" in (folder / "groups/nobody.yaml").read_text()
    values = secrets_of("".join(path.read_text() for path in folder.rglob("*.yaml")))
    code, told, said = run(two, "apply", "-f", str(folder), "--dry-run", secrets=values)
    assert code == 0, told + said
    code, told, said = run(two, "apply", "-f", str(folder), secrets=values)
    assert code == 0, told + said
    assert "0 changed" in run(two, "apply", "-f", str(folder))[1]


def test_the_files_of_one_project_make_another_the_same(centers, tmp_path):
    one, _ = centers
    copy = project(one, "copy")
    main, exported = tmp_path / "main.yaml", tmp_path / "exported.yaml"
    main.write_text("project: {display_name: Shop, params: {site: 'https://shop.example.com'}}")
    assert run(one, "apply", "-f", str(main))[0] == 0
    exported.write_text(run(one, "export")[1])
    assert exported.read_text().startswith("project:\n") and "display_name: Shop" in exported.read_text()
    code, told, said = run(one, "apply", "-f", str(exported), secrets=secrets_of(exported.read_text()), key=copy)
    assert code == 0 and "changed projects/copy" in told, told + said
    assert run(one, "export", key=copy)[1] == exported.read_text()

    main.write_text("projects: {default: {}}")
    code, _, said = run(one, "apply", "-f", str(main), key=copy)
    assert code == 1 and "projects/default is not the access key's project, which is copy" in said
    assert "display_name: Shop" in run(one, "export", key=copy)[1], "nothing is changed"


def test_a_dry_run_finds_what_the_description_of_the_api_says_no_to(centers, tmp_path):
    one, _ = centers
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("""
channels:
  x: {kind: webhook, settings: {url: 'https://im.example.com'}, limit: {per_minute: 3}}
  y: {kind: webhok, limits: {per_minute: three}}
groups: {z: {}}
""")
    code, told, said = run(one, "apply", "-f", str(wrong), "--dry-run")
    assert code == 1 and "would make channels/x" in told
    assert "channels/x/limit is not known; there are" in said
    assert "channels/y/kind is to be one of" in said and "channels/y/limits/per_minute is to be a whole number" in said
    assert "groups/z/members is missing" in said


def test_a_template_that_waits_for_approval_is_not_changed_again(centers, tmp_path):
    one, _ = centers
    key = project(one, "reviewed")
    file = tmp_path / "hello.yaml"
    for text in ("templates: {hello: {body: Hello}}", "project: {settings: {template_approval: true}}"):
        file.write_text(text)
        assert run(one, "apply", "-f", str(file), key=key)[0] == 0
    file.write_text("templates: {hello: {body: Good morning}}")
    code, told, said = run(one, "apply", "-f", str(file), key=key)
    assert code == 0 and "1 changed" in told, said
    code, told, said = run(one, "apply", "-f", str(file), key=key)
    assert code == 0 and "0 changed, 0 as they should be, 1 waiting for approval" in told, said


def test_a_key_applies_its_project_with_the_limits_as_they_are(centers, tmp_path):
    one, _ = centers
    key = project(one, "limited", limits={"messages_per_day": 1000})
    file = tmp_path / "limited.yaml"
    file.write_text(run(one, "export", key=key)[1])
    assert "messages_per_day: 1000" in file.read_text()
    assert "0 changed" in run(one, "apply", "-f", str(file), key=key)[1]
    file.write_text("project: {display_name: Shop, limits: {messages_per_day: 1000}}")
    code, told, said = run(one, "apply", "-f", str(file), key=key)
    assert code == 0 and "changed projects/limited" in told, told + said
    file.write_text("project: {display_name: Shop, limits: {messages_per_day: 2000}}")
    code, _, said = run(one, "apply", "-f", str(file), key=key)
    assert code == 1 and "admin in all projects" in said
    assert "messages_per_day: 1000" in run(one, "export", key=key)[1]


def test_a_secret_in_a_file_is_named_and_neither_shown_nor_sent_again(centers, tmp_path):
    one, _ = centers
    file, secret = tmp_path / "clear.yaml", SECRETS["OPS_KEY"]
    file.write_text(f"channels: {{clear: {{kind: wecom_robot, secrets: {{key: {secret}}}}}}}")
    expected = [("--dry-run", "1 would change"), (None, "1 changed"), (None, "0 changed"), ("--secrets", "1 changed")]
    for flag, summary in expected:
        code, told, said = run(one, "apply", "-f", str(file), *([flag] if flag else []))
        assert code == 0 and summary in told, told + said
        assert "channels/clear/secrets/key" in said and secret not in told + said


def test_what_was_applied_is_not_applied_again(centers, tmp_path):
    one, _ = centers
    made, file = tmp_path / "made.yaml", tmp_path / "again.yaml"
    made.write_text("channels: {kept: {kind: wecom_robot, secrets: {key: {env: OPS_KEY}}}}")
    code, told, said = run(one, "apply", "-f", str(made), secrets=SECRETS | {"OPS_KEY": ""})
    assert code == 1 and "OPS_KEY for channels/kept/secrets/key" in said, told + said
    code, told, said = run(one, "apply", "-f", str(made), secrets=SECRETS)
    assert code == 0, told + said
    file.write_text("""
channels:
  kept: {kind: wecom_robot}
  named: {kind: webhook, settings: {url: {env: IM_URL}, headers: {Authorization: {env: IM_TOKEN}}}}
contacts:
  0123: {mobile: {env: MOBILE}}
webhooks:
  generated: {url: 'https://caller.example.com/generated', events: [message.completed]}
""")
    values = {"IM_URL": "https://im.example.com/fisher2", "IM_TOKEN": "fisher3", "MOBILE": "+8613800138000"}
    code, told, said = run(one, "apply", "-f", str(file), secrets=values)
    assert code == 0 and "3 changed, 1 as they should be" in told, told + said
    assert "webhooks/generated has a signing secret" in said and "whsec_" not in told + said
    code, told, said = run(one, "apply", "-f", str(file), secrets=values)
    assert code == 0 and "0 changed, 4 as they should be" in told and "signing secret" not in said, told + said
    code, told, said = run(one, "apply", "-f", str(file), "--dry-run", secrets=values | {"IM_URL": "https://im.example.com/fisher4"})
    assert code == 0 and "would change channels/named" in told and "fisher" not in told + said, told + said


def test_an_export_says_what_is_not_as_one_would_expect(centers, tmp_path):
    one, _ = centers
    file = tmp_path / "channels.yaml"
    file.write_text("""
channels:
  a-b: {kind: wecom_robot, secrets: {key: {env: OPS_KEY}}}
  a.b: {kind: wecom_robot, secrets: {key: {env: OPS_KEY}}}
---
channels:
  custom: {kind: webhook, settings: {url: 'https://im.example.com', headers: {X-Api-Key: hunter2}}}
""")
    code, _, said = run(one, "apply", "-f", str(file), secrets=SECRETS)
    assert code == 0, said
    _, told, said = run(one, "export")
    assert "env: CHANNEL_A_B_KEY\n" in told and "env: CHANNEL_A_B_KEY_2\n" in told
    assert "channels/a.b has the variable CHANNEL_A_B_KEY_2" in said
    # A center that keeps such a header as a secret exports the name of a variable, and there is nothing to warn of.
    warned = "channels/custom/settings/headers/X-Api-Key" in said
    assert warned == ("hunter2" in told) and "hunter2" not in said


def test_many_are_put_at_once_and_told_in_order(centers, tmp_path):
    one, _ = centers
    file = tmp_path / "people.yaml"
    names = [f"person-{number:03}" for number in range(300)]
    people = "".join(f"  {name}: {{email: {name}@example.com}}\n" for name in names)
    # Each group has the next one as a member, so none but the last can be made at first.
    file.write_text(f"contacts:\n{people}groups:\n" + """
  chain-1: {members: ['@chain-2']}
  chain-2: {members: ['@chain-3']}
  chain-3: {members: ['@chain-4']}
  chain-4: {members: [person-000]}
""")
    code, told, said = run(one, "apply", "-f", str(file))
    assert code == 0 and "304 changed" in told, said
    made = [line.removeprefix("made contacts/") for line in told.splitlines() if line.startswith("made contacts/")]
    assert made == names


def test_an_address_that_is_none_is_named_with_its_variable(centers):
    one, _ = centers
    code, _, said = run(one, "export", secrets={"MESSAGE_CENTER_URL": "nope"})
    assert code == 1 and 'MESSAGE_CENTER_URL (or --url) is "nope"' in said and "http://127.0.0.1:8080" in said


def secrets_of(exported):
    """A value for every variable that an export names."""
    names = re.findall(r"env: (\w+)", exported)
    return {name: SECRETS["RESULTS_SECRET" if name.startswith("WEBHOOK") else "OPS_KEY"] for name in names}


def project(center, name, **fields):
    """Makes a project with these fields and gives its admin key."""
    token = None

    def ask(method, path, body, **headers):
        headers = {"content-type": "application/json"} | {key.replace("_", "-"): value for key, value in headers.items()}
        if token:
            headers["authorization"] = f"Bearer {token}"
        request = urllib.request.Request(center.url + path, json.dumps(body).encode(), headers, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    token = ask("POST", "/v1/session", {"username": "admin", "password": "a long password"})["token"]
    ask("PUT", f"/v1/projects/{name}", fields)
    key = ask("POST", "/v1/access-keys", {"name": name, "role": "admin"}, x_project=name)
    return key["access_key_id"], key["secret_access_key"]


def template(center):
    request = urllib.request.Request(f"{center.url}/v1/templates/deploy-done")
    request.add_header("authorization", "Basic " + base64.b64encode(f"{ACCESS_KEY_ID}:{SECRET}".encode()).decode())
    with urllib.request.urlopen(request) as answer:
        return json.dumps(json.load(answer))
