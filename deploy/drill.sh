#!/usr/bin/env bash
# The restore drill: proves that a backup taken now can be restored and served, without touching the running office.
#
#     deploy/drill.sh [--config FILE] [--data DIR] [--scratch URL]
#
# Takes a backup beside the running server, restores it elsewhere, and checks that every channel of the copy is sound,
# says the same as the original up to its end, that the audit log's chain is whole, and that a server starts on it and
# is ready. Everything made is removed again. Exits with 0 only when all of that held; do it each week, and after every
# upgrade.
#
# An office in PostgreSQL is restored into the empty database URL, on any server with room; the password for both comes
# from PGPASSWORD or ~/.pgpass. Needs bash, curl and, for PostgreSQL, pg_dump and psql of its version.
set -euo pipefail

liaison=${LIAISON:-liaison}
options=() scratch_url=
while (($# > 0)); do
    case $1 in
        --config | --data) options+=("$1" "$2") ;;
        --scratch) scratch_url=$2 ;;
        *)
            sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2
            exit 2
            ;;
    esac
    shift 2
done

fail() {
    echo "drill: FAILED: $*" >&2
    exit 1
}

work=$(mktemp -d "${TMPDIR:-/tmp}/liaison-drill.XXXXXX")
server=
clean_up() {
    if [[ -n $server ]] && kill "$server" 2>/dev/null; then
        wait "$server" || true
    fi
    rm -rf "$work"
}
trap clean_up EXIT

began=$SECONDS
config=()
for ((i = 0; i < ${#options[@]}; i += 2)); do
    if [[ ${options[i]} == --config ]]; then
        config=("${options[@]:i:2}")
    fi
done
settings=$("$liaison" checkconfig --json "${config[@]}" 2>/dev/null || true)
# A setting of the running office, from its configuration and the environment.
setting() {
    sed -n "s/.*\"$1\": {\([^}]*\)}.*/\1/p" <<<"$settings" | sed -n "s/.*\"$2\": \"\([^\"]*\)\".*/\1/p"
}
url=$(setting postgres url)

# The copy is served by one process that has no tie to the office: not its Redis, not its ports.
alone=(
    LIAISON_REDIS__URL= LIAISON_REDIS__SENTINELS= LIAISON_REDIS__CLUSTER=
    LIAISON_SERVER__HOST=127.0.0.1 LIAISON_SERVER__PORT=0 LIAISON_SERVER__WORKERS=1
    LIAISON_METRICS__HOST= LIAISON_METRICS__PORT=0
)

echo "1. Backing up beside the running office"
if [[ -z $url ]]; then
    "$liaison" backup "${options[@]}" "$work/backup.db"
    size=$(stat --format=%s "$work/backup.db")
    copy=(--data "$work/data" "${config[@]}")
else
    [[ -n $scratch_url ]] || fail "the office is in PostgreSQL: name an empty database by --scratch URL"
    [[ $scratch_url != "$url" ]] || fail "the scratch database is the office's own"
    schema=liaison_$(setting office id | tr - _)
    pg_dump --no-owner --no-privileges --schema="$schema" "$url" >"$work/backup.sql"
    size=$(stat --format=%s "$work/backup.sql")
    copy=("${config[@]}")
    alone+=("LIAISON_POSTGRES__URL=$scratch_url")
    if [[ -n ${PGPASSWORD:-} ]]; then
        alone+=("LIAISON_POSTGRES__PASSWORD=$PGPASSWORD" LIAISON_POSTGRES__PASSWORD_FILE=)
    fi
fi

echo "2. Restoring it elsewhere"
if [[ -z $url ]]; then
    "$liaison" restore "${copy[@]}" "$work/backup.db"
else
    psql --quiet --no-psqlrc --single-transaction --set=ON_ERROR_STOP=1 "$scratch_url" <"$work/backup.sql" >/dev/null
    env "${alone[@]}" "$liaison" bump-epoch "${copy[@]}"
fi

echo "3. Checking every channel against the original"
export=(export --all --without-attachments --output)
"$liaison" "${export[@]}" "$work/original" "${options[@]}" &
env "${alone[@]}" "$liaison" "${export[@]}" "$work/copy" "${copy[@]}" || fail "the copy can't be exported"
wait $! || fail "the original can't be exported"
# The copy first: where both are unsound, it is what counts. The original may have gone on since.
"$liaison" verify "$work/copy" >"$work/verified" || fail "the copy is not sound"
"$liaison" verify "$work/original" "$work/copy" >/dev/null || fail "the copy differs from the original"
read -r channels messages < <(awk '{ messages += $2 } END { print NR, messages }' "$work/verified")

echo "4. Checking the audit log"
env "${alone[@]}" "$liaison" audit --lines 0 "${copy[@]}" >/dev/null || fail "the audit log of the copy is broken"

echo "5. Serving the copy"
mkfifo "$work/told"
env "${alone[@]}" "$liaison" serve --json "${copy[@]}" >"$work/told" 2>"$work/journal" &
server=$!
read -r -t 60 told <"$work/told" || fail "no server starts on the copy: $(tail -n 1 "$work/journal")"
address=$(sed -n 's/.*"address": "\([^"]*\)".*/\1/p' <<<"$told")
ready=$(curl --silent --show-error --max-time 10 "$address/readyz") || fail "the server on the copy doesn't answer"
[[ $ready == *'"ready":true'* ]] || fail "the server on the copy is not ready: $ready"

echo "drill: passed: $channels channels, $messages messages, $size bytes, $((SECONDS - began)) s"
