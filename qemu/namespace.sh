# SPDX-License-Identifier: GPL-2.0-or-later
# A lab's namespaces: a network, a process and a mount namespace of its own (and a user
# namespace, where we are not root). Its first process keeps them; with it everything in the
# lab ends, whoever started it.
# Sourced after process.sh; $lab_dir is the lab's folder, $lab_run the one for its sockets.
# shellcheck shell=bash

LAB_ADDRESS=10.77.0.1
LAB_SITE_ADDRESS=10.77.0.2

# namespace_pid: the lab's first process, seen from outside
namespace_pid()
{
	process_pid "$lab_dir/holder"
}

# namespace_remember: makes $lab_run. Sockets need short names (they may have 107 bytes), which $BUILD may not give.
namespace_remember()
{
	lab_run=$(mktemp -d /tmp/vmcast-lab.XXXXXX)
	ln -s "$lab_run" "$lab_dir/run"
}

# namespace_forget: of a lab that is down
namespace_forget()
{
	[[ $lab_run != /tmp/vmcast-lab.* ]] || rm -rf "$lab_run"
	rm -f "$lab_dir/run" "$lab_dir/holder.ready"
}

# namespace_create: returns when the network is up
namespace_create()
{
	local user=() parent child i

	[[ $(id -u) -eq 0 ]] || user=(--user --map-root-user)
	setsid -- unshare "${user[@]}" --net --mount --propagation unchanged --pid --fork --kill-child \
		"$0" --lab "$lab" --hold </dev/null >"$lab_dir/holder.log" 2>&1 &
	parent=$!
	for ((i = 0; i < 100; i++)); do
		[[ ! -f $lab_dir/holder.ready ]] || break
		kill -0 "$parent" 2>/dev/null || break
		sleep 0.1
	done
	[[ -f $lab_dir/holder.ready ]] || die "no namespaces: $(tail -n 1 "$lab_dir/holder.log")"
	child=$(<"/proc/$parent/task/$parent/children")
	process_note "$lab_dir/holder" "${child% }"
}

# namespace_hold: the first process inside
namespace_hold()
{
	# Nothing mounted here is to show outside. In a chroot / is no mount point, and need not be: we only mount on /proc.
	mount --make-rprivate / 2>/dev/null || mount --make-rprivate /proc
	mount -t proc proc /proc
	ip link set lo up
	ip link add br0 type bridge
	ip address add "$LAB_ADDRESS/24" dev br0
	ip link set br0 up
	: >"$lab_dir/holder.ready"
	# As process 1, bash also buries whatever is left over in the lab.
	while :; do
		sleep 3600 &
		wait $!
	done
}

# namespace_enter COMMAND...: replaces this process
namespace_enter()
{
	local pid user=()

	pid=$(namespace_pid) || die "lab '$lab' is not up (\`qemu/lab up\` starts it)"
	[[ $(id -u) -eq 0 ]] || user=(--user --preserve-credentials)
	# A mount namespace's root is not ours where we run in a chroot: take the root of the lab's first process.
	exec nsenter --target "$pid" "${user[@]}" --net --mount --pid --root --wd=/ -- env --chdir="$PWD" "$@"
}

# namespace_destroy: the kernel ends every process inside when the first one goes
namespace_destroy()
{
	process_stop "$lab_dir/holder" KILL
	namespace_forget
}
