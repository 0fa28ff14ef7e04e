#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# run.sh - everything: on a bare Debian 12, install what is needed, build with both compilers, run all tests.
#
# Usage: tests/run.sh [ARGUMENTS OF CTEST...]      e.g. tests/run.sh -R unit/base
# CERTWRIGHT_BUILD_DIR: where to build (build/ci below the checkout).
# CERTWRIGHT_THREADS=1: what runs in threads once more, under ThreadSanitizer, which is a third build.
set -euo pipefail
cd "$(dirname "$0")/.."

build=${CERTWRIGHT_BUILD_DIR:-$PWD/build/ci}
jobs=$(nproc)
policy=/usr/sbin/policy-rc.d # says whether a package may start its server

packages=(
	# building
	build-essential clang libclang-rt-14-dev cmake ninja-build pkg-config ccache git
	libgnutls28-dev nettle-dev libgmp-dev libcurl4-gnutls-dev libyaml-dev libgit2-dev
	libinotifytools0-dev libsqlite3-dev libexpat1-dev libjansson-dev libunistring-dev zlib1g-dev
	# unit tests and lint
	check libsubunit-dev clang-format clang-tidy shellcheck mandoc bsdextrautils xxd python3 tzdata procps
	# the other side of integration tests
	gnutls-bin openssl openssh-server openssh-client nginx-light haproxy openjdk-17-jdk-headless
	libbcprov-java strace fcgiwrap ca-certificates curl
	# what is observed through its own door
	apache2-bin postfix dovecot-imapd dovecot-pop3d dovecot-managesieved vsftpd slapd postgresql-15
	mariadb-server-core prosody xrdp
)

as_root() {
	if ((EUID == 0)); then
		"$@"
	else
		sudo "$@"
	fi
}

install_missing() {
	local package missing=()
	for package in "${packages[@]}"; do
		if [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) != installed ]]; then
			missing+=("$package")
		fi
	done
	if ((${#missing[@]} == 0)); then
		return 0
	fi
	echo "run.sh: installing ${missing[*]}"
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=3 update
	# Servers are wanted as programs: nobody asked for a mail server on this machine.
	if [[ ! -e $policy ]]; then
		trap 'as_root rm -f "$policy"' EXIT
		printf '#!/bin/sh\nexit 101\n' | as_root install -m 0755 /dev/stdin "$policy"
	fi
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Acquire::Retries=3 --no-install-recommends install "${missing[@]}"
	if [[ -n $(trap -p EXIT) ]]; then
		as_root rm -f "$policy"
		trap - EXIT
	fi
}

# configure_and_build NAME "TARGET..." CMAKE-ARGUMENT...
configure_and_build() {
	local dir=$build/$1 targets
	read -ra targets <<<"$2"
	shift 2
	cmake -S . -B "$dir" -G Ninja -DWERROR=ON -DCMAKE_C_COMPILER_LAUNCHER=ccache "$@"
	ninja -C "$dir" -j "$jobs" "${targets[@]}"
}

# The tests of what runs in threads, once more under the sanitizer that sees threads.
threads() {
	local test tests=(unit_state_resolve unit_state_probe unit_keystores_ahead)
	configure_and_build threads "${tests[*]}" -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=Debug -DSANITIZE=thread
	for test in "${tests[@]}"; do
		"$build/threads/tests/$test"
	done
}

install_missing
# The second compiler sees the program; its tests run under the sanitizers of the first.
configure_and_build gcc certwright -DCMAKE_C_COMPILER=gcc -DCMAKE_BUILD_TYPE=Release
configure_and_build clang all -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=Debug -DSANITIZE=address,undefined
if [[ -n ${CERTWRIGHT_THREADS:-} ]]; then
	threads
fi

export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
cd "$build/clang"
# ctest has the last word: its summary is the end of the output, its status is ours.
exec ctest --output-on-failure -j2 "$@"
