"""Puts the reports of bench/figures together: figures.json, figures.md (printed) and figures.html."""
import json
import re
import sys
from pathlib import Path

POOLERS = ("relay", "pgbouncer", "epoll", "io_uring", "plain", "workers2")


def spread(figure, digits=3):
    if not figure:
        return "-"
    return f"{figure['median']:.{digits}g} ({figure['min']:.{digits}g}-{figure['max']:.{digits}g})"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


class Parts:
    def __init__(self, folder):
        self.folder = folder
        self.runs = {}
        for path in sorted(folder.glob("*.json")):
            self.runs[path.stem] = json.loads(path.read_text())["rows"]
        self.calls = {path.stem[len("calls-"):]: count_calls(path.read_text()) for path in sorted(folder.glob("calls-*.strace"))}
        memory = folder / "memory.csv"
        rows = [line.split(",") for line in memory.read_text().split()] if memory.exists() else []
        self.memory = {row[0]: [int(kib) for kib in row[1:]] for row in rows}

    def row(self, run, target, clients=None, protocol=None):
        for row in self.runs.get(run, []):
            if row["target"] == target and clients in (None, row["clients"]) and protocol in (None, row["protocol"]):
                return row if row["rounds"] else None
        return None

    def median(self, run, target, figure="cpu_us_per_transaction", clients=None):
        row = self.row(run, target, clients)
        return row[figure]["median"] if row and row.get(figure) else None


def count_calls(text):
    """Calls per transaction, by strace -c. Whoever stands in between sends twice for each."""
    counts = {}
    for line in text.splitlines():
        found = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line)
        if found and found[2] != "total":
            counts[found[2]] = int(found[1])
    transactions = sum(counts.get(name, 0) for name in ("sendto", "sendmsg", "write", "writev")) / 2
    return {name: count / transactions for name, count in counts.items()} if transactions > 50 else {}


class Verdicts:
    def __init__(self):
        self.rows = []

    def at_most(self, what, value, bound, unit=""):
        if value is None or bound is None:
            self.rows.append({"what": what, "measured": None, "at_most": bound, "holds": None})
        else:
            self.rows.append({"what": what, "measured": round(value, 4), "at_most": round(bound, 4), "unit": unit, "holds": value <= bound})

    def ratio(self, what, value, base, bound):
        self.at_most(what, value / base if value is not None and base else None, bound, "x")


def judge(parts):
    v = Verdicts()
    for protocol in ("simple", "extended", "prepared"):
        for clients in (16, 64):
            cpu = {name: parts.median(f"cpu-{protocol}", name, clients=clients) for name in POOLERS}
            at = f"{protocol}, {clients} clients"
            v.ratio(f"1. epoll against pgbouncer, {at}", cpu["epoll"], cpu["pgbouncer"], 1.0)
            v.ratio(f"1. epoll against the relay, {at}", cpu["epoll"], cpu["relay"], 1.2)
            v.ratio(f"1. io_uring against the relay, {at}", cpu["io_uring"], cpu["relay"], 1.0)
            v.ratio(f"2. defaults against all switched off, {at}", cpu["epoll"], cpu["plain"], 1 / 0.95)
            v.ratio(f"3. two workers against one, {at}", cpu["workers2"], cpu["epoll"], 1.1)
    for name, bound in (("idle", 834), ("idle2", None)):
        other = parts.median("idle", "pgbouncer-idle", "bytes_per_client")
        v.at_most(f"4. bytes per idle client, {'one worker' if bound else 'two workers'}",
                  parts.median("idle", name, "bytes_per_client"), bound or (other and 1.1 * other), "B")
    for name, (before, peak, after) in parts.memory.items():
        if not name.startswith("pgbouncer"):
            v.at_most(f"4. KiB kept after large inserts, {name} (peak {peak - before})", after - before, 4096, "KiB")
    for name in ("epoll", "io_uring"):
        few, many = (parts.calls.get(f"{clients}-{name}") for clients in (16, 64))
        v.at_most(f"5. system calls per transaction, 64 clients against 16, {name}",
                  sum(many.values()) if many else None, sum(few.values()) + 0.1 if few else None)
        row = parts.row("overload", name)
        v.ratio(f"5. p99 / p50 in overload, {name}", row and row["latency_us_p99"]["median"], row and row["latency_us_p50"]["median"], 2.0)
        for run in ("overload", "think"):
            row = parts.row(run, name)
            v.at_most(f"5. failed transactions, {run}, {name}", row and row["failed"], 0)
        cpu = parts.median("large", name)
        v.at_most(f"6. CPU ns per byte of large results, {name}", cpu and cpu * 1000 / 1e6, 0.30, "ns")
    for kind in ("trust", "scram"):
        v.ratio(f"7. connect-query-close with {kind} against pgbouncer",
                parts.median("churn", kind), parts.median("churn", f"pgbouncer-{kind}"), 1.0)
    v.at_most("7. CPU us per connect-query-close with SCRAM", parts.median("churn", "scram"), 159, "us")
    for kind, last in (("clients", 1000), ("clients", 10000), ("pools", 1000)):
        first = 10 if kind == "clients" else 1
        v.ratio(f"8. CPU per transaction, {last} {kind} against {first}",
                parts.median(f"{kind}-{last}", "epoll"), parts.median(f"{kind}-{first}", "epoll"), 1.25)
    return [row for row in v.rows if row["measured"] is not None]


