#!/usr/bin/env bash
# How much CPU time `longshore validate` takes, next to a JSON Schema checker.
#
# Usage: benches/validate.sh
#
# Writes 1,000 manifests of about 500 lines into a temporary folder, made of the streams of
# tests/good/complete.yaml and no two alike, and measures the CPU time of the whole process (user
# and system; wall clock time does not count) for:
#
#   - `longshore validate` on all of them in one process, all rules on,
#   - `longshore validate` on one of them, start-up included,
#   - `check-jsonschema` (PyPI, installed into a virtual environment in the same folder) with
#     schema/manifest.schema.json on as many of them as CHECKER_FILES says, 20 unless told.
#     It checks the shape only, and no `format` of ours.
#
# Exit status: 1 if `longshore validate` takes more than 1.5 s for the 1,000 or more than 15 ms for
# the one (minimum of the runs), or if it finds anything in them; 0 otherwise.
#
# Variables: RUNS (5), CHECKER_FILES (20; 0 leaves the checker out), LONGSHORE (a release build is
# made if it is not set).
set -euo pipefail
cd "$(dirname "$0")/.."

runs=${RUNS:-5}
checker_files=${CHECKER_FILES:-20}
if [ -z "${LONGSHORE:-}" ]; then
    cargo build --release --quiet --bin longshore
    LONGSHORE=${CARGO_TARGET_DIR:-target}/release/longshore
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/manifests"

# The manifest up to its streams, then its streams again and again, each time under other names.
awk -v folder="$folder/manifests" -v lines=500 -v copies=1000 '
    /^[a-z]/ { in_streams = /^streams:/ }
    !in_streams { head[++heads] = $0; next }
    /^streams:/ { next }
    /^  [a-z_]+:$/ { streams++ }
    { body[streams] = body[streams] $0 "\n"; length_of[streams]++ }
    END {
        for (copy = 1; copy <= copies; copy++) {
            file = folder "/" copy ".yaml"
            names = ""
            all = "streams:\n"
            for (n = 0; heads + written < lines || n < streams; n++) {
                text = body[n % streams + 1]
                # The first of each keeps its name: other parts of the manifest name it.
                if (n >= streams) {
                    name = "again_" copy "_" n
                    sub(/^  [a-z_]+:/, "  " name ":", text)
                    names = names name ", "
                }
                # Other members in every copy: no text of it is that of another.
                gsub(/\$\.[A-Za-z]+/, "&_" copy, text)
                all = all text
                written += length_of[n % streams + 1]
            }
            for (n = 1; n <= heads; n++) {
                line = head[n]
                sub(/^id: .*/, "&_" copy, line)
                sub(/^  name: .*/, "& " copy, line)
                sub(/needed_by: \[users/, "needed_by: [" names "users", line)
                print line > file
            }
            printf "%s", all > file
            written = 0
            close(file)
        }
    }
' tests/good/complete.yaml
echo "1,000 manifests of $(wc -l < "$folder/manifests/1.yaml") lines, $(wc -c < "$folder/manifests/1.yaml") bytes each"

# CPU seconds of one run of a command, user and system together.
cpu() {
    local TIMEFORMAT='%U %S'
    if ! { time "$@" > "$folder/output" 2>&1; } 2> "$folder/time"; then
        head -n 20 "$folder/output" >&2
        return 1
    fi
    awk '{ printf "%.3f\n", $1 + $2 }' "$folder/time"
}

# Minimum and median of all runs of a command.
measure() {
    for _ in $(seq "$runs"); do cpu "$@" || return 1; done > "$folder/runs"
    sort -n "$folder/runs" | awk '{ all[NR] = $1 } END { print all[1], all[int((NR + 1) / 2)] }'
}

# One process lasts a few milliseconds, about as long as the clock is exact: 20 in a row are timed.
twenty_times() {
    for _ in $(seq 20); do "$@" || return 1; done
}

measured=$(measure "$LONGSHORE" validate --deny-warnings "$folder"/manifests/*.yaml)
read -r many median <<< "$measured"
echo "longshore validate, 1,000 manifests: $many s CPU (median $median s of $runs runs; at most 1.5 s)"
measured=$(measure twenty_times "$LONGSHORE" validate --deny-warnings "$folder/manifests/1.yaml")
read -r one median < <(awk '{ printf "%.2f %.2f\n", $1 * 50, $2 * 50 }' <<< "$measured")
echo "longshore validate, one manifest: $one ms CPU (median $median ms of $runs times 20 runs; at most 15 ms)"

if [ "$checker_files" -gt 0 ]; then
    python3 -m venv "$folder/venv"
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check check-jsonschema
    checker=("$folder/venv/bin/check-jsonschema" --schemafile schema/manifest.schema.json)
    files=()
    for n in $(seq "$checker_files"); do files+=("$folder/manifests/$n.yaml"); done
    several=$(cpu "${checker[@]}" "${files[@]}")
    one_checked=$(cpu "${checker[@]}" "${files[0]}")
    version=$("$folder/venv/bin/check-jsonschema" --version)
    echo "$version, one manifest: $one_checked s CPU; $checker_files manifests: $several s CPU (one run each)"
    awk -v several="$several" -v one="$one_checked" -v files="$checker_files" 'files > 1 {
        each = (several - one) / (files - 1)
        printf "which makes %.0f s for 1,000, reckoned from these: they were not all checked\n", one + 999 * each
    }'
fi

awk -v many="$many" -v one="$one" 'BEGIN { exit many > 1.5 || one > 15 }' || {
    echo "too slow" >&2
    exit 1
}
