#!/usr/bin/env python3
"""Turns the JSON objects of fapilog-bench into Markdown tables and SVG plots. No third-party packages.

usage: report.py DIR      reads DIR/*.json, writes DIR/summary.md and DIR/*.svg, prints the summary
"""

import json
import math
import pathlib
import statistics
import sys

# Okabe and Ito's palette, told apart by colour-blind readers; dashes and markers help further.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8B6F00", "#7F3C8D"]
DASHES = ["", "8 3", "2 3", "8 3 2 3"]

WIDTH, HEIGHT = 900, 520
LEFT, RIGHT, TOP, BOTTOM = 90, 190, 50, 70


def load(directory):
    runs = []
    for path in sorted(pathlib.Path(directory).glob("*.json")):
        try:
            runs.append(json.loads(path.read_text()))
        except ValueError as error:
            sys.exit(f"report.py: {path}: {error}")
    if not runs:
        sys.exit(f"report.py: {directory} holds no results")
    return runs


def key_of(run):
    return (run["mode"], run["shape"], run["producers"], run["kind"], run["on_full"])


def grouped(runs):
    """{what was measured: {peer: runs}}, peers in the order of their first run."""
    groups = {}
    for run in runs:
        groups.setdefault(key_of(run), {}).setdefault(run["peer"], []).append(run)
    return groups


def median(runs, *path):
    values = []
    for run in runs:
        value = run
        for name in path:
            value = value[name]
        values.append(value)
    return statistics.median(values)


def pings(runs):
    values = [p for run in runs for p in run["ping_ns"] if p > 0]
    return f"{min(values):.0f}-{max(values):.0f}" if values else "-"


def number(value):
    if value >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.3f}"


def lost(runs):
    logged = sum(run["logged"] for run in runs)
    missing = sum(run["lost"] for run in runs)
    return "0" if missing == 0 else f"{missing} of {logged}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


LATENCY = {"p50": 2, "p90": 10, "p99": 100, "p99.9": 1000, "p99.99": 10000, "max": 1}


def latency_figure(runs, name):
    """A percentile needs enough samples to lie beyond it."""
    if min(run["latency_ns"]["samples"] for run in runs) < LATENCY[name]:
        return "-"
    return number(median(runs, "latency_ns", name))


def ranked(peers, *path):
    return sorted(peers.items(), key=lambda item: median(item[1], *path))


def latency_table(peers):
    rows = [[peer] + [latency_figure(runs, name) for name in LATENCY] + [lost(runs), pings(runs)]
            for peer, runs in ranked(peers, "latency_ns", "p50")]
    return table(["peer"] + [name + " ns" for name in LATENCY] + ["lost", "ping ns"], rows)


def sustained_table(peers):
    rows = []
    for peer, runs in ranked(peers, "call_ns"):
        consumer = median(runs, "consumer_peak_kib") > 0
        delivered = median(runs, "delivered")
        rows.append([
            peer, number(median(runs, "call_ns")), number(median(runs, "records_per_second") / 1e6),
            number(median(runs, "producer_cpu_us_per_record")),
            number(median(runs, "consumer_cpu_us_per_record")) if consumer else "-",
            number(median(runs, "cpu_us_per_record")), number(median(runs, "producer_peak_kib") / 1024),
            number(median(runs, "consumer_peak_kib") / 1024) if consumer else "-",
            number(median(runs, "bytes_on_disk") / delivered) if delivered else "-",
            lost(runs), pings(runs)])
    return table(["peer", "ns a call", "M records/s to disk", "CPU s per M: producer", "consumer", "all",
                  "peak MiB: producer", "consumer", "bytes a record", "lost", "ping ns"], rows)


def kill_table(peers):
    rows = [[peer, f'{median(runs, "logged"):.0f}', " ".join(str(run["lost"]) for run in runs), pings(runs)]
            for peer, runs in ranked(peers, "lost")]
    return table(["peer", "logged", "lost in each round", "ping ns"], rows)