def tables(parts):
    out = []
    for name, rows in parts.runs.items():
        cells = [[row["target"], row["protocol"], row["clients"], spread(row["transactions_per_second"]), spread(row["cpu_us_per_transaction"]),
                  f"{row['latency_us_p50']['median']:.0f}", f"{row['latency_us_p99']['median']:.0f}", spread(row["bytes_per_client"]),
                  spread(row["voluntary_switches_per_transaction"]), row["failed"]] for row in rows if row["rounds"]]
        out.append((name, table(["target", "protocol", "clients", "tx/s", "CPU us/tx", "p50 us", "p99 us", "B/client", "switches/tx", "failed"], cells)))
    if parts.calls:
        names = sorted({name for calls in parts.calls.values() for name, count in calls.items() if count >= 0.05})
        cells = [[which, *(f"{calls.get(name, 0):.2f}" for name in names), f"{sum(calls.values()):.2f}"] for which, calls in parts.calls.items()]
        out.append(("system calls per transaction", table(["clients-target", *names, "all"], cells)))
    if parts.memory:
        out.append(("KiB around large inserts", table(["pooler", "before", "peak", "after"], [[name, *kib] for name, kib in parts.memory.items()])))
    return out


def growth_plot(parts, kind, counts):
    """CPU per transaction against how many there are, both axes logarithmic in steps of the counts."""
    lines, top = {}, 1
    for target in ("pgbouncer", "epoll"):
        points = [(i, parts.median(f"{kind}-{count}", target)) for i, count in enumerate(counts)]
        lines[target] = [(i, cpu) for i, cpu in points if cpu]
        top = max([top, *(cpu for _, cpu in lines[target])])
    step = 420 / max(1, len(counts) - 1)
    svg = [f'<svg viewBox="0 0 560 300" width="560"><text x="60" y="18">CPU us per transaction against {kind}</text>']
    for mark in range(5):
        y = 260 - 220 * mark / 4
        svg.append(f'<line x1="60" x2="500" y1="{y}" y2="{y}" stroke="#ddd"/><text x="52" y="{y + 4}" text-anchor="end">{top * mark / 4:.1f}</text>')
    svg += [f'<text x="{60 + step * i}" y="280" text-anchor="middle">{count}</text>' for i, count in enumerate(counts)]
    for (target, points), colour in zip(lines.items(), ("#c33", "#26c")):
        path = " ".join(f"{60 + step * i:.0f},{260 - 220 * cpu / top:.0f}" for i, cpu in points)
        svg.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if points:
            svg.append(f'<text x="{64 + step * points[-1][0]:.0f}" y="{250 - 220 * points[-1][1] / top:.0f}" fill="{colour}">{target}</text>')
    return "\n".join(svg) + "</svg>"


def to_html(parts, where, verdicts, all_tables):
    bodies, style = [], ""
    for path in sorted(parts.folder.glob("*.html")):
        text = path.read_text()
        style = re.search(r"<style>.*?</style>", text, re.S)[0] if "<style>" in text else style
        bodies.append(re.search(r"<body[^>]*>(.*)</body>", text, re.S)[1])
    growth = growth_plot(parts, "clients", (10, 100, 1000, 10000)) + growth_plot(parts, "pools", (1, 10, 100, 1000))
    first = "".join(f"<h2>{name}</h2><pre>{text}</pre>" for name, text in [("What is asked for", verdicts), *all_tables])
    return (f'<!doctype html><html lang="en"><meta charset="utf-8"><title>pgweir: figures</title>{style}<body>'
            f"<h1>Figures</h1><p>{where}</p>{growth}{first}{''.join(bodies)}</body></html>\n")


def main(folder, where):
    parts = Parts(folder / "parts")
    verdicts = judge(parts)
    rows = [[row["what"], f"{row['measured']:.4g}", f"{row['at_most']:.4g}", row.get("unit", ""), "yes" if row["holds"] else "NO"] for row in verdicts]
    first = table(["what", "measured", "at most", "", "holds"], rows)
    all_tables = tables(parts)
    text = f"Measured on: {where}\n\n{first}\n\n" + "\n\n".join(f"### {name}\n\n{body}" for name, body in all_tables)
    (folder / "figures.json").write_text(json.dumps({"where": where, "verdicts": verdicts, "runs": parts.runs, "system_calls": parts.calls,
                                                     "memory_kib": parts.memory}, indent=1))
    (folder / "figures.md").write_text(text + "\n")
    (folder / "figures.html").write_text(to_html(parts, where, first, all_tables))
    print(text)


main(Path(sys.argv[1]), sys.argv[2])
