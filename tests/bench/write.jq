# SPDX-License-Identifier: GPL-2.0-or-later
# The rows of tests/bench/write, $runs of them, and $sizes -> what it reports: medians, ratios and how far from the targets.
def median: sort | .[(length - 1) / 2 | floor];
def round2: . * 100 | round / 100;
def ratio($a; $b): if $a and $b and $b > 0 then $a / $b | round2 else null end;

# One word for all runs of a row: what went wrong in any of them.
def worst: (map(select(startswith("FAILED"))) + map(select(startswith("WRONG"))) + map(select(startswith("no,"))) + .)[0];

def measured($row): [$runs[] | select(.row == $row)] | if length == 0 then {} else
	{result: (map(.result) | worst)} + (map(select(.wall_s)) | if length == 0 then {} else
	{wall_s: (map(.wall_s) | median), cpu_s: (map(.cpu_s) | median), peak_bytes: (map(.peak_bytes) | max)} end) end;

def row($name): .[] | select(.row == $name and .wall_s);
def value(f): first(f) // null;
def list: if length == 0 then "none was run" else join(", ") end;

# The row that measures the same over this scheme.
def over($scheme): . + (if $scheme == "https" then "-https" else "" end);

# Ours and the others of one scheme, and the limits, which are without one if they do not use the network.
def targets($scheme):
	value(row("vmcast" | over($scheme))) as $ours |
	if $ours == null then [] else
	value(row("curl-zstd-dd" | over($scheme))) as $pipeline |
	([row("limit-download" | over($scheme)), row("limit-decompress"), row("limit-write")] | max_by(.wall_s)) as $limit |
	map(select(.scheme == $scheme and .wall_s and (.limit | not) and .row != $ours.row)) as $peers |
	def beside(f): [$peers[] | select(f) | "\(.row) \(ratio(.wall_s; $ours.wall_s))"] | list;
	def slowest: if $limit then "\(ratio($ours.wall_s; $limit.wall_s)) (\($limit.row))" else "none was run" end;
	["wall / slowest limit: \(slowest); target: at most 1.10",
	 "times slower, who verify: \(beside(.verifying)); target: at least 3",
	 "times slower, who do not: \(beside(.verifying | not)); target: more than 1",
	 "CPU / curl|zstd|dd: \(ratio($ours.cpu_s; $pipeline.cpu_s) // "not run"); target: at most 1",
	 "peak memory: \($ours.peak_bytes / 1048576 | round2) MiB; target: at most 32"] | map("\($scheme): \(.)") end;

map(. + if .skipped then {} else measured(.row) end) |
. as $rows |
def ours_over($scheme): value($rows | row("vmcast" | over($scheme)) | .wall_s);
{disk_bytes: $bytes, used_bytes: $used, target: $target, runs: $count, cpus: $cpus, kernel: $kernel,
 rows: map(. + {ratio: ratio(.wall_s; ours_over(.scheme))}),
 targets: ($rows | targets("http") + targets("https")), sizes: $sizes[0]}
