#!/bin/sh
# Uploads a candidate to Graceful Registry, waits for its verdict, and exits by it.
# Needs a POSIX shell and curl, nothing else; copy this one file into a pipeline.
#
#   REGISTRY_URL=https://registry.example REGISTRY_TOKEN=grt_... \
#       gate.sh --model digits --file net.onnx --manifest manifest.json
#
# The token needs the scopes read and write. Run again with the same files, it asks about the same
# upgrade: the request carries an idempotency key made from them.
#
# Exit: 0 passed, 1 failed or refused, 2 wrong usage or a request that was refused, 3 inconclusive,
# 4 no verdict in time, 5 the registry was not reached, 6 errored, or closed without a verdict.
set -u

usage() {
    cat >&2 <<'TEXT'
usage: gate.sh --model NAME --file MODEL --manifest JSON [options]
  --alias NAME      alias that the candidate is for (production)
  --parents JSON    lineage: [{"version": "digits:1", "relation": "retrained_from"}]
  --card FILE       Markdown about the candidate
  --timeout S       how long to wait for the verdict (1800)
  --poll S          how long between two questions (5)
environment: REGISTRY_URL, REGISTRY_TOKEN
TEXT
    exit 2
}

say() { printf 'gate: %s\n' "$*" >&2; }

# Print the first text, number, true, false or null that a key has in the JSON of stdin.
first_value() {
    tr ',{}' '\n\n\n' | sed -n 's/^ *"'"$1"'": *"\{0,1\}\([^"]*\)"\{0,1\} *$/\1/p' | head -n 1
}

# Send a request; the answer goes to $answer, its status to $status (000: nobody answered).
# The token comes on stdin, so that no list of processes shows it.
request() {
    status=$(printf 'header = "Authorization: Bearer %s"\n' "$REGISTRY_TOKEN" |
        curl --silent --config - --output "$answer" --write-out '%{http_code}' \
            --connect-timeout 10 "$@") || status=000
}

is_unreachable() {
    case $status in
    000 | 502 | 503 | 504) return 0 ;;
    *) return 1 ;;
    esac
}

explain() {
    say "$1: $(first_value code <"$answer"): $(first_value detail <"$answer")"
}

is_number() {
    case $1 in
    '' | *[!0-9]*) return 1 ;;
    *) return 0 ;;
    esac
}

model='' file='' manifest='' alias=production parents='[]' card='' timeout=1800 poll=5
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || usage
    case $1 in
    --model) model=$2 ;;
    --file) file=$2 ;;
    --manifest) manifest=$2 ;;
    --alias) alias=$2 ;;
    --parents) parents=$2 ;;
    --card) card=$2 ;;
    --timeout) timeout=$2 ;;
    --poll) poll=$2 ;;
    *) usage ;;
    esac
    shift 2
done
[ -n "$model" ] && [ -n "${REGISTRY_URL:-}" ] && [ -n "${REGISTRY_TOKEN:-}" ] || usage
for readable in "$file" "$manifest" ${card:+"$card"}; do
    [ -r "$readable" ] || { say "cannot read '$readable'"; usage; }
done
is_number "$timeout" && is_number "$poll" && [ "$poll" -gt 0 ] || usage
command -v curl >/dev/null || { say "curl is not installed"; exit 2; }

api="${REGISTRY_URL%/}/api/v1"
answer=$(mktemp) || exit 2
trap 'rm -f "$answer"' EXIT
trap 'exit 4' HUP INT TERM
key=$({ printf '%s\n' "$model" "$alias" "$parents"; cat "$file" "$manifest" ${card:+"$card"}; } | cksum | tr ' ' -)

request --header "Idempotency-Key: gate-$key" \
    --form "file=@\"$file\"" --form "manifest=<\"$manifest\"" \
    --form-string "alias=$alias" --form-string "parents=$parents" \
    ${card:+--form "card=<\"$card\""} "$api/models/$model/versions"
if [ "$status" != 201 ]; then
    explain "the upload was not taken"
    is_unreachable && exit 5
    exit 2
fi
upgrade=$(first_value upgrade <"$answer")
say "upgrade $upgrade: ${REGISTRY_URL%/}/upgrades/$upgrade"

waited=0
while :; do
    request --max-time 60 "$api/upgrades/$upgrade"
    if [ "$status" = 200 ]; then
        state=$(first_value state <"$answer")
        [ "$state" = evaluating ] || break
    elif ! is_unreachable; then
        explain "the upgrade cannot be read"
        exit 2
    fi
    if [ "$waited" -ge "$timeout" ]; then
        is_unreachable && { say "the registry was not reached"; exit 5; }
        say "no verdict after $timeout s"
        exit 4
    fi
    sleep "$poll"
    waited=$((waited + poll))
done

outcome=$(first_value outcome <"$answer")
say "the upgrade is $state, its verdict: $outcome"
[ "$state" != refused ] || explain "the candidate was refused"
tr '{' '\n' <"$answer" | sed -n \
    's/^"rule":"\([^"]*\)","evaluation_set":"\([^"]*\)","outcome":"\([^"]*\)","reason":"\([^"]*\)".*/gate:   \3: \1 on \2: \4/p' >&2
case $state:$outcome in
promoted:* | judged:passed) exit 0 ;;
refused:* | judged:failed) exit 1 ;;
judged:inconclusive) exit 3 ;;
*) exit 6 ;;
esac
