#!/bin/sh
# Looks the versions of constraints.txt up in a database of known holes: `pip-audit`, run by uv. A
# machine that cannot get the tool, or cannot reach the database, is told and is no failure.
set -eu

uv=${UV:-uv}
report=$(mktemp)
trap 'rm -f "$report"' EXIT
if ! command -v "$uv" >/dev/null; then
    echo 'make audit: needs uv (pip install uv), which runs pip-audit'
else
    "$uv" tool run --quiet pip-audit --requirement constraints.txt --no-deps --disable-pip \
        --progress-spinner off --format json --output "$report" >/dev/null 2>&1 || true
fi
exec python3 - "$report" <<'PYTHON'
import json
import sys

text = open(sys.argv[1]).read()
found = json.loads(text)['dependencies'] if text else []
known = [item for item in found if 'skip_reason' not in item]
bad = [(item, hole) for item in known for hole in item['vulns']]
for item, hole in bad:
    fixed = ', '.join(hole['fix_versions']) or 'no version yet'
    print(f'{item["name"]} {item["version"]}: {hole["id"]}, mended in {fixed}')
if not known:
    print('make audit: the database cannot be reached from here, nothing was looked up')
else:
    print(f'make audit: {len(known)} of {len(found)} versions looked up, {len(bad)} known holes')
sys.exit(bool(bad))
PYTHON
