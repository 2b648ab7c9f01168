"""Reads a log of histograms with the Python package hdrhistogram and prints what it finds as JSON.

Usage: read_log.py LOG
Per tag: intervals, n, and the values at some shares and at the end, in ns. A percentile is asked for by its rank,
ceil(share * n): the package rounds ranks, others do not, and both mean the same value then.
"""

import json
import math
import sys

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}


def main(path):
    reader = HistogramLogReader(path, HdrHistogram(1, 60_000_000_000, 3))
    sums, intervals = {}, {}
    while (interval := reader.get_next_interval_histogram()) is not None:
        tag = interval.get_tag() or ""
        intervals[tag] = intervals.get(tag, 0) + 1
        if tag in sums:
            sums[tag].add(interval)
        else:
            sums[tag] = interval
    found = {}
    for tag, histogram in sums.items():
        n = histogram.get_total_count()
        found[tag] = {"intervals": intervals[tag], "n": n, "max_ns": histogram.get_max_value()}
        for name, share in SHARES.items():
            rank = math.ceil(share * n)
            found[tag][name + "_ns"] = histogram.get_value_at_percentile(100.0 * rank / n)
    print(json.dumps(found))


main(sys.argv[1])
