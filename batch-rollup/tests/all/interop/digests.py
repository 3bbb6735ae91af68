"""Reads the digests of an exported rollup as their public description says, knowing nothing of the code that wrote them, and compares their quantiles
with the exact ones of the exported samples.

    digests.py EXPORT

No package of PyPI or npm reads Trino's bytes (those of Presto and Velox are others), so the reader is this one: little-endian; a byte 0; min, max,
compression and total weight as 64-bit floats; the number of centroids as a 32-bit integer; their means, ascending; their weights. A quantile is found
as in every t-digest: by the middles of the centroids, with the extremes at the ends.
"""

import json
import struct
import sys

import numpy
import pyarrow.compute as pc
import pyarrow.dataset as ds

QUANTILES = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999]


class Digest:
    def __init__(self, raw):
        tag, self.least, self.greatest, self.compression, self.total, count = struct.unpack_from("<bddddi", raw)
        assert tag == 0, tag
        assert self.compression >= 10, self.compression
        assert len(raw) == 37 + 16 * count, (len(raw), count)
        self.means = numpy.frombuffer(raw, "<f8", count, 37)
        self.weights = numpy.frombuffer(raw, "<f8", count, 37 + 8 * count)
        assert (numpy.diff(self.means) >= 0).all()
        assert self.weights.sum() == self.total
        assert self.least <= self.means[0] and self.means[-1] <= self.greatest

    def quantile(self, q):
        return quantile(self.means, self.weights, self.least, self.greatest, q)


def quantile(means, weights, least, greatest, q):
    middles = numpy.cumsum(weights) - weights / 2
    places = numpy.concatenate([[0], middles, [weights.sum()]])
    values = numpy.concatenate([[least], means, [greatest]])
    return numpy.interp(q * weights.sum(), places, values)


def merged_quantile(digests, q):
    means = numpy.concatenate([digest.means for digest in digests])
    weights = numpy.concatenate([digest.weights for digest in digests])
    order = numpy.argsort(means, kind="stable")
    least, greatest = min(digest.least for digest in digests), max(digest.greatest for digest in digests)
    return quantile(means[order], weights[order], least, greatest, q)


def error(ordered, answer, q):
    """How far an answer is off: as a share of all values in rank, or in value, whichever is less. Where many values are equal, no rank between
    them can be hit; where none are, no value."""
    low = numpy.searchsorted(ordered, answer, "left") / len(ordered)
    high = numpy.searchsorted(ordered, answer, "right") / len(ordered)
    exact = numpy.quantile(ordered, q)
    return min(max(low - q, q - high, 0), abs(answer - exact) / exact)


def main(export):
    samples = ds.dataset(f"{export}/samples", partitioning="hive").to_table()
    samples = samples.filter(pc.and_(pc.is_valid(samples["rtt_us"]), pc.equal(samples["outcome"], "answered"))).to_pandas()
    samples["hour"] = samples["ts"].dt.floor("h")
    series = ["source", "target", "family"]
    exact = {key: numpy.sort(group.to_numpy()) for key, group in samples.groupby([*series, "hour"])["rtt_us"]}
    of_series = {key: numpy.sort(group.to_numpy()) for key, group in samples.groupby(series)["rtt_us"]}
    rollup = ds.dataset(f"{export}/rollup_1h", partitioning="hive").to_table().to_pandas()
    hourly, merged, parts, sketched = 0.0, 0.0, {}, 0
    for row in rollup.to_dict("records"):
        key = tuple(row[name] for name in series)
        digest, values = Digest(row["digest"]), exact[(*key, row["hour"])]
        assert digest.total == row["received"] == len(values), (digest.total, row["received"], len(values))
        assert (digest.least, digest.greatest) == (values[0], values[-1]) == (row["min_us"], row["max_us"])
        sketched += len(digest.means) < len(set(values))
        hourly = max([hourly, *(error(values, digest.quantile(q), q) for q in QUANTILES)])
        parts.setdefault(key, []).append(digest)
    for key, digests in parts.items():
        merged = max([merged, *(error(of_series[key], merged_quantile(digests, q), q) for q in QUANTILES)])
    return {"digests": len(rollup), "sketched": sketched, "series": len(parts), "hourly": hourly, "merged": merged}


print(json.dumps(main(sys.argv[1]), default=float))
