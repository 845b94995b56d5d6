#!/usr/bin/env bash
# Runs one fuzzer: tools/fuzz.sh SECONDS SEED BINARY (seed 0: another one each time). Its corpus is
# test/fuzz/corpus/NAME; what it adds is kept beside the build, and so is an input that crashes, hangs, or takes much
# memory.
set -euo pipefail
seconds=$1 seed=$2 fuzzer=$3
[[ $seconds =~ ^[1-9][0-9]{0,6}$ && $seed =~ ^[0-9]{1,9}$ ]] || {
    printf 'make fuzz: TIME is seconds from 1 up and SEED a number, not "%s" and "%s"\n' "$seconds" "$seed" >&2
    exit 255 # xargs begins nothing more
}
name=${fuzzer##*/}
build=$(dirname "$(dirname "$fuzzer")")
log=$build/$name.log
mkdir -p "$build/new/$name"
if ! "$fuzzer" -max_total_time="$seconds" -seed="$seed" -timeout=10 -malloc_limit_mb=64 -rss_limit_mb=1024 -print_final_stats=1 \
    -artifact_prefix="$build/new/$name." "$build/new/$name" "test/fuzz/corpus/$name" >"$log" 2>&1; then
    grep -avE '^#[0-9]|NEW_FUNC' "$log" | tail -n 40
    printf 'fuzz/%s FAILED; replay: %s %s\n' "$name" "$fuzzer" "$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)"
    exit 1
fi
awk -v name="$name" '
    / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") cov = $(i + 1) }
    /number_of_executed_units/ { runs = $2 }
    /peak_rss_mb/ { rss = $2 }
    END { printf "fuzz/%s: %d inputs, %d edges, %d MiB at most\n", name, runs, cov, rss }' "$log"
