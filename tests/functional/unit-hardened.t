#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The units of systemd: what systemd-analyze makes of each service, printed, and 2.0 at most. Most of what is left of vmcastd.service
# are the network and the capabilities of dnsmasq; of vmcast-sandbox@.service the namespaces and mounts of the sandbox.
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

limit=2.0
command -v systemd-analyze >/dev/null || skip_all "needs systemd-analyze"
for unit in provisioner/*.service; do
	# A template is looked at as one of its instances.
	name=$(basename "${unit/@./@1.}")
	sed 's|@PREFIX@|/usr|g' "$unit" >"$work/$name"
	report=$(systemd-analyze security --no-pager --offline=yes "$work/$name" 2>&1 || true)
	exposure=$(sed -n "s/.*Overall exposure level for $name: \([0-9.]*\).*/\1/p" <<<"$report")
	diag "exposure of $name: ${exposure:-none}: $(tail -1 <<<"$report")"
	ok "the exposure of $name is $limit at most" awk -v got="${exposure:-99}" -v limit="$limit" 'BEGIN { exit !(got <= limit) }'
done
done_testing
