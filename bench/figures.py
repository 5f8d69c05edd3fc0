"""Puts the reports of bench/figures together: figures.json, figures.md (printed) and figures.html."""
import json
import re
import statistics
import sys
from pathlib import Path


def spread(figure, digits=3):
    if not figure:
        return "-"
    return f"{figure['median']:.{digits}g} ({figure['min']:.{digits}g}-{figure['max']:.{digits}g})"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def lines_of(path):
    return [line.split(",") for line in path.read_text().split()] if path.exists() else []


class Parts:
    def __init__(self, folder):
        self.folder = folder
        self.runs = {}
        for path in sorted(folder.glob("*.json")):
            self.runs[path.stem] = json.loads(path.read_text())["rows"]
        self.calls = {path.stem[len("calls-"):]: count_calls(path) for path in sorted(folder.glob("calls-*.strace"))}
        self.memory = {row[0]: [int(kib) for kib in row[1:]] for row in lines_of(folder / "memory.csv")}
        self.workers = [[int(cell) for cell in row] for row in lines_of(folder / "workers.csv")[1:]]

    def row(self, run, target, clients=None, protocol=None):
        for row in self.runs.get(run, []):
            if row["target"] == target and clients in (None, row["clients"]) and protocol in (None, row["protocol"]):
                return row if row["rounds"] else None
        return None

    def ratio(self, run, target, base, figure="cpu_us_per_transaction", clients=None):
        """Of two targets, round by round, for rounds of one number stood next to each other in time; their median."""
        rows = [self.row(run, name, clients) for name in (target, base)]
        if not all(row and row.get(figure) for row in rows):
            return None
        pairs = list(zip(*(row[figure]["rounds"] for row in rows)))
        return statistics.median(a / b for a, b in pairs) if pairs and all(b for _, b in pairs) else None

    def median(self, run, target, figure="cpu_us_per_transaction", clients=None):
        row = self.row(run, target, clients)
        return row[figure]["median"] if row and row.get(figure) else None


def count_calls(path):
    """Calls per transaction, by strace -c and the generator's report of the same run."""
    counts, report = {}, path.with_suffix(".transactions")
    for line in path.read_text().splitlines():
        found = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line)
        if found and found[2] != "total":
            counts[found[2]] = int(found[1])
    transactions = json.loads(report.read_text())["rows"][0]["completed"] if report.exists() else 0
    return {name: count / transactions for name, count in counts.items()} if transactions > 50 else {}


class Verdicts:
    """What was measured beside what is asked for; what was not measured is told as that."""
    def __init__(self):
        self.rows = []

    def at_most(self, what, value, bound, unit=""):
        measured = value is not None and bound is not None
        self.rows.append({"what": what, "measured": value, "at_most": bound, "unit": unit, "holds": value <= bound if measured else None})

    def at_least(self, what, value, bound, unit=""):
        measured = value is not None and bound is not None
        self.rows.append({"what": what, "measured": value, "at_least": bound, "unit": unit, "holds": value >= bound if measured else None})


def judge_cpu(v, parts):
    for protocol in ("simple", "extended", "prepared"):
        for clients in (16, 64):
            run, at = f"cpu-{protocol}", f"{protocol}, {clients} clients"
            for what, target, base, bound in (("1. epoll / pgbouncer", "epoll", "pgbouncer", 1.0), ("1. io_uring / pgbouncer", "io_uring", "pgbouncer", 1.0),
                                              ("1. epoll / relay", "epoll", "relay", 1.2), ("1. io_uring / relay", "io_uring", "relay", 1.0),
                                              ("2. as it comes / all switched off", "epoll", "plain", 1 / 0.95),
                                              ("3. two workers / one, epoll", "workers2", "epoll", 1.1),
                                              ("3. two workers / one, io_uring", "workers2-uring", "io_uring", 1.1)):
                v.at_most(f"{what}, {at}", parts.ratio(run, target, base, clients=clients), bound, "x")


def judge_workers_and_memory(v, parts):
    for clients, transactions, moved, most, pool_size in parts.workers:
        v.at_most(f"3. servers of a pool of {pool_size}, 2 workers, {clients} clients", most, pool_size)
        v.at_most(f"3. servers handed over per transaction, {clients} clients", moved / transactions if transactions else None, 0.4)
    for name in ("idle", "idle-uring", "idle2"):
        v.at_most(f"4. bytes per idle client, {name}", parts.median("idle", name, "bytes_per_client"),
                  parts.median("idle", "pgbouncer-idle", "bytes_per_client"), "B")
    for name, (before, peak, after) in parts.memory.items():
        if not name.startswith("pgbouncer"):
            v.at_most(f"4. KiB kept after large inserts, {name} (peak {peak - before})", after - before, 4096, "KiB")


