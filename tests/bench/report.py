"""The numbers as a table: medians with their spread, and ratios to two of the contenders."""

import datetime
import platform
import statistics

COLUMNS = [  # name, title, format, whether more is better
    ("tcp1_gbit", "TCP 1 stream, Gbit/s", "{:.2f}", True),
    ("tcp4_gbit", "TCP 4 streams, Gbit/s", "{:.2f}", True),
    ("udp_pps", "UDP 1200 B, packets/s", "{:,.0f}", True),
    ("rtt_p50_us", "idle RTT p50, us", "{:.0f}", False),
    ("rtt_p99_us", "idle RTT p99, us", "{:.0f}", False),
    ("tunnel_s_per_gb", "CPU s/GB, both ends", "{:.2f}", False),
    ("machine_s_per_gb", "CPU s/GB, whole machine", "{:.2f}", False),
    ("flood_gbit", "TCP 1 stream while flooded, Gbit/s", "{:.2f}", True),
    ("flood_elsewhere_gbit", "TCP 1 stream while another port is, Gbit/s", "{:.2f}", True),
    ("flood_share", "the first as a share of the second", "{:.2f}", True),
    ("flood_us", "CPU us for an initiation of a stranger", "{:.1f}", False),
    ("anonymous_mib", "RssAnon after load, MiB", "{:.1f}", False),
    ("resident_mib", "RSS after load, MiB", "{:.1f}", False),
]
BASES = "wireguard-go-bpo", "shuttle"
TCP_PAYLOAD = 1368  # of a packet of 1420 B: IPv4, TCP and its timestamps take 52


def turn_line(number, rounds, contender, values):
    shown = (f"{name} {pattern.format(values[name])}" for name, _, pattern, _ in COLUMNS if name in values)
    return f"round {number}/{rounds}  {contender.name:17} " + "  ".join(shown)


def result(found, missing, samples, crypto, quiet, disturbed, seconds):
    return {
        "when": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": _cpu_model(),
        "cpus": _cpu_count(),
        "kernel": platform.release(),
        "seconds": round(seconds),
        "waited": round(quiet.waited),
        "disturbed": disturbed,
        "is_preliminary": bool(disturbed or quiet.gave_up),
        "missing": missing,
        "contenders": {
            contender.name: {
                "title": contender.title,
                "version": contender.version,
                "measures": _summary(samples[contender.name]),
            }
            for contender in found
        },
        "crypto_ns": _summary(crypto),
    }


def _summary(turns):
    names = turns[0] if turns else ()
    columns = {name: [turn[name] for turn in turns] for name in names}
    return {
        name: {"median": statistics.median(values), "min": min(values), "max": max(values), "all": values}
        for name, values in columns.items()
    }


def ratio(result, column, name, base):
    """How many times as much as the base, or None."""
    try:
        values = [result["contenders"][key]["measures"][column]["median"] for key in (name, base)]
    except KeyError:
        return None
    return values[0] / values[1] if values[1] else None


def share_text(share):
    """Two decimals, and three where those would say little."""
    return f"{share:.2f}" if share >= 0.095 else f"{share:.3f}"


def text(result):
    lines = [
        f"{result['when']}, {result['cpus']} x {result['cpu']}, Linux {result['kernel']}; {result['seconds']} s",
        "Both ends, the load and its sink share these CPUs. Median (min..max)",
    ]
    lines += [f"  {entry['title']}: {entry['version']}" for entry in result["contenders"].values()]
    lines += [f"  {name} is missing: {reason}" for name, reason in result["missing"].items()]
    if result["is_preliminary"]:
        lines.append(f"PRELIMINARY: others used the machine during {result['disturbed']} measurements.")
    for column, title, pattern, is_more_better in COLUMNS:
        rows = _rows(result, column, pattern)
        if rows:
            lines += ["", f"{title} ({'more' if is_more_better else 'less'} is better)"] + rows
    lines += ["", "Encryption, ns per packet of 1420 B on one core"]
    for name, value in result["crypto_ns"].items():
        lines.append(f"  {name:26}{value['median']:10.0f}  ({value['min']:.0f}..{value['max']:.0f})")
    lines += _bound(result)
    return "\n".join(lines)


def _bound(result):
    """What a tunnel of this design must spend at least: the shuttle's work, and to seal and open each packet."""
    try:
        shuttle, wayleave = (result["contenders"][name]["measures"]["tunnel_s_per_gb"]["median"] for name in ("shuttle", "wayleave"))
    except KeyError:
        return []
    each = sum(result["crypto_ns"][f"chacha20-poly1305 {step}"]["median"] for step in ("seal", "open"))
    encryption = each / TCP_PAYLOAD  # ns a byte are s a GB
    return [
        "",
        "CPU s/GB, both ends, TCP with 1 stream",
        f"  shuttle {shuttle:.2f} + encryption {encryption:.2f} = {shuttle + encryption:.2f}; wayleave wg {wayleave:.2f}",
    ]


def markdown(result):
    """One row for each contender: medians, and below them the spread."""
    entries = result["contenders"].values()
    columns = [column for column in COLUMNS if all(column[0] in entry["measures"] for entry in entries)]
    lines = ["| | " + " | ".join(title for _, title, _, _ in columns) + " |", "|---|" + "---:|" * len(columns)]
    for entry in entries:
        cells = (_cell(entry["measures"][name], pattern) for name, _, pattern, _ in columns)
        lines.append(f"| {entry['title']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(value, pattern):
    median, low, high = (pattern.format(value[key]) for key in ("median", "min", "max"))
    return f"{median}<br>({low}..{high})"


def _rows(result, column, pattern):
    rows = []
    for name, entry in result["contenders"].items():
        value = entry["measures"].get(column)
        if not value:
            continue
        median, low, high = (pattern.format(value[key]) for key in ("median", "min", "max"))
        shares = (ratio(result, column, name, base) for base in BASES)
        shown = "".join(f"  {share_text(share):>6} x {base}" for share, base in zip(shares, BASES) if share and base != name)
        rows.append(f"  {entry['title']:26}{median:>10}  {f'({low}..{high})':22}{shown}")
    return rows


def _cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    return platform.machine()


def _cpu_count():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        return sum(line.startswith("processor") for line in file)
