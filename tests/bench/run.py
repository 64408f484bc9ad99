#!/usr/bin/python3
"""Compares `wayleave wg` with other userspace WireGuards and with a tunnel that does not encrypt.

Both ends run in two network namespaces of this machine, joined by a veth pair. The contenders take turns, round
after round, so that a noisy machine disturbs all of them alike. Needs root. docs/performance.md says more."""

import argparse
import json
import os
import signal
import sys
import time

import lab
import contenders
import measures
import picture
import report
from harness import Run
from harness.run import remove_leftovers


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = lambda text: [word for word in text.split(",") if word]  # noqa: E731
    parser.add_argument("--build", type=os.path.abspath, default=os.path.join(lab.ROOT, "build"), help="build folder")
    parser.add_argument("--contenders", type=names, default=list(contenders.NAMES), metavar="A,B", help=f"default: {','.join(contenders.NAMES)}")
    parser.add_argument("--only", type=names, default=list(measures.MEASURES), metavar="A,B", help=f"measures; default: {','.join(measures.MEASURES)}")
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--patience", type=float, default=120, metavar="SECONDS", help="how long to wait in all for a quiet machine; default: 120")
    parser.add_argument("--nice", type=int, default=0, metavar="N", help="negative: before other programs, which disturb less then; but also before the kernel's own network thread")
    parser.add_argument("--json", metavar="FILE", help="write every number there")
    parser.add_argument("--svg", metavar="FILE", help="draw the ratios there")
    parser.add_argument("--markdown", metavar="FILE", help="write the table there")
    parser.add_argument("--from", dest="earlier", metavar="FILE", help="measure nothing, but show what --json wrote")
    options = parser.parse_args()
    for given, known in (options.contenders, contenders.NAMES), (options.only, measures.MEASURES):
        unknown = set(given) - set(known)
        if unknown:
            parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return options


def one_turn(options, hosts, contender, turn, quiet):
    """The numbers of one contender in one round, and how many of them others disturbed."""
    ends = contender.start(hosts, turn)
    try:
        bench = measures.Bench(options.build, hosts, ends, quiet)
        return bench.run(options.only), bench.disturbed
    finally:
        for end in ends:
            end.stop(signal.SIGTERM)


def all_rounds(options, run, found, quiet):
    hosts = lab.lab(run)
    samples = {contender.name: [] for contender in found}
    crypto = []
    disturbed = turn = 0
    try:
        for number in range(options.rounds):
            for contender in found:
                turn += 1
                values, count = one_turn(options, hosts, contender, turn, quiet)
                samples[contender.name].append(values)
                disturbed += count
                print(report.turn_line(number + 1, options.rounds, contender, values), file=sys.stderr, flush=True)
            crypto.append(measures.crypto(options.build))
    finally:
        hosts[0].network.close()
    return samples, crypto, disturbed


def measure(options):
    if os.geteuid() != 0:
        sys.exit("run.py: network namespaces need root")
    found, missing = contenders.find(options.build, options.contenders)
    quiet = lab.Quiet(options.patience)
    remove_leftovers()
    run = Run()
    start = time.monotonic()
    try:
        with lab.priority(options.nice):
            samples, crypto, disturbed = all_rounds(options, run, found, quiet)
    finally:
        run.close()
    return report.result(found, missing, samples, crypto, quiet, disturbed, time.monotonic() - start)


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def write(path, text):
    if path:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    result = read(options.earlier) if options.earlier else measure(options)
    print(report.text(result))
    write(options.json, json.dumps(result, indent=1) + "\n")
    write(options.svg, picture.draw(result))
    write(options.markdown, report.markdown(result) + "\n")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
