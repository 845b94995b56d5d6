#!/usr/bin/env bash
# Simulates COUNT seeds from FROM on with each simulator of the build: tools/seeds.sh COUNT [FROM]. A part of them at a
# time, on all cores; a line tells each part that is done. A seed that breaks a rule ends it, and comes with the command
# that replays it.
set -euo pipefail
count=$1 from=${2:-1}
[[ $count =~ ^[1-9][0-9]{0,8}$ && $from =~ ^[0-9]{1,15}$ ]] || {
    printf 'make seeds: N is a count from 1 up and FROM the first seed, not "%s" and "%s"\n' "$count" "$from" >&2
    exit 2
}
cd "$(dirname "${BASH_SOURCE[0]}")/../build/bin"

run_part() { # SIMULATOR FROM COUNT
    if said=$("./$1" --seeds "$2" "$3"); then
        printf '%-12s %8d to %8d: %s\n' "$1" "$2" $(($2 + $3 - 1)) "$said"
    else
        printf '%s\n' "$said" | sed 's|^replay: |replay: build/bin/|'
        return 255 # xargs begins nothing more
    fi
}
export -f run_part

part=$((count / 20 < 50 ? 50 : count / 20 > 1000 ? 1000 : count / 20))
for ((done = 0; done < count; done += part)); do
    for simulator in registry_sim cluster_sim sim supervisor_sim rollout_sim deploy_sim; do
        echo "$simulator $((from + done)) $((count - done < part ? count - done : part))"
    done
done | xargs -P "$(nproc)" -L 1 bash -c 'run_part "$@"' run_part
printf 'seeds %d to %d of each simulator: every rule held\n' "$from" $((from + count - 1))
