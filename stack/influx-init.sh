#!/bin/sh
# Makes the buckets and the three accounts, and leaves alone what is there already: it runs on every `docker compose up`.
# Needs the influx command line, curl, INFLUX_HOST, INFLUX_TOKEN (the operator's) and INFLUX_ORG. Accounts come as
# name:password, so that .env can be written before the server exists (docs/decisions/0032). A password never is an
# argument of a program: others on the machine can read those.
set -eu

: "${INFLUX_HOST:?}" "${INFLUX_ORG:?}" "${INFLUX_TOKEN:?}" "${AGENT_ACCOUNT:?}" "${READER_ACCOUNT:?}"
: "${FORECASTER_ACCOUNT:?}"

is_account() { # the value, the key of .env that it comes from
    case $1 in
    ?*:?*) ;;
    *)
        # Never the value: it may be a token.
        echo "$2 in .env is not name:password: remove the line and run \`autoqos stack init\`, which writes one" >&2
        exit 1
        ;;
    esac
}
is_account "$AGENT_ACCOUNT" INFLUX_TOKEN
is_account "$READER_ACCOUNT" GRAFANA_INFLUX_PASSWORD
is_account "$FORECASTER_ACCOUNT" FORECASTER_INFLUX_TOKEN

umask 077
header=$(mktemp)
trap 'rm -f "$header"' EXIT
printf 'Authorization: Token %s\n' "$INFLUX_TOKEN" >"$header"

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

remove_task() { # name; earlier versions downsampled in the server, the agent does it now (docs/decisions/0070)
    influx task list --org "$INFLUX_ORG" --limit 500 --hide-headers |
        while IFS="$(printf '\t')" read -r id other _; do
            if [ "$other" = "$1" ]; then
                influx task delete --id "$id" >/dev/null
                echo "task $1: removed, the agents ship the coarse history themselves"
            fi
        done
}

set_password() { # account, password: the body goes through standard input
    id=$(influx v1 auth list --username "$1" --hide-headers | cut -f 1)
    text=$(printf '%s' "$2" | sed 's/[\\"]/\\&/g')
    printf '{"password":"%s"}' "$text" |
        curl -fsS -H "@$header" -H 'Content-Type: application/json' --data-binary @- \
            "$INFLUX_HOST/private/legacy/authorizations/$id/password" >/dev/null
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
        set_password "$name" "$password"
        echo "account $name: there, password as in .env"
        return
    fi
    if [ -n "$row" ]; then
        influx v1 auth delete --username "$name" >/dev/null
    fi
    # shellcheck disable=SC2086 # the flags are words on purpose
    influx v1 auth create --org "$INFLUX_ORG" --username "$name" --no-password $flags >/dev/null
    set_password "$name" "$password"
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
for old in autoqos-5m autoqos-1h autoqos-5m-late autoqos-1h-late; do
    remove_task "$old"
done
account "$AGENT_ACCOUNT" "" "autoqos autoqos/5m autoqos/1h"
account "$READER_ACCOUNT" "autoqos autoqos/5m autoqos/1h" ""
account "$FORECASTER_ACCOUNT" "autoqos autoqos/5m autoqos/1h" "autoqos"
