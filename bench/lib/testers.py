# SPDX-License-Identifier: Apache-2.0
"""The other testers, and weft perf, as contenders: a server and a client each, and their figures in
one unit: bytes per second, and seconds of half a round trip."""
import contextlib
import json
import re
import time
from pathlib import Path

from lib import procs

MIB = 1 << 20
SHORT, LONG = 1, 5  # runs of fi_pingpong whose difference is without the first contact
WARM_MS = 200
MICRO = 1e-6


def listens(pid, port):
    """Does the process, in its network namespace, listen at the port? Without a connection, which
    for most of these servers would be the one that they wait for."""
    text = ""
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            text += Path(f"/proc/{pid}/net/{name}").read_text(encoding="ascii")
    return re.search(rf":{port:04X} \S+ 0A ", text) is not None


def talk(server, client, port):
    """Runs both to their end; what the client printed. A status of 1 of weft perf is a figure that
    its gates doubt, and is left to the reader."""
    with procs.started(server) as process:
        deadline = time.monotonic() + procs.START_LIMIT_S
        while not listens(process.pid, port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise procs.Failed(f"{' '.join(process.args)} does not listen")
            time.sleep(0.01)
        with procs.started(client) as other:
            out = procs.text_of(other, statuses=(0, 1) if "--format" in other.args else (0,))
        procs.text_of(process)
    return out


# --- fi_pingpong ----------------------------------------------------------------------------------


def parse_fi_pingpong(text):
    """Its one row: microseconds of a transfer, half a round trip, and MB (10^6 bytes) per second."""
    row = re.search(r"^\d\w*\s+\S+\s+=\S+\s+\S+\s+\S+s\s+([\d.]+)\s+([\d.]+)\s+[\d.]+\s*$", text,
                    re.M)
    if not row:
        raise procs.Failed(f"fi_pingpong printed no row: {text[-300:]}")
    return {"half_s": float(row[2]) * MICRO, "bytes_per_s": float(row[1]) * 1e6}


def without_contact(short_s, long_s):
    """Half a round trip, from those of the two runs. Where the machine was so busy that the short
    one took longer than the long one, that one as it is."""
    half_s = (LONG * long_s - SHORT * short_s) / (LONG - SHORT)
    return half_s if half_s > 0 else long_s


def fi_pingpong(hosts, provider, size, count):
    """Its clock runs from before the first message, which makes the contact. So a short and a long
    run: what the further messages of the long one took. As printed: of the short one."""
    runs = []
    for part in (SHORT, LONG):
        port = procs.free_port()
        words = ["fi_pingpong", "-p", provider, "-e", "rdm", "-S", size, "-I", part * count]
        runs.append(parse_fi_pingpong(talk(hosts[0]([*words, "-B", port]),
                                           hosts[1]([*words, "-P", port, "127.0.0.1"]), port)))
    half_s = without_contact(*(run["half_s"] for run in runs))
    return {"half_s": half_s, "bytes_per_s": size / half_s, "as_printed": runs[0]}


# --- perftest -------------------------------------------------------------------------------------


def parse_perftest(text, head):
    """Numbers of the last row under the head that begins with these words."""
    found = re.findall(rf"^ #bytes .*{head}.*\n((?:\s+\d[\d. \t]*\n)+)", text, re.M)
    if not found:
        raise procs.Failed(f"perftest printed no row: {text[-300:]}")
    return [float(cell) for cell in found[-1].splitlines()[-1].split()]


def perftest(hosts, program, size, count):
    port = procs.free_port()
    words = [program, "-c", "SRD", "-x", "0", "-F", "-p", port, "-s", size, "-n", count]
    text = talk(hosts[0](words), hosts[1]([*words, "127.0.0.1"]), port)
    if program.endswith("_lat"):
        row = parse_perftest(text, "t_min")
        return {"half_s": row[4] * MICRO, "mean_s": row[5] * MICRO, "max_s": row[3] * MICRO}
    row = parse_perftest(text, "BW average")
    # Its MB and MiB are the same, 2^20 bytes.
    return {"bytes_per_s": row[3] * MIB, "peak_bytes_per_s": row[2] * MIB}


# --- iperf3 ---------------------------------------------------------------------------------------


def parse_iperf3(text):
    end = json.loads(text)["end"]
    return {"bytes_per_s": end["sum_received"]["bits_per_second"] / 8,
            "retransmits": end["sum_sent"].get("retransmits", 0)}


def iperf3(hosts, size, seconds):
    port = procs.free_port()
    words = ["iperf3", "-p", port]
    return parse_iperf3(talk(hosts[0]([*words, "-s", "-1"]), hosts[1](
        [*words, "-c", "127.0.0.1", "-J", "-l", size, "-t", seconds]), port))


# --- weft perf ------------------------------------------------------------------------------------


def parse_weft(text):
    """The only run of the only result; means as the others have them: all time over all
    operations."""
    result = json.loads(text)["results"][0]
    if result["error"] or result["runs"][0]["error"]:
        raise procs.Failed(f"weft perf: {result['why'] or result['runs'][0]['why']}")
    here = result["runs"][0]["here"]
    median = (result["p50_ns"] or {}).get("median")
    return {"bytes_per_s": here["bytes"] / here["ns"] * 1e9, "mean_s": here["ns"] / here["ops"] / 2e9,
            "half_s": median and median / 2e9,
            "flags": [flag["gate"] for flag in result["flags"]]}


def weft(build, hosts, *words):
    port = procs.free_port()
    program = build / "programs" / "perf" / "weft-perf"
    return parse_weft(talk(
        hosts[0]([program, "server", "--listen-addr", f"127.0.0.1:{port}", "--once"]),
        hosts[1]([program, "run", f"127.0.0.1:{port}", "--repeats", 1, "--warm", f"{WARM_MS}ms",
                  "--timeout", "60s", "--quiet", "--format", "json", *words]), port))
