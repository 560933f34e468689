#!/bin/sh
# Checks the versions in constraints.txt for known vulnerabilities: `pip-audit`, run by uv. Prints
# a message and succeeds if the tool or the database is not available.
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
    print(f'{item["name"]} {item["version"]}: {hole["id"]}, fixed in {fixed}')
if not known:
    print('make audit: the database is not available, nothing was checked')
else:
    print(
        f'make audit: {len(known)} of {len(found)} versions checked, {len(bad)} known '
        'vulnerabilities'
    )
sys.exit(bool(bad))
PYTHON
