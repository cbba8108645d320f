"""Renders one template here and with Python's Jinja2 and Markdown libraries: `make bench-render`.

Takes the program that measures ours. The table goes to standard error, one JSON line to standard output.
"""

import json
import subprocess
import sys
import time
from importlib.metadata import version

import jinja2
import markdown
import mistune

SPANS, SPAN = 8, 0.15


def per_second(work):
    """The best of several spans, as ours is measured."""
    best = 0.0
    for _ in range(SPANS):
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < SPAN:
            work()
            count += 1
        best = max(best, count / (time.perf_counter() - start))
    return best


def main():
    ours = json.loads(subprocess.run([sys.argv[1]], check=True, capture_output=True, text=True).stdout)
    environment = jinja2.Environment(autoescape=True)
    title, body = (environment.from_string(ours[part]) for part in ("title", "template"))
    data = ours["data"]
    mistune_html = mistune.create_markdown(plugins=["table", "strikethrough", "task_lists"])
    markdown_html = markdown.Markdown(extensions=["tables", "fenced_code"])

    def rendered(convert):
        return lambda: (title.render(data), convert(body.render(data)))

    python = {
        "template alone": per_second(rendered(str)),
        f"html by mistune {version('mistune')}": per_second(rendered(mistune_html)),
        f"html by Markdown {version('Markdown')}": per_second(rendered(lambda text: markdown_html.reset().convert(text))),
    }
    fastest = max(rate for name, rate in python.items() if name.startswith("html"))
    report = {
        "template_bytes": len(ours["template"]),
        "variables": len(data),
        "ours": {name: round(rate) for name, rate in ours["dialects"].items()},
        "renders_per_second": round(ours["renders_per_second"]),
        "python": {name: round(rate) for name, rate in python.items()},
        "ratio_all_dialects": round(ours["renders_per_second"] / fastest, 1),
        "ratio_html": round(ours["dialects"]["html"] / fastest, 1),
        "ratio_template": round(ours["dialects"]["template alone"] / python["template alone"], 1),
    }
    table(report)
    print(json.dumps(report))


def table(report):
    def line(name, rate):
        print(f"  {name:<34}{rate:>10,} /s", file=sys.stderr)

    print(f"A template of {report['template_bytes']} bytes with {report['variables']} variables", file=sys.stderr)
    for name, rate in report["ours"].items():
        line(name, rate)
    line("all of them, on average", report["renders_per_second"])
    print(f"Python {sys.version.split()[0]}, Jinja2 {version('Jinja2')}", file=sys.stderr)
    for name, rate in report["python"].items():
        line(name, rate)
    print(
        f"Beside Python's faster one: {report['ratio_all_dialects']} times over all dialects, "
        f"{report['ratio_html']} times for HTML alone, {report['ratio_template']} times for the template alone",
        file=sys.stderr,
    )


main()
