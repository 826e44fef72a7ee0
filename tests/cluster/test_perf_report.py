# SPDX-License-Identifier: Apache-2.0
"""Reports of weft perf with planted figures (src/perf/report_planted.c): the JSON against its schema, the HTML
page in headless Chromium."""
import html.parser
import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree
import zlib

import pytest

import harness

pytestmark = pytest.mark.full

FIXTURE = harness.BUILD / "src/perf/perf-report-fixture"
SCHEMA = harness.ROOT / "docs/perf-report.schema.json"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed (./dev setup)")

# Runs before all else in a copy of the page: errors and refused requests end up where the test reads them.
WATCH = """<script>
addEventListener("error", (event) => { document.documentElement.dataset.error = event.message; });
addEventListener("securitypolicyviolation", (event) => { document.documentElement.dataset.refused = event.blockedURI; });
</script>"""


def fixture(*args):
    return subprocess.run([FIXTURE, *map(str, args)], capture_output=True, text=True, check=True, timeout=60).stdout


def chromium(folder, url, *options):
    """What it prints."""
    command = [CHROMIUM, "--headless", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
               "--virtual-time-budget=2000", "--host-resolver-rules=MAP * ~NOTFOUND", "--allow-file-access-from-files",
               f"--user-data-dir={folder / 'profile'}", *(["--no-sandbox"] if os.geteuid() == 0 else []), *options, url]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True,
                          timeout=120).stdout


def page(folder, *how, script=""):
    """The URL of a report, watched, with a script at its end."""
    path = folder / "report.html"
    fixture("html", path, *how)
    text = path.read_text(encoding="utf-8").replace('<meta charset="utf-8">', '<meta charset="utf-8">' + WATCH, 1)
    path.write_text(text.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    return path.as_uri()


class Dom(html.parser.HTMLParser):
    """html: attributes of <html>; keyed: text of elements with data-key; rows: cells by key, of each table row."""

    VOID = {"meta", "link", "br", "img", "input", "hr", "line"}

    def __init__(self, text):
        super().__init__()
        self.html, self.keyed, self.rows, self.tags, self.title, self.open = {}, {}, [], {}, "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags[tag] = self.tags.get(tag, 0) + 1
        if tag == "html":
            self.html = attrs
        if tag == "tr":
            self.rows.append({"class": attrs.get("class")})
        if tag not in self.VOID:
            self.open.append((tag, attrs, []))

    def handle_data(self, data):
        for _, _, texts in self.open:
            texts.append(data)

    def handle_endtag(self, tag):
        while self.open:
            name, attrs, texts = self.open.pop()
            text = "".join(texts)
            if name == "title" and not self.title:
                self.title = text
            if "data-key" in attrs:
                self.keyed.setdefault(attrs["data-key"], []).append(text)
            if name == "td" and self.rows:
                self.rows[-1][attrs.get("data-key") or len(self.rows[-1])] = text
            if name == tag:
                return


def dump(folder, url):
    dom = Dom(chromium(folder, url, "--dump-dom"))
    assert "data-error" not in dom.html and "data-refused" not in dom.html, dom.html
    assert dom.html["data-ready"] == "5"
    return dom


# --- JSON -----------------------------------------------------------------------------------------


def matches(value, schema, root, where):
    """The part of JSON Schema that ours uses; and no member that it does not name."""
    if "$ref" in schema:
        matches(value, root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root, where)
    if "const" in schema:
        assert value == schema["const"], where
    if "enum" in schema:
        assert value in schema["enum"], where
    if "oneOf" in schema:
        matches(value, next(one for one in schema["oneOf"] if ("$ref" in one) == (value is not None)), root, where)
    if "type" in schema:
        kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float),
                 "null": type(None)}
        names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        assert any(isinstance(value, kinds[name]) for name in names), where
        assert not isinstance(value, bool) or "boolean" in names, where
    if isinstance(value, str) and "pattern" in schema:
        assert re.search(schema["pattern"], value), where
    if isinstance(value, (int, float)):
        assert schema.get("minimum", value) <= value <= schema.get("maximum", value), where
    if isinstance(value, list):
        assert len(value) <= schema.get("maxItems", len(value)), where
        for index, one in enumerate(value):
            matches(one, schema.get("items", {}), root, f"{where}[{index}]")
    if isinstance(value, dict) and "properties" in schema:
        assert set(value) <= set(schema["properties"]), where
        assert set(schema["required"]) <= set(value), where
        for name, one in value.items():
            matches(one, schema["properties"][name], root, f"{where}.{name}")


