#!/bin/sh
# Puts the Glim agent on this host, or brings it up to date. A Glim server fills in where it is
# and what its program must look like, and serves this script as /install.sh:
#
#   curl -fsSL URL/install.sh | sudo GLIM_KEY=... sh -s -- --service NAME
#
# Everything is in functions that the last line calls, so that half a script does nothing.
set -eu

url='@URL@'
sha256='@SHA256@'

prefix=${GLIM_PREFIX:-/usr/local}
program=$prefix/bin/glim
conf_dir=/etc/glim
unit=/etc/systemd/system/glim-agent.service
pid_file=/run/glim-agent.pid
log_file=/var/log/glim-agent.log

say() {
	printf 'glim: %s\n' "$*"
}

die() {
	printf 'glim: %s\n' "$*" >&2
	exit 1
}

usage() {
	cat <<-END
	usage: install.sh --service NAME [--no-systemd]
	       install.sh --uninstall

	  --service NAME  what this host's profiles are shown under
	  --no-systemd    run in the background without systemd
	  --uninstall     stop the agent and remove everything that was installed

	The API key (scope: ingest) comes from the environment: GLIM_KEY. A host that has
	its key already needs none. GLIM_PREFIX (default /usr/local) is where bin/glim goes.
	END
}

have() {
	command -v "$1" >/dev/null 2>&1
}

# fetch URL FILE
fetch() {
	if have curl; then
		curl -fsSL --retry 3 --connect-timeout 10 -o "$2" "$1"
	else
		wget -q -T 30 -O "$2" "$1"
	fi
}

check_host() {
	[ "$(id -u)" = 0 ] || die "this must run as root: put sudo before sh"
	[ "$(uname -s)" = Linux ] || die "the agent runs on Linux only"
	case $(uname -m) in
	x86_64 | amd64) ;;
	*) die "there is no program for $(uname -m) yet, only for x86_64" ;;
	esac
}

check_service() {
	case $1 in
	'') die "--service NAME is missing" ;;
	*[!A-Za-z0-9._-]*) die "the name of a service is made of A-Z a-z 0-9 . _ -" ;;
	esac
	[ "${#1}" -le 64 ] || die "the name of a service has at most 64 characters"
}

# The key is never an argument of a program: others could read it there.
save_key() {
	if [ -n "${GLIM_KEY:-}" ]; then
		(umask 077 && printf '%s\n' "$GLIM_KEY" >"$conf_dir/key.new")
		mv "$conf_dir/key.new" "$conf_dir/key"
	fi
	[ -s "$conf_dir/key" ] || die "GLIM_KEY is missing: make a key of scope ingest on the server's page"
}

save_conf() {
	printf '%s\n' "# Made by $url/install.sh; glim help agent lists all options." \
		"server = $url" "service = $1" "key-file = $conf_dir/key" >"$conf_dir/agent.conf"
}

# Download beside the place where the program goes, check, then take that place at once.
install_program() {
	have sha256sum || die "sha256sum is missing: install coreutils"
	mkdir -p "$prefix/bin"
	new=$program.new
	trap 'rm -f "$new"' EXIT
	say "getting the program from $url"
	fetch "$url/download/glim-linux-x86_64" "$new" || die "no program could be had from $url: is the server up, and can this host reach it?"
	printf '%s  %s\n' "$sha256" "$new" | sha256sum -c - >/dev/null 2>&1 ||
		die "the program is damaged, or not the one that the server promised: nothing was changed"
	chmod 755 "$new"
	"$new" --version >/dev/null || die "the program does not run on this host"
	mv "$new" "$program"
	trap - EXIT
}

