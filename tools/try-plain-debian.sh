#!/usr/bin/env bash
# Proves that Warren works from nothing: makes a bare Debian 12 tree, copies a clone of this repository into it and
# runs there, as root: the set-up's bad days, `make demo`, `make test`, `apt-get check`.
#   tools/try-plain-debian.sh [--setup-only] [--keep]
#   tools/try-plain-debian.sh [--keep] -- COMMAND...      runs COMMAND in the clone instead
#
# Everything is mounted in a mount namespace of its own, which ends with the last process in it: nothing to unmount,
# whatever happens. Package sources, name servers and certificates are this machine's.
# shellcheck disable=SC2016,SC2317 # apt's own $(NAME) formats; functions that a trap or unshare calls
set -euo pipefail
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
keep=false
command=(bash -c 'test/plain-debian/setup_failures.sh && make demo && make test && apt-get check')

fail() {
    printf 'try-plain-debian: %s\n' "$*" >&2
    exit 1
}

while (($#)); do
    case $1 in
        --setup-only) command=(bash -c 'test/plain-debian/setup_failures.sh && tools/setup.sh test bench && time tools/setup.sh test bench && apt-get check') ;;
        --keep) keep=true ;;
        --)
            shift
            command=("$@")
            break
            ;;
        *) fail "unknown option '$1' (--setup-only, --keep, -- COMMAND...)" ;;
    esac
    shift
done

((EUID == 0)) || fail "this needs root (debootstrap and chroot): run 'sudo $0'"
command -v debootstrap >/dev/null || fail "debootstrap is missing: run 'apt-get install debootstrap'"

tree=$(mktemp -d /var/tmp/warren-debian.XXXXXX)
chmod 755 "$tree"
cleanup() {
    if $keep; then echo "try-plain-debian: kept $tree"; else rm -rf --one-file-system "$tree"; fi
}
trap cleanup EXIT

mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' | head -n 1)
[[ -n $mirror ]] || fail "this machine's apt has no bookworm source to take the packages from"

make_tree() {
    echo "try-plain-debian: making $tree"
    debootstrap --variant=minbase --include=ca-certificates,make bookworm "$tree" "$mirror" >"$tree.log" 2>&1 ||
        { tail -n 20 "$tree.log"; fail "debootstrap failed"; }
    rm "$tree.log"
    chroot "$tree" apt-get clean
    # Only Debian's own sources: another vendor's Node.js is just what must not be there.
    rm -f "$tree/etc/apt/sources.list"
    apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' \
        >"$tree/etc/apt/sources.list"
    cp -L /etc/resolv.conf /etc/hosts "$tree/etc/"
    cp -L /etc/ssl/certs/ca-certificates.crt "$tree/etc/ssl/certs/"
    if compgen -G '/etc/apt/apt.conf.d/*proxy*' >/dev/null; then
        cp /etc/apt/apt.conf.d/*proxy* "$tree/etc/apt/apt.conf.d/"
    fi
    git clone -q --no-hardlinks "$root" "$tree/root/warren"
}

# Runs inside the new mount and process namespaces.
enter_tree() {
    mount --bind "$tree" "$tree" # so that the tree is a mount point, as chroot programs expect of /
    mount -t proc proc "$tree/proc"
    mount -t tmpfs -o mode=755 tmpfs "$tree/dev"
    mkdir "$tree/dev/pts" "$tree/dev/shm"
    local device
    for device in null zero full random urandom tty; do
        touch "$tree/dev/$device"
        mount --bind "/dev/$device" "$tree/dev/$device"
    done
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$tree/dev/pts"
    ln -s pts/ptmx "$tree/dev/ptmx"
    ln -s /proc/self/fd "$tree/dev/fd"
    mount -t tmpfs -o mode=1777 tmpfs "$tree/dev/shm"
    # The caller's proxy and certificate settings and nothing else of its environment.
    local name settings=()
    for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
        [[ -z ${!name-} ]] || settings+=("$name=${!name}")
    done
    exec env -i HOME=/root TERM="${TERM-dumb}" LANG=C.UTF-8 \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt "${settings[@]}" \
        chroot "$tree" /bin/bash -c 'cd /root/warren && exec "$@"' bash "${command[@]}" </dev/null
}

make_tree
export tree
export -f enter_tree
status=0
unshare --mount --pid --fork --kill-child bash -c "$(declare -p command); enter_tree" || status=$?
((status == 0)) && echo "try-plain-debian: passed" || echo "try-plain-debian: failed with $status" >&2
exit "$status"
