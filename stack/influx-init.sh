#!/bin/sh
# Makes the buckets, the downsampling tasks and the three accounts, and leaves alone what is there already: it runs on
# every `docker compose up`. Needs the influx command line, INFLUX_HOST, INFLUX_TOKEN (the operator's) and INFLUX_ORG.
# Accounts come as name:password, so that .env can be written before the server exists (docs/decisions/0032).
set -eu

: "${INFLUX_ORG:?}" "${INFLUX_TOKEN:?}" "${AGENT_ACCOUNT:?}" "${READER_ACCOUNT:?}" "${FORECASTER_ACCOUNT:?}"
tasks=${TASKS_DIR:-/stack/tasks}

bucket_id() {
    influx bucket list --org "$INFLUX_ORG" --name "$1" --hide-headers 2>/dev/null | cut -f 1
}

bucket() { # name retention
    if [ -z "$(bucket_id "$1")" ]; then
        influx bucket create --org "$INFLUX_ORG" --name "$1" --retention "$2" >/dev/null
        echo "bucket $1: made, kept $2"
    else
        echo "bucket $1: there"
    fi
}

task() { # file
    name=$(sed -n 's/^option task = {name: "\([^"]*\)".*/\1/p' "$1")
    [ -n "$name" ] || { echo "$1: no task name in it" >&2; return 1; }
    id=$(influx task list --org "$INFLUX_ORG" --limit 500 --hide-headers |
        while IFS="$(printf '\t')" read -r id other _; do [ "$other" = "$name" ] && echo "$id"; done | head -n 1)
    if [ -z "$id" ]; then
        influx task create --org "$INFLUX_ORG" --file "$1" >/dev/null
        echo "task $name: made"
    else
        influx task update --id "$id" --file "$1" >/dev/null
        echo "task $name: brought up to date"
    fi
}

account() { # name:password, buckets to read, buckets to write
    name=${1%%:*}
    password=${1#*:}
    wanted=0
    missing=0
    row=$(influx v1 auth list --username "$name" --hide-headers 2>/dev/null || true)
    set -- "$2" "$3"
    flags=''
    for action in read write; do
        for one in $1; do
            id=$(bucket_id "$one")
            [ -n "$id" ] || { echo "bucket $one is not there" >&2; return 1; }
            flags="$flags --$action-bucket $id"
            wanted=$((wanted + 1))
            case $row in
            *"$action:orgs/"*"/buckets/$id"*) ;;
            *) missing=$((missing + 1)) ;;
            esac
        done
        shift
    done
    has=$(echo "$row" | grep -o '/buckets/' | wc -l)
    if [ -n "$row" ] && [ "$missing" -eq 0 ] && [ "$has" -eq "$wanted" ]; then
        influx v1 auth set-password --username "$name" --password "$password" >/dev/null
        echo "account $name: there, password as in .env"
        return
    fi
    if [ -n "$row" ]; then
        influx v1 auth delete --username "$name" >/dev/null
    fi
    # shellcheck disable=SC2086 # the flags are words on purpose
    influx v1 auth create --org "$INFLUX_ORG" --username "$name" --password "$password" $flags >/dev/null
    echo "account $name: made"
}

if ! influx org list --name "$INFLUX_ORG" >/dev/null; then
    echo "InfluxDB does not know INFLUX_ADMIN_TOKEN or the organisation $INFLUX_ORG: was .env written after the data" \
        "volume? docs/influxdb.md, \"A new .env for old data\"" >&2
    exit 1
fi
bucket autoqos 30d
bucket autoqos/5m 180d
bucket autoqos/1h 730d
for file in "$tasks"/*.flux; do
    task "$file"
done
account "$AGENT_ACCOUNT" "" "autoqos"
account "$READER_ACCOUNT" "autoqos autoqos/5m autoqos/1h" ""
account "$FORECASTER_ACCOUNT" "autoqos autoqos/5m autoqos/1h" "autoqos"
