#!/usr/bin/env bash
# Installs what Warren needs from Debian 12, and only what is missing: tools/setup.sh [test] [nodes] [bench] [lint] [dev]
#   (nothing)    what the build needs           lint  also clang-format, shellcheck
#   test         also npm, dnsmasq, git, etcd, nats-server, faketime, ip, nft, systemd-analyze, wrk, redis, python3, Node.js 18
#                and 20, headers of Node.js 20 to 26
#   nodes        also Node.js 22, 24 and 26     dev   also clang with its fuzzer, clang-tidy
#   bench        also npm, serf
#
# libnode comes by apt where apt agrees. Where another Node.js is installed apt refuses, because Debian's node-acorn
# wants Debian's nodejs; then Debian's packages are unpacked beside the system, in $libnode_dir, and that Node.js
# stays as it is: nothing is ever removed, replaced or put before it on the PATH. The servers that tests and benchmarks
# start, etcd, nats-server and serf, are unpacked in the same way, each into its own directory: their packages would start a
# service. So are the stock Node.js that tests run in, from npm, into $nodes_dir/MAJOR,
# and the C++ headers of later ones that the runtime is compiled with for a check, into $headers_dir/MAJOR.
set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
log=$root/build/setup.log
libnode_dir=/usr/local/lib/warren/libnode108
etcd_dir=/usr/local/lib/warren/etcd
nats_dir=/usr/local/lib/warren/nats
serf_dir=/usr/local/lib/warren/serf
nodes_dir=/usr/local/lib/warren/nodes
node_18=18.20.4 # the version of Debian's libnode: what test/compat compares with
node_20=20.20.2
later_nodes=(22.23.3 24.21.0 26.12.1)
headers_dir=/usr/local/lib/warren/headers
headers_of=(20.20.2 21.7.3 22.23.3 23.9.0 24.21.0 25.9.0 26.12.1)
wanted=("$@")

# libcmocka-dev and libmsgpack-dev are here and not under `test`: CMake configures the tests with the rest.
packages=(gcc g++ cmake ninja-build pkgconf libuv1-dev libprotobuf-c-dev protobuf-c-compiler libsodium-dev
    libjansson-dev libc-ares-dev libcurl4-openssl-dev libsqlite3-dev libssl-dev libzstd-dev uthash-dev libcmocka-dev libmsgpack-dev)
# The node-* packages have the JavaScript that Debian keeps outside of libnode (runtime/engine_builtin.cc reads it).
libnode_packages=(libnode108 libnode-dev node-acorn node-cjs-module-lexer node-undici)
libnode_libraries=(libbrotli1 libc-ares2 libicu72 libnghttp2-14 libssl3 zlib1g libuv1)

say() { printf 'setup %s\n' "$*"; }

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

# --- what is there --------------------------------------------------------------------------------------------------

# missing_packages NAME...: those that dpkg does not call installed, one a line.
missing_packages() {
    local installed
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p') || true
    comm -23 <(printf '%s\n' "$@" | sort -u) <(sort -u <<<"$installed")
}

has_etcd() {
    [[ -d $etcd_dir || -z $(missing_packages etcd-server) ]]
}

has_nats() {
    [[ -d $nats_dir || -z $(missing_packages nats-server) ]]
}

has_serf() {
    [[ -d $serf_dir || -z $(missing_packages serf) ]]
}