def idle_table(peers):
    rows = [[peer, f'{median(runs, "idle_cpu_percent"):.2f} %', pings(runs)]
            for peer, runs in ranked(peers, "idle_cpu_percent")]
    return table(["peer", "CPU while idle, of one core", "ping ns"], rows)


TABLES = {
    "batch": ("Latency: batches of {batch_calls} calls after a pause of {pause_us:.0f} us, mean of a batch",
              latency_table),
    "burst": ("Latency: single calls in bursts of {batch_calls} after a pause of {pause_us:.0f} us",
              latency_table),
    "sustained": ("Sustained: calls back to back until all is on disk", sustained_table),
    "kill": ("Survival: SIGKILL right after the last call", kill_table),
    "idle": ("Idle: nothing is logged", idle_table),
}


def summary(runs, groups):
    machine = runs[0]["machine"]
    out = ["# Comparison", "",
           f'{machine["cpus"]} x {machine["cpu"]}, {machine["kernel"]}, {machine["compiler"]}, clocksource '
           f'{machine["clocksource"]}, outputs on {runs[0]["output_fs"]}; '
           f'{runs[0]["time"]} to {runs[-1]["time"]}.',
           "Medians over the rounds. `ping` is the time of a cache line between two cores, lowest to highest",
           "met beside these runs: rows whose ranges do not overlap saw the machine in different states.", ""]
    for (mode, shape, producers, kind, on_full), peers in groups.items():
        title, make = TABLES[mode]
        first = next(iter(peers.values()))
        rounds = max(len(r) for r in peers.values())
        many = f" ({producers} {kind})" if producers > 1 else ""
        out += [f"## {title.format(**first[0])}{many}", "",
                f"Record: {shape}. Producers: {producers} ({kind}). When full: {on_full}. Rounds: {rounds}.",
                ""]
        out += make(peers) + [""]
    return "\n".join(out)