def judge_crowds_and_sizes(v, parts):
    for name in ("epoll", "io_uring"):
        few, many = (parts.calls.get(f"{clients}-{name}") for clients in (16, 64))
        v.at_most(f"5. system calls per transaction, 64 clients (16 plus 0.1 asked for), {name}",
                  sum(many.values()) if many else None, sum(few.values()) + 0.1 if few else None)
        row = parts.row("overload", name)
        spread = row and row["latency_us_p50"]["median"] and row["latency_us_p99"]["median"] / row["latency_us_p50"]["median"]
        v.at_most(f"5. p99 / p50 in overload, {name}", spread, 2.0, "x")
        for run in ("overload", "think"):
            row = parts.row(run, name)
            v.at_most(f"5. failed transactions, {run}, {name}", row and row["failed"], 0)
        relay, cpu = parts.median("large", "relay"), parts.median("large", name)
        # 0.30 was asked for beside a relay of 0.24.
        v.at_most(f"6. CPU ns per byte of 1 MB results, {name} (relay {relay / 1000:.3f})" if relay else f"6. CPU ns per byte, {name}",
                  cpu and cpu / 1000, relay and 0.30 / 0.24 * relay / 1000, "ns")
    for name in ("tls", "tls-uring"):
        v.at_most(f"6. CPU per MB in TLS, {name} / pgbouncer", parts.ratio("large-tls", name, "pgbouncer-tls"), 1.0, "x")
        v.at_least(f"6. throughput in TLS, {name} / pgbouncer", parts.ratio("large-tls", name, "pgbouncer-tls", "transactions_per_second"), 1.0, "x")
    for kind in ("trust", "scram"):
        v.at_most(f"7. connect-query-close with {kind} / pgbouncer", parts.ratio("churn", kind, f"pgbouncer-{kind}"), 1.0, "x")
    v.at_most("7. CPU us per connect-query-close with SCRAM", parts.median("churn", "scram"), 159, "us")
    for kind, last in (("clients", 1000), ("clients", 10000), ("pools", 1000)):
        first = 10 if kind == "clients" else 1
        few, many = (parts.median(f"{kind}-{count}", "epoll") for count in (first, last))
        v.at_most(f"8. CPU per transaction, {last} {kind} / {first}", many / few if few and many else None, 1.25, "x")


BELONGS_TO = {"cpu": r"1|2|3\. two workers", "workers": r"3\. servers", "memory": "4", "calls": r"5\. system", "crowd": r"5\. (p99|failed)",
              "large": "6", "churn": "7", "growth": "8"}


def judge(parts, chosen):
    """Of the parts that were chosen; what of them could not be measured stands there as that."""
    v = Verdicts()
    judge_cpu(v, parts)
    judge_workers_and_memory(v, parts)
    judge_crowds_and_sizes(v, parts)
    return [row for row in v.rows if any(re.match(BELONGS_TO[part], row["what"]) for part in chosen)]


def verdict_table(verdicts):
    def number(value):
        return "-" if value is None else f"{value:.4g}"

    rows = [[row["what"], number(row["measured"]), f"<= {number(row['at_most'])}" if "at_most" in row else f">= {number(row['at_least'])}",
             row["unit"], {True: "yes", False: "NO", None: "not measured"}[row["holds"]]] for row in verdicts]
    count = {answer: sum(row["holds"] is answer for row in verdicts) for answer in (True, False, None)}
    head = f"{count[True]} hold, {count[False]} do not, {count[None]} were not measured. Ratios are medians of the rounds' own ratios.\n\n"
    return head + table(["what", "measured", "asked for", "", "holds"], rows)


def readme_table(parts):
    """The table of the README."""
    def thousands(figure):
        return f"{figure['median'] / 1000:.1f}k ({figure['min'] / 1000:.1f}k-{figure['max'] / 1000:.1f}k)"

    rows = []
    for clients in (16, 64):
        for target, name in (("relay", "plain epoll relay"), ("pgbouncer", "Debian's pgbouncer 1.18"), ("epoll", "**pgweir**, epoll"), ("io_uring", "**pgweir**, io_uring")):
            row = parts.row("cpu-simple", target, clients)
            if row:
                rows.append([name, clients, thousands(row["transactions_per_second"]), spread(row["cpu_us_per_transaction"]),
                             f"{row['latency_us_p99']['median']:.0f}"])
    head = "| | clients | transactions/s | CPU us per transaction | p99 us |\n|---|---:|---:|---:|---:|\n"
    return head + "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows) if rows else ""


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
    if parts.workers:
        out.append(("two workers", table(["clients", "transactions", "servers handed over", "most servers at once", "pool size"], parts.workers)))
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


def main(folder, where, chosen):
    parts = Parts(folder / "parts")
    verdicts = judge(parts, chosen)
    first = verdict_table(verdicts)
    all_tables = tables(parts)
    readme = readme_table(parts)
    text = "\n\n".join(filter(None, [f"Measured on: {where}", readme, first, *(f"### {name}\n\n{body}" for name, body in all_tables)]))
    (folder / "figures.json").write_text(json.dumps({"where": where, "verdicts": verdicts, "runs": parts.runs, "system_calls": parts.calls,
                                                     "memory_kib": parts.memory, "workers": parts.workers}, indent=1))
    (folder / "figures.md").write_text(text + "\n")
    (folder / "figures.html").write_text(to_html(parts, where, first, all_tables))
    print(text)


main(Path(sys.argv[1]), sys.argv[2], sys.argv[3].split(","))
