#!/usr/bin/env bash
# The bad days of tools/setup.sh, tried in a bare Debian tree before anything is installed there
# (tools/try-plain-debian.sh): each must end with one sentence that says what to do, and change nothing.
set -euo pipefail
setup=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/tools/setup.sh
passed=0

# expect_failure NAME WORDS COMMAND...: COMMAND fails and its last line contains WORDS.
expect_failure() {
    local name=$1 words=$2 output status=0
    shift 2
    output=$("$@" 2>&1) || status=$?
    if ((status == 0)) || [[ $(tail -n 1 <<<"$output") != *"$words"* ]]; then
        printf 'FAILED %s (exit %d), expected: %s\n%s\n' "$name" "$status" "$words" "$output"
        exit 1
    fi
    printf 'ok %s\n   %s\n' "$name" "$(tail -n 1 <<<"$output")"
    passed=$((passed + 1))
}

# alone COMMANDS: in a mount namespace of its own, so that what they cover is uncovered after it.
alone() { unshare --mount bash -euc "$1"; }

as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups bash -c "$1"; }

elsewhere() { alone "printf 'ID=fedora\nVERSION_ID=40\n' >/tmp/os-release; mount --bind /tmp/os-release /etc/os-release; $setup"; }

# The free space of /var is what the set-up looks at: a small file system with the same content.
with_full_disk() { alone "cp -a /var /tmp/var; mount -t tmpfs -o size=200m tmpfs /var; cp -a /tmp/var/. /var/; rm -rf /tmp/var; $setup"; }

without_network() { unshare --net "$setup"; }

while_apt_is_used() {
    local held=/tmp/lock-is-held status=0 holder
    mkfifo "$held"
    perl -e 'use Fcntl; open(my $f, ">", "/var/lib/dpkg/lock-frontend");
        my $lock = pack("s s q q i", F_WRLCK, 0, 0, 0, 0);
        fcntl($f, F_SETLK, $lock) or die; print "held\n"; close(STDOUT); sleep 60' >"$held" &
    holder=$!
    read -r <"$held"
    WARREN_APT_WAIT_S=2 "$setup" || status=$?
    kill "$holder"
    rm "$held"
    return "$status"
}

after_an_interrupted_dpkg() {
    alone "cp -a /var/lib/dpkg /tmp/dpkg; mount -t tmpfs tmpfs /var/lib/dpkg; cp -a /tmp/dpkg/. /var/lib/dpkg/; rm -rf /tmp/dpkg
        sed -i '/^Package: make\$/,/^\$/s/^Status: .*/Status: install ok half-configured/' /var/lib/dpkg/status; $setup"
}

chmod a+rx /root # the clone lies there
mkdir -p /tmp
expect_failure 'a user who is not root' "Only root can install packages: run 'sudo" as_nobody "$setup test"
expect_failure 'another distribution' 'this is not Debian 12' elsewhere
expect_failure 'an unknown argument' "'tset' is not one of" "$setup" tset
expect_failure 'a full disk' 'MB are free in /var' with_full_disk
expect_failure 'an interrupted dpkg' "dpkg --configure -a" after_an_interrupted_dpkg
expect_failure 'apt in use' 'still uses apt' while_apt_is_used
expect_failure 'no network' 'no network' without_network
echo "$passed passed, 0 failed"
