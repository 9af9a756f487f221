#!/usr/bin/env bash
# check.sh SYSTEMD_ANALYZE UNIT EXAMPLES THRESHOLD: fails if the unit, alone or with one of the example
# drop-ins, is more exposed than THRESHOLD tenths, or has a line that systemd does not know.
set -euo pipefail
analyze=$1 unit=$2 examples=$3 threshold=$4
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
name=$(basename "$unit")

check() {
  if ! "$analyze" security --offline=true --threshold="$threshold" "$folder/$name" >"$folder/report"; then
    echo "$1 is too exposed:"
    grep -v '^.*✓' "$folder/report"
    exit 1
  fi
  # The program need not be installed where this is checked.
  local complaints
  complaints=$("$analyze" verify --man=no "$folder/$name" 2>&1 | grep -v 'is not executable' || true)
  if [ -n "$complaints" ]; then
    echo "$1: $complaints"
    exit 1
  fi
  echo "$1: $(tail -n 1 "$folder/report")"
}

cp "$unit" "$folder/$name"
check "the unit"
for example in "$examples"/*.conf; do
  mkdir -p "$folder/$name.d"
  cp "$example" "$folder/$name.d/"
  check "with $(basename "$example")"
  rm -r "$folder/$name.d"
done