class Plot:
    peers = []  # of all plots, so that each keeps its colour

    def __init__(self, title, x_label, y_label, x_range, y_range, series):
        self.x_range, self.y_range = x_range, y_range  # y is logarithmic
        self.series = 0
        self.legend_step = min(22, (HEIGHT - TOP - BOTTOM - 10) / series)
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
            f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
            f'<text x="{LEFT}" y="28" font-size="17">{title}</text>',
            f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 20}" text-anchor="middle">{x_label}</text>',
            f'<text transform="translate(22 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" '
            f'text-anchor="middle">{y_label}</text>']

    def x(self, value):
        low, high = self.x_range
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        low, high = (math.log10(limit) for limit in self.y_range)
        value = math.log10(max(value, self.y_range[0]))
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    def grid_x(self, value, label):
        x = self.x(value)
        self.parts += [f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}" stroke="#ddd"/>',
                       f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{label}</text>']

    def grid_y(self, value, label):
        y = self.y(value)
        self.parts += [f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>',
                       f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>']

    def line(self, name, points):
        number_of_peer = Plot.peers.index(name)
        colour = COLOURS[number_of_peer % len(COLOURS)]
        dash = DASHES[number_of_peer % len(DASHES)]
        width = 3.5 if name.startswith("fapilog") else 1.8  # found again among many
        style = f'stroke="{colour}" stroke-width="{width}" fill="none"'
        style += f' stroke-dasharray="{dash}"' if dash else ""
        places = [(self.x(px), self.y(py)) for px, py in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        self.parts.append(f'<polyline points="{path}" {style}/>')
        if len(places) < 12:
            self.parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in places]
        legend, right = TOP + 10 + self.legend_step * self.series, WIDTH - RIGHT
        self.parts += [
            f'<line x1="{right + 15}" y1="{legend:.1f}" x2="{right + 50}" y2="{legend:.1f}" {style}/>',
            f'<text x="{right + 58}" y="{legend + 4:.1f}" font-size="{min(13, self.legend_step):.1f}">{name}</text>']
        self.series += 1

    def write(self, path):
        frame = (f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" '
                 f'height="{HEIGHT - TOP - BOTTOM}" fill="none" stroke="#333"/>')
        path.write_text("\n".join(self.parts + [frame, "</svg>"]) + "\n")


def log_grid(plot, low, high, label):
    for exponent in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        for step in (1, 2, 5):
            value = step * 10 ** exponent
            if low <= value <= high:
                plot.grid_y(value, label(value))


def time_label(ns):
    return f"{ns:g} ns" if ns < 1000 else f"{ns / 1000:g} us" if ns < 1e6 else f"{ns / 1e6:g} ms"


def median_curve(runs):
    """Nines on x, ns on y: the median of the rounds at each quantile."""
    curves = [run["latency_ns"]["curve"] for run in runs]
    points = []
    for k in range(min(len(c) for c in curves)):
        points.append((-math.log10(1 - curves[0][k][0]) if curves[0][k][0] < 1 else 0,
                       statistics.median(c[k][1] for c in curves)))
    return points


def plot_latency(directory, key, peers):
    mode, shape, producers, kind, _ = key
    curves = {peer: median_curve(runs) for peer, runs in peers.items()}
    values = [y for curve in curves.values() for _, y in curve]
    low = 10 ** math.floor(math.log10(max(min(values), 0.1)))
    high = 10 ** math.ceil(math.log10(max(values) * 1.01))
    nines = max(x for curve in curves.values() for x, _ in curve)
    calls = next(iter(peers.values()))[0]["batch_calls"]
    what = f"mean call of a {calls}-call batch after a pause" if mode == "batch" else "single call in a burst"
    plot = Plot(f"Latency, {what} ({shape}, {producers} {kind})", "percentile", "time of a call",
                (0, max(nines, 1)), (low, high), len(curves))
    log_grid(plot, low, high, time_label)
    for value, label in enumerate(["0", "90", "99", "99.9", "99.99", "99.999", "99.9999"]):
        if value <= nines:
            plot.grid_x(value, label)
    plot.grid_x(math.log10(2), "50")
    for peer, curve in sorted(curves.items(), key=lambda item: -item[1][-1][1]):
        plot.line(peer, curve)
    name = f"latency-{mode}-{shape}-{producers}-{kind}.svg"
    plot.write(directory / name)
    return name


def plot_throughput(directory, groups, kind, shape):
    """Records a second to disk over the number of producers."""
    series = {}
    for (mode, group_shape, producers, group_kind, _), peers in groups.items():
        if mode == "sustained" and (group_shape, group_kind) == (shape, kind):
            for peer, runs in peers.items():
                series.setdefault(peer, []).append((producers, median(runs, "records_per_second") / 1e6))
    if not series:
        return None
    counts = sorted({x for points in series.values() for x, _ in points})
    values = [y for points in series.values() for _, y in points if y > 0] or [1]
    low = 10 ** math.floor(math.log10(min(values)))
    high = 10 ** math.ceil(math.log10(max(values) * 1.01))
    plot = Plot(f"Throughput until all is on disk ({shape})", f"producers ({kind})",
                "million records a second", (counts[0] - 0.5, counts[-1] + 0.5), (low, high), len(series))
    log_grid(plot, low, high, lambda v: f"{v:g}")
    for count in counts:
        plot.grid_x(count, str(count))
    for peer, points in sorted(series.items(), key=lambda item: -max(item[1])[1]):
        plot.line(peer, sorted(points))
    name = f"throughput-{shape}-{kind}.svg"
    plot.write(directory / name)
    return name


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    directory = pathlib.Path(sys.argv[1])
    runs = sorted(load(directory), key=lambda run: run["time"])
    groups = grouped(runs)
    Plot.peers = sorted({run["peer"] for run in runs})
    plots = [plot_latency(directory, key, peers) for key, peers in groups.items()
             if key[0] in ("batch", "burst")]
    for kind, shape in sorted({(key[3], key[1]) for key in groups if key[0] == "sustained"}):
        plots.append(plot_throughput(directory, groups, kind, shape))
    text = summary(runs, groups) + "\n## Plots\n\n" + "\n".join(f"![{p}]({p})" for p in plots if p) + "\n"
    (directory / "summary.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
