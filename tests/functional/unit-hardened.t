#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vmcastd.service: what systemd-analyze makes of it, printed, and no worse than it is. Most of what is left are the namespaces and
# mounts of the sandbox, the capabilities of dnsmasq, and the network.
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

limit=2.7
command -v systemd-analyze >/dev/null || skip_all "needs systemd-analyze"
sed 's|@PREFIX@|/usr|g' provisioner/vmcastd.service >"$work/vmcastd.service"
report=$(systemd-analyze security --no-pager --offline=yes "$work/vmcastd.service" 2>&1 || true)
exposure=$(sed -n 's/.*Overall exposure level for vmcastd.service: \([0-9.]*\).*/\1/p' <<<"$report")
diag "exposure: ${exposure:-none}: $(tail -1 <<<"$report")"
ok "its exposure is $limit at most" awk -v got="${exposure:-99}" -v limit="$limit" 'BEGIN { exit !(got <= limit) }'
done_testing
