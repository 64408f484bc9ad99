"""The medians as a picture: a panel for each measure, a bar for each contender."""

from xml.sax.saxutils import escape

import report

SHOWN = "tcp1_gbit", "tcp4_gbit", "udp_pps", "rtt_p50_us", "tunnel_s_per_gb", "anonymous_mib"
COLOURS = {"wayleave": "#1f5fa8", "shuttle": "#d9e4ef"}
OTHER_COLOUR = "#9aa4ae"
INK, FAINT, PAPER = "#1c2329", "#66717c", "#ffffff"

MARGIN, GAP = 28, 36
PANEL_WIDTH = 470
LABEL_WIDTH, BAR_WIDTH, VALUE_END = 172, 172, 412
ROW, BAR = 26, 16
HEAD, FOOT = 78, 44
PANEL_HEAD, PANEL_FOOT = 30, 22


def draw(result):
    """The SVG's text."""
    columns = [column for column in report.COLUMNS if column[0] in SHOWN and _rows(result, column[0])]
    panel_height = PANEL_HEAD + ROW * len(result["contenders"]) + PANEL_FOOT
    width = 2 * MARGIN + 2 * PANEL_WIDTH + GAP
    height = HEAD + (len(columns) + 1) // 2 * panel_height + FOOT
    parts = [_text(MARGIN, 34, "wayleave beside other userspace WireGuards", size=20, weight=600)]
    parts.append(_text(MARGIN, 56, _subtitle(result), colour=FAINT))
    for index, column in enumerate(columns):
        x = MARGIN + index % 2 * (PANEL_WIDTH + GAP)
        parts += _panel(result, column, x, HEAD + index // 2 * panel_height)
    parts.append(_text(MARGIN, height - 20, _note(result), colour=FAINT))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' font-family="Helvetica, Arial, sans-serif" role="img">\n'
        f"<title>wayleave beside other userspace WireGuards</title>\n"
        f'<rect width="{width}" height="{height}" fill="{PAPER}"/>\n{body}\n</svg>\n'
    )


def _subtitle(result):
    mark = " · preliminary: the machine was not quiet" if result["is_preliminary"] else ""
    return f"{result['when'][:10]} · {result['cpus']} × {result['cpu']} · Linux {result['kernel']}{mark}"


def _note(result):
    titles = {name: entry["title"] for name, entry in result["contenders"].items()}
    base = titles.get(report.BASES[0])
    ratios = f" × is relative to {base}." if base else ""
    return f"Medians; the thin line goes from the least to the most.{ratios} Both ends, load and sink on the same CPUs."


def _rows(result, column):
    entries = ((name, entry, entry["measures"].get(column)) for name, entry in result["contenders"].items())
    return [(name, entry["title"], value) for name, entry, value in entries if value]


def _panel(result, column, x, y):
    name, title, pattern, is_more_better = column
    rows = _rows(result, name)
    most = max(value["max"] for _, _, value in rows) or 1
    parts = [
        _text(x, y + 16, title, size=14, weight=600),
        _text(x + PANEL_WIDTH, y + 16, "more is better" if is_more_better else "less is better", colour=FAINT, anchor="end"),
    ]
    for index, (contender, label, value) in enumerate(rows):
        share = report.ratio(result, name, contender, report.BASES[0])
        shown = pattern.format(value["median"]), f"{report.share_text(share)} ×" if share else ""
        parts += _bar(x, y + PANEL_HEAD + index * ROW, contender, label, value, most, shown)
    return parts


def _bar(x, y, contender, label, value, most, shown):
    left, middle = x + LABEL_WIDTH, y + BAR / 2
    low, median, high = (left + BAR_WIDTH * value[key] / most for key in ("min", "median", "max"))
    weight = 600 if contender == "wayleave" else 400
    colour = COLOURS.get(contender, OTHER_COLOUR)
    return [
        _text(left - 10, y + 13, label, anchor="end", weight=weight),
        f'<rect x="{left}" y="{y}" width="{max(median - left, 1):.1f}" height="{BAR}" fill="{colour}" stroke="{FAINT}" stroke-width="0.5"/>',
        f'<path d="M{low:.1f} {middle}H{high:.1f}M{low:.1f} {middle - 3}v6M{high:.1f} {middle - 3}v6" stroke="{INK}" fill="none"/>',
        _text(x + VALUE_END, y + 13, shown[0], anchor="end", weight=weight),
        _text(x + PANEL_WIDTH, y + 13, shown[1], anchor="end", weight=weight),
    ]


def _text(x, y, text, size=12, colour=INK, anchor="start", weight=400):
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{colour}" text-anchor="{anchor}"'
        f' xml:space="preserve">{escape(text)}</text>'
    )