write_unit() {
	cat >"$unit" <<-END
	[Unit]
	Description=Glim agent: shows where this host spends its time
	After=network-online.target
	Wants=network-online.target

	[Service]
	ExecStart=$program agent --config $conf_dir/agent.conf
	Restart=always
	RestartSec=5
	Nice=-10
	MemoryMax=512M
	OOMScoreAdjust=500
	LimitMEMLOCK=infinity
	# CAP_SYS_ADMIN is for kernels before 5.8, which know neither CAP_BPF nor CAP_PERFMON.
	CapabilityBoundingSet=CAP_BPF CAP_PERFMON CAP_SYS_PTRACE CAP_DAC_READ_SEARCH CAP_SYSLOG CAP_CHECKPOINT_RESTORE CAP_SYS_RESOURCE CAP_SYS_ADMIN
	NoNewPrivileges=yes
	ProtectSystem=strict
	CacheDirectory=glim
	ProtectHome=read-only
	RuntimeDirectory=glim
	RuntimeDirectoryPreserve=yes
	RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
	RestrictNamespaces=yes
	LockPersonality=yes
	SystemCallArchitectures=native

	[Install]
	WantedBy=multi-user.target
	END
}

start_systemd() {
	write_unit
	systemctl daemon-reload
	systemctl enable glim-agent.service >/dev/null 2>&1
	systemctl restart glim-agent.service
	say "the agent runs; its log: journalctl -u glim-agent"
}

# Is the process of the pid file our agent? Numbers of processes are used again.
running() {
	[ -s "$pid_file" ] || return 1
	pid=$(cat "$pid_file")
	case $pid in
	'' | *[!0-9]*) return 1 ;;
	esac
	[ -r "/proc/$pid/cmdline" ] && tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q 'glim agent'
}

stop_background() {
	if running; then
		kill "$pid" 2>/dev/null || true
		waited=0
		while running && [ "$waited" -lt 100 ]; do
			sleep 0.1
			waited=$((waited + 1))
		done
		running && kill -9 "$pid" 2>/dev/null
	fi
	rm -f "$pid_file"
}

start_background() {
	stop_background
	nohup "$program" agent --config "$conf_dir/agent.conf" >>"$log_file" 2>&1 </dev/null &
	pid=$!
	echo "$pid" >"$pid_file"
	# One that cannot work ends at once, with the reason in its log.
	sleep 1
	if ! running; then
		rm -f "$pid_file"
		tail -n 5 "$log_file" >&2
		die "the agent ended at once; its log: $log_file"
	fi
	say "the agent runs as process $pid; its log: $log_file"
}

has_systemd() {
	[ -d /run/systemd/system ] && have systemctl
}

uninstall() {
	if has_systemd && [ -e "$unit" ]; then
		systemctl disable --now glim-agent.service >/dev/null 2>&1 || true
		rm -f "$unit"
		systemctl daemon-reload
	fi
	stop_background
	rm -f "$program" "$log_file" "$conf_dir/key" "$conf_dir/agent.conf"
	rmdir "$conf_dir" 2>/dev/null || true
	say "the agent and its files are gone"
}

install_agent() {
	check_service "$1"
	have curl || have wget || die "neither curl nor wget is here: install one of them"
	mkdir -p "$conf_dir"
	chmod 755 "$conf_dir"
	save_key
	install_program
	save_conf "$1"
	if [ "$2" = yes ] && has_systemd; then
		stop_background
		start_systemd
	else
		start_background
	fi
	say "service $1: $url"
}

main() {
	service='' systemd=yes action=install
	while [ $# -gt 0 ]; do
		case $1 in
		--service)
			[ $# -ge 2 ] || die "--service needs a name"
			service=$2
			shift
			;;
		--service=*) service=${1#--service=} ;;
		--no-systemd) systemd=no ;;
		--uninstall) action=uninstall ;;
		-h | --help)
			usage
			exit 0
			;;
		*)
			usage >&2
			die "there is no option $1"
			;;
		esac
		shift
	done
	check_host
	if [ "$action" = uninstall ]; then
		uninstall
	else
		install_agent "$service" "$systemd"
	fi
}

main "$@"