@pytest.mark.parametrize("how", ["plain", "hostile", "emulated"])
def test_json_matches_its_schema(how):
    root = json.loads(SCHEMA.read_text(encoding="utf-8"))
    report = json.loads(fixture("json", "-", how))
    matches(report, root, root, "report")
    assert len(report["results"]) == 26
    assert report["results"][0]["case"]["seed"] == str(2**64 - 7)
    damaged = json.loads(json.dumps(report))
    del damaged["results"][0]["runs"][0]["here"]["cpu"]["softirq_s"]
    with pytest.raises(AssertionError):
        matches(damaged, root, root, "report")


def test_the_schema_in_docs_is_the_programs():
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == json.loads(fixture("schema"))


# --- the page -------------------------------------------------------------------------------------


@needs_chromium
def test_page_shows_the_planted_figures(tmp_path):
    dom = dump(tmp_path, page(tmp_path))
    assert [re.match(r".*?: .*?(\d+\.\d+) Gb/s", text)[1] for text in dom.keyed["best-bandwidth"]] == ["47.81", "23.90"]
    assert "5.976 GB/s, 95.6 % of line rate" in dom.keyed["best-bandwidth"][0]
    assert "31.00 µs" in dom.keyed["best-latency"][0] and "half: 15.50 µs" in dom.keyed["best-latency"][0]
    assert "4.000 Mop/s" in dom.keyed["best-rate"][0]
    rows = [row for row in dom.rows if "gbits" in row]
    assert len(rows) == 22
    row = rows[0]
    assert [row[key] for key in ("size", "gbits", "gbytes", "line", "cpu-here", "cpu-there", "state")] == [
        "1,024", "9.600", "1.200", "19.2 %", "1.250", "2.500", "ok"]
    invalid = [row for row in rows if row["class"] == "invalid"]
    assert [row["state"] for row in invalid] == ["INVALID"] and invalid[0]["size"] == "65,536"
    latency = next(row for row in dom.rows if "p50" in row)
    assert [latency[key] for key in ("p50", "p99.99", "max")] == ["31.00", "n/a", "500.0"]
    assert dom.keyed["ratio"] == ["0.500"] * 6 + ["0.225", "0.430"]
    assert set(dom.keyed["verdict"]) == {"EFA better"}
    flags = "\n".join(dom.keyed["flag"])
    assert "above_line_rate 12.5 GB/s is above the line rate" in flags
    assert "Remedy: look" in flags
    assert "repeat 4 failed" in flags and "not reached" in flags


# Uses the page as a reader does, and notes what came of it.
USE = """
const note = (name, value) => { document.documentElement.dataset[name] = value; };
const chart = Chart.all[0], buttons = chart.legend.querySelectorAll("button");
note("before", chart.u.series[2].show);
buttons[1].click();
note("after", chart.u.series[2].show + " " + buttons[1].getAttribute("aria-pressed"));
note("svg", chart.svgText());
chart.u.setCursor({ left: chart.u.valToPos(65536, "x"), top: 20 });
note("tip", chart.tip.hidden ? "hidden" : chart.tip.textContent);
chart.u.setScale("x", { min: 4096, max: 65536 });
setTimeout(() => {
	note("zoomed", Math.round(chart.u.scales.x.max));
	[...document.querySelectorAll("#bandwidth .tools button")].find((b) => b.textContent === "Reset zoom").click();
	setTimeout(() => {
		note("reset", chart.u.scales.x.max > 1000000);
		note("png", chart.picture().toDataURL().length);
	}, 200);
	note("label", chart.plot.getAttribute("aria-label"));
	note("light", getComputedStyle(document.body).backgroundColor);
	document.getElementById("theme").click();
	note("dark", getComputedStyle(document.body).backgroundColor);
	const pick = document.querySelector("#time select");
	pick.value = 1;
	pick.dispatchEvent(new Event("change"));
	note("picked", Chart.all[Chart.all.length - 1].model.title);
}, 200);
"""