# need_nodes VERSION...: those that are not there.
need_nodes() {
    local version
    for version in "$@"; do
        [[ $(readlink "$nodes_dir/${version%%.*}") == "$version"/* ]] || nodes+=("$version")
    done
}

# need_headers: the versions whose headers are not there.
need_headers() {
    local version
    for version in "${headers_of[@]}"; do
        [[ $(readlink "$headers_dir/${version%%.*}") == "$version"/* ]] || headers+=("$version")
    done
}

has_libnode() {
    [[ -d $libnode_dir || -z $(missing_packages libnode-dev) ]]
}

choose_packages() {
    local set
    for set in "${wanted[@]}"; do
        case $set in
            test)
                packages+=(dnsmasq-base git redis-tools python3-cryptography python3-protobuf iproute2 libfaketime nftables systemd wrk)
                has_etcd || need_etcd=true
                has_nats || need_nats=true
                need_nodes "$node_18" "$node_20"
                need_headers
                ;;&
            bench) has_serf || need_serf=true ;;&
            nodes) need_nodes "${later_nodes[@]}" ;;&
            test | nodes | bench) command -v npm >/dev/null && command -v node >/dev/null || packages+=(npm) ;;
            lint) packages+=(clang-format shellcheck) ;;
            dev) packages+=(clang clang-tidy libclang-rt-14-dev) ;;
            *) fail "'$set' is not one of test, nodes, bench, lint, dev" ;;
        esac
    done
    mapfile -t missing < <(missing_packages "${packages[@]}")
}

# --- before anything is changed -------------------------------------------------------------------------------------

check_distribution() {
    local name
    # shellcheck source=/dev/null
    name=$(. /etc/os-release 2>/dev/null && echo "${ID-} ${VERSION_ID-}") || true
    [[ $name == 'debian 12' ]] && return
    fail "this is not Debian 12 but '${name:-unknown}': Warren is built and tested there only." \
        "To build it here, install by hand what Debian calls: ${packages[*]} libnode-dev (libnode 18)," \
        "then use CMake directly: cmake --preset release && cmake --build build"
}

check_root() {
    ((EUID == 0)) && return
    local what="${missing[*]}"
    $need_libnode && what="${what:+$what }libnode-dev"
    $need_etcd && what="${what:+$what }etcd-server"
    $need_nats && what="${what:+$what }nats-server"
    $need_serf && what="${what:+$what }serf"
    ((${#nodes[@]} == 0)) || what="${what:+$what }Node.js ${nodes[*]}"
    ((${#headers[@]} == 0)) || what="${what:+$what }headers of Node.js ${headers[*]}"
    fail "missing: $what. Only root can install packages: run 'sudo $root/tools/setup.sh ${wanted[*]}'" \
        "(or the same as root), then this again"
}

check_dpkg() {
    [[ -z $(dpkg --audit 2>/dev/null) ]] && return
    fail "an earlier package installation was interrupted: run 'dpkg --configure -a' as root, then this again"
}

# Measured on a bare Debian 12, with the downloaded packages: 650 MB for the build, 220 MB more for npm.
check_disk() {
    local need_mb=150 free_mb dir
    ((${#missing[@]} > 4)) && need_mb=700
    [[ " ${missing[*]} " != *' npm '* ]] || need_mb=$((need_mb + 250))
    need_mb=$((need_mb + 250 * ${#nodes[@]} + 10 * ${#headers[@]}))
    for dir in /usr /var; do
        free_mb=$(df -m --output=avail "$dir" | tail -n 1 | tr -d ' ')
        ((free_mb >= need_mb)) || fail "only $free_mb MB are free in $dir and about $need_mb MB are needed:" \
            "make room (apt-get clean may help), then run this again"
    done
}

# --- apt ------------------------------------------------------------------------------------------------------------

# apt's own waiting is silent and does not cover `update`; the kernel's list of locks tells who holds them.
wait_for_apt() {
    local lock holder='' waited=0
    while :; do
        holder=''
        for lock in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock; do
            [[ -e $lock ]] || continue
            holder=$(awk -v inode=":$(stat -c %i "$lock")\$" '$6 ~ inode { print $5; exit }' /proc/locks 2>/dev/null)
            [[ -z $holder ]] || break
        done
        [[ -n $holder ]] || return 0
        ((waited % 15)) || say "waits for process $holder ($(cat "/proc/$holder/comm" 2>/dev/null || echo '?')), which uses apt"
        ((waited < ${WARREN_APT_WAIT_S:-600})) || fail "process $holder still uses apt after $waited s: let it end, then run this again"
        sleep 1
        waited=$((waited + 1))
    done
}

apt() { # apt ARGS...: apt-get that neither asks nor removes; its words go to the log
    wait_for_apt
    apt-get -q -y --no-remove --no-install-recommends -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
        -o Acquire::Retries=2 "$@" >>"$log" 2>&1 </dev/null
}

# explain WHAT: says why apt failed, from the end of its log.
explain() {
    local words why="see $log"
    words=$(tail -n 60 "$log")
    case $words in
        *'No space left on device'* | *"don't have enough free space"*) why='the disk is full: make room, then run this again' ;;
        *'Temporary failure resolving'* | *'Could not resolve'* | *'Could not connect'* | *'Unable to connect'* | *'timed out'* | *'Network is unreachable'*)
            why='no network: the Debian mirror cannot be reached; connect this machine, then run this again' ;;
        *'Packages need to be removed'*) why="apt would have to remove packages, which this never does; install them by hand" ;;
        *'Unable to locate package'* | *'has no installation candidate'*)
            why="apt does not offer them: does /etc/apt name Debian 12 (bookworm, main), and does 'apt-get update' work?" ;;
        *'list of sources could not be read'*) why='apt cannot read its own list of sources: mend /etc/apt, then run this again' ;;
        *'dpkg was interrupted'*) why="run 'dpkg --configure -a' as root, then this again" ;;
        *'Could not get lock'*) why='another program uses apt: let it end, then run this again' ;;
    esac
    fail "$1 failed: $why (all that apt said: $log)"
}

# tick TEXT: a sign of life every 10 seconds until the script ends or untick.
tick() {
    (
        exec 9>&-
        trap 'kill "$!"; exit' TERM
        while sleep 10 & wait "$!"; do say "    ... ${SECONDS} s, $1"; done
    ) &
    ticker=$!
}
untick() {
    [[ -z ${ticker-} ]] || { kill "$ticker" && wait "$ticker"; } 2>/dev/null || true
    ticker=
}

# True when apt would bring libnode-dev and leave every installed package, and any Node.js, as it is.
apt_agrees_to_libnode() {
    local plan
    plan=$(apt-get -s --no-remove --no-install-recommends install libnode-dev 2>>"$log") || return
    ! grep -qE '^Remv |^Inst nodejs \[' <<<"$plan"
}

install_packages() { # install_packages NAME...
    tick installing
    apt install "$@" || explain "installing $*"
    untick
}

# --- packages beside the system --------------------------------------------------------------------------------------

# unpack DIR PACKAGE...: into a new directory that is then renamed: it is there whole or not at all.
unpack() {
    local dir=$1 temp=$1.new.$$ package
    shift
    mkdir -p "$temp/packages"
    (cd "$temp/packages" && apt download "$@") || explain "downloading $*"
    for package in "$temp"/packages/*.deb; do
        dpkg -x "$package" "$temp" >>"$log" 2>&1 || explain "unpacking $(basename "$package")"
    done
    rm -r "$temp/packages" "$temp/usr/share/doc"
    mv -T "$temp" "$dir"
}

# fetch_node VERSION: $nodes_dir/MAJOR/bin/node, which nothing else finds.
fetch_node() {
    local package dir=$nodes_dir/$1 temp=$nodes_dir/$1.new.$$
    package=node-linux-$(node -p process.arch)
    mkdir -p "$temp"
    npm install --prefix "$temp" --ignore-scripts --no-audit --no-fund --no-save "$package@$1" >>"$log" 2>&1 ||
        fail "npm cannot install $package@$1: can the npm registry be reached? (all that npm said: $log)"
    rm -rf "$dir"
    mv -T "$temp" "$dir"
    ln -sfn "$1/node_modules/$package" "$nodes_dir/${1%%.*}"
}

# fetch_headers VERSION: what includes <node.h> needs, in $headers_dir/MAJOR/include/node; of the same packages.
fetch_headers() {
    local package dir=$headers_dir/$1 temp=$headers_dir/$1.new.$$
    package=node-linux-$(node -p process.arch)
    mkdir -p "$temp"
    (cd "$temp" && npm pack --silent "$package@$1" && tar -xzf ./*.tgz --exclude='*/openssl/*' package/include/node && rm ./*.tgz) \
        >>"$log" 2>&1 || fail "npm cannot fetch $package@$1: can the npm registry be reached? (all that npm said: $log)"
    rm -rf "$dir"
    mv -T "$temp" "$dir"
    ln -sfn "$1/package" "$headers_dir/${1%%.*}"
}

check_libnode() {
    local broken
    [[ -d $libnode_dir ]] || return 0
    broken=$(ldd "$libnode_dir"/usr/lib/*/libnode.so.* | sed -n 's/^[[:space:]]*\(.*\) => not found.*/\1/p')
    [[ -z $broken ]] || fail "libnode does not find ${broken//$'\n'/, }: run 'apt-get install ${libnode_libraries[*]}' as root"
}

# --- the five steps -------------------------------------------------------------------------------------------------

cleanup() {
    untick
    rm -rf "$libnode_dir.new.$$" "$etcd_dir.new.$$" "$nats_dir.new.$$" "$serf_dir.new.$$" "$nodes_dir"/*".new.$$" "$headers_dir"/*".new.$$"
}

main() {
    local need_libnode=true need_etcd=false need_nats=false need_serf=false missing nodes=() headers=() from_apt=() version
    choose_packages
    has_libnode && need_libnode=false
    ((${#missing[@]} + ${#nodes[@]} + ${#headers[@]} == 0)) && ! $need_libnode && ! $need_etcd && ! $need_nats && ! $need_serf && return

    say '1/5 looking at the machine'
    check_distribution
    check_root
    trap cleanup EXIT
    trap 'fail "line $LINENO of $0 failed: see $log"' ERR
    mkdir -p "$root/build"
    : >"$log"
    chown --reference="$root" "$root/build" "$log" # under sudo, the tree stays its owner's
    exec 9>/run/lock/warren-setup.lock
    flock -n 9 || { say 'waits for another setup.sh'; flock 9; }
    check_dpkg
    check_disk

    say '2/5 reading the package lists'
    apt update || say "    the package lists could not all be renewed; trying with those at hand"

    apt-cache show libnode-dev >/dev/null 2>>"$log" || explain 'reading the package lists'
    if $need_libnode && apt_agrees_to_libnode; then
        from_apt=(libnode-dev)
        need_libnode=false
    elif $need_libnode; then
        mapfile -t from_apt < <(missing_packages "${libnode_libraries[@]}")
    fi
    from_apt=("${missing[@]}" "${from_apt[@]}")
    if ((${#from_apt[@]} > 0)); then
        say "3/5 installing ($SECONDS s): ${from_apt[*]}, and what these need"
        install_packages "${from_apt[@]}"
    else
        say "3/5 no package to install ($SECONDS s)"
    fi

    if $need_libnode; then
        say "4/5 unpacking Debian's libnode into $libnode_dir ($SECONDS s); the Node.js of this machine stays as it is"
        unpack "$libnode_dir" "${libnode_packages[@]}"
    else
        say "4/5 libnode is there ($SECONDS s)"
    fi
    if $need_etcd; then
        say "    unpacking etcd into $etcd_dir ($SECONDS s); no service is started"
        unpack "$etcd_dir" etcd-server
    fi
    if $need_nats; then
        say "    unpacking nats-server into $nats_dir ($SECONDS s); no service is started"
        unpack "$nats_dir" nats-server
    fi
    if $need_serf; then
        say "    unpacking serf into $serf_dir ($SECONDS s); no service is started"
        unpack "$serf_dir" serf
    fi
    for version in "${nodes[@]}"; do
        say "    fetching Node.js $version from npm into $nodes_dir ($SECONDS s)"
        fetch_node "$version"
    done
    for version in "${headers[@]}"; do
        say "    fetching the headers of Node.js $version from npm into $headers_dir ($SECONDS s)"
        fetch_headers "$version"
    done

    say "5/5 checking ($SECONDS s)"
    check_libnode
    apt check || explain 'apt-get check'
    say "done in $SECONDS s"
}

main
