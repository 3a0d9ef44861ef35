#!/usr/bin/env bash
# Fuzzes the loader, the validator, the decoders, the time formats and what answers say in headers, each for the given
# number of seconds (default 1800), starting from the manifests, rule examples and recorded responses of the
# repository. Needs a nightly toolchain and cargo-fuzz:
#   cargo install cargo-fuzz
#   fuzz/run.sh 600
# Ends with 1 at the first input that panics, takes more than 25 seconds or 2 GB.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-1800}
seeds=target/seeds
responses=target/responses
mkdir -p "$seeds" "$responses"
find .. -path ../target -prune -o -path ../fuzz -prune -o -name '*.yaml' -print | while read -r file; do
  cp "$file" "$seeds/$(echo "$file" | tr -c 'a-z0-9\n' _)"
done
# Small ones: every decoder reads each whole and in pieces.
find ../manifests -path '*/fixtures/*' -type f -size -8k | while read -r file; do
  cp "$file" "$responses/$(echo "$file" | tr -c 'a-z0-9\n' _)"
done
# The words of the language, so that mutations hit keys and not only letters.
{
  grep -oE '"[A-Za-z_$.*/-]{2,30}"' ../schema/manifest.schema.json | sort -u
  printf '"%s"\n' '{{' '}}' '$.' '[*]' ': ' '- ' 'inputs.' 'window.start' 'page.cursor' TODO '# longshore: ignore['
} > target/words.dict
for target in load validate decode times answers; do
  mkdir -p "corpus/$target"
  from=$seeds; longest=65536
  if [ "$target" = decode ]; then from=$responses; longest=4096; fi
  cargo +nightly fuzz run "$target" "corpus/$target" "$from" -- \
    -max_total_time="$seconds" -timeout=25 -rss_limit_mb=2048 -max_len="$longest" -len_control=20 \
    -dict=target/words.dict -print_final_stats=1
done