@needs_chromium
def test_page_can_be_used(tmp_path):
    notes = {name[5:]: value for name, value in dump(tmp_path, page(tmp_path, script=USE)).html.items() if name[:5] == "data-"}
    assert (notes["before"], notes["after"]) == ("true", "false false")
    svg = xml.etree.ElementTree.fromstring(notes["svg"])
    lines = svg.findall(".//{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 4 # five, less the one that was hidden
    assert len(lines[0].get("points").split()) == 6
    texts = [text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Bandwidth", "64 KiB", "50", "EFA send"} <= set(texts) and "TCP send" not in texts
    assert "65,536 bytes" in notes["tip"] and "EFA send45.18 Gb/s [44.95, 45.40]" in notes["tip"]
    assert (notes["zoomed"], notes["reset"]) == ("65536", "true")
    assert int(notes["png"]) > 5000
    assert "EFA send: from 9.600 Gb/s to 47.81 Gb/s" in notes["label"]
    assert notes["light"] != notes["dark"]
    assert notes["picked"] == "Over time: bw send over TCP, 1,024 bytes"


# Printing without a printer: what the page does before and after.
PRINT = """
const note = (name, value) => { document.documentElement.dataset[name] = value; };
const lines = () => document.querySelectorAll(".paper svg polyline").length;
note("screen", lines());
dispatchEvent(new Event("beforeprint"));
note("paper", [...document.querySelectorAll("figure")].map((f) => f.querySelectorAll(".paper svg polyline").length).join(" "));
note("clips", new Set([...document.querySelectorAll(".paper clipPath")].map((clip) => clip.id)).size);
note("texts", document.querySelector(".paper svg").textContent);
note("printed", document.documentElement.dataset.theme);
dispatchEvent(new Event("afterprint"));
note("after", lines() + " " + document.documentElement.dataset.theme);
"""


@needs_chromium
def test_paper_gets_the_charts_as_lines(tmp_path):
    url = page(tmp_path, script=PRINT)
    dom = Dom(chromium(tmp_path, url, "--dump-dom", "--blink-settings=preferredColorScheme=0"))
    notes = {name[5:]: value for name, value in dom.html.items() if name[:5] == "data-"}
    assert notes["screen"] == "0" and notes["paper"] == "5 4 4 8 8", notes
    assert notes["clips"] == "5" and "EFA send" in notes["texts"] and "64 KiB" in notes["texts"]
    assert (notes["printed"], notes["after"]) == ("light", "0 dark")


@needs_chromium
def test_a_printed_report(tmp_path):
    paper = tmp_path / "report.pdf"
    chromium(tmp_path, page(tmp_path), "--no-pdf-header-footer", f"--print-to-pdf={paper}")
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", paper.read_bytes())
    wide = [float(width) > float(height) for width, height in boxes]
    assert any(wide) and not wide[0] and 5 <= len(boxes) <= 12, "tables of many columns lie across"


@needs_chromium
def test_hostile_text_stays_text(tmp_path):
    dom = dump(tmp_path, page(tmp_path, "hostile", "emulated"))
    assert dom.title == "weft perf: report"
    assert "img" not in dom.tags
    assert any("onerror=\"document.title='owned'\"" in str(row.get(3)) for row in dom.rows)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//|url\((?!#)|@import""", text)


def pixels(path):
    """Width, height and mean brightness of a PNG's first rows."""
    data = path.read_bytes()
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    assert data[24] == 8 and data[25] in (2, 6)
    channels = 3 if data[25] == 2 else 4
    packed, at = b"", 8
    while at < len(data):
        size = int.from_bytes(data[at:at + 4], "big")
        if data[at + 4:at + 8] == b"IDAT":
            packed += data[at + 8:at + 8 + size]
        at += size + 12
    raw, stride, previous, total = zlib.decompress(packed), width * channels, None, 0
    rows = min(height, 120)
    for y in range(rows):
        kind, row = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        previous = previous or bytearray(stride)
        for i in range(stride):
            left, up = (row[i - channels] if i >= channels else 0), previous[i]
            corner = previous[i - channels] if i >= channels else 0
            guess = left + up - corner
            paeth = min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))[2]
            row[i] = (row[i] + (0, left, up, (left + up) // 2, paeth)[kind]) & 255
        previous = row
        total += sum(row)
    return width, height, total / (rows * stride)


@needs_chromium
@pytest.mark.parametrize("look", ["light", "dark"])
def test_screenshot(tmp_path, look):
    picture = tmp_path / f"{look}.png"
    options = ["--blink-settings=preferredColorScheme=0"] if look == "dark" else []
    chromium(tmp_path, page(tmp_path), "--window-size=800,600", f"--screenshot={picture}", *options)
    width, height, brightness = pixels(picture)
    assert (width, height) == (800, 600)
    assert brightness > 200 if look == "light" else brightness < 80


@needs_chromium
def test_nothing_is_wider_than_a_phone(tmp_path):
    url, frame = page(tmp_path), tmp_path / "phone.html"
    frame.write_text(f"""<!doctype html><iframe id="phone" src="{url}" style="width:390px;height:800px;border:0"></iframe><script>
        onload = () => setTimeout(() => {{
            const root = document.getElementById("phone").contentDocument;
            document.documentElement.dataset.ready = "5";
            document.documentElement.dataset.width = root.documentElement.scrollWidth;
            document.documentElement.dataset.charts = root.documentElement.dataset.ready;
        }}, 500);</script>""", encoding="utf-8")
    dom = dump(tmp_path, frame.as_uri())
    assert dom.html["data-charts"] == "5"
    assert int(dom.html["data-width"]) <= 390
