"""Templates that stay within Jinja2 give the same text here.

The file holds what Jinja2 makes of each template. This test holds the file to the real Jinja2, and a test of mc-content holds
our engine to the file. UPDATE=1 writes down what Jinja2 says: give a new case a "source" and let it fill in the rest.
"""

import json
import os

import jinja2
from conftest import ROOT

FILE = ROOT / "shared/mc-content/tests/all/jinja2.json"


def rendered(source, data, templates, autoescape):
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        autoescape=autoescape,
        loader=jinja2.DictLoader(templates),
        extensions=["jinja2.ext.loopcontrols"],
    )
    return environment.from_string(source).render(json.loads(json.dumps(data)))


def test_the_recorded_texts_are_those_of_jinja2():
    recorded = json.loads(FILE.read_text())
    for case in recorded["cases"]:
        case_now = {
            place: rendered(case["source"], recorded["data"], recorded["templates"], place == "html")
            for place in ("text", "html")
        }
        if os.environ.get("UPDATE"):
            case |= case_now
        else:
            assert {place: case[place] for place in case_now} == case_now, case["source"]
    assert len(recorded["cases"]) >= 60
    if os.environ.get("UPDATE"):
        FILE.write_text(json.dumps(recorded, ensure_ascii=False, indent=1) + "\n")
