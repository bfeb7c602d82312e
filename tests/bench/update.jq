# SPDX-License-Identifier: GPL-2.0-or-later
# The runs of tests/bench/update, $runs, and what is known of each pair, $limits -> what it reports, with how far the best of
# ours is from the targets.
def percent($whole): . / $whole * 1000 | round / 10;
def best: map(select(.right)) | min_by(.fetched_bytes);

def target_of_same: . as $pair | .ours as $ours |
	"same image: \($ours.fetched_bytes | percent($pair.full_bytes)) % fetched, " +
	"\($ours.wall_s / $pair.read_s * 100 | round / 100) x the time of one read; targets: under 1 %, 1";

def target_of_package: . as $pair | .ours as $ours |
	"one package added: \($ours.fetched_bytes | percent($pair.full_bytes)) % fetched, " +
	"\(if $ours.written_bytes then $ours.written_bytes | percent($pair.data_bytes) else "?" end) % written; targets: at most 15 %";

def target_of_peers: . as $pair | .ours as $ours | (.rows | map(select(.row | startswith("vmcast") | not)) | best) as $peer |
	if $peer == null then empty else
	"\(.pair): fetched / \($peer.row) \($ours.fetched_bytes / $peer.fetched_bytes * 100 | round / 100); target: at most 1.1" end;

[$limits[] | . as $pair | . + {rows: [$runs[] | select(.pair == $pair.pair) | del(.pair)]} |
	. + {ours: (.rows | map(select(.row | startswith("vmcast"))) | best)}] |
{pairs: map(del(.ours)),
 targets: map(select(.ours) |
	(if .pair == "same" then target_of_same elif .pair == "package" then target_of_package else empty end), target_of_peers)}
