#!/usr/bin/env bash
# A whole day of a lottery, from an empty folder to published winners: what operators do, by the API
# alone. Needs bash and curl, and the program: `BOLILLERO=target/release/bolillero docs/how-to/day.sh`.
set -euo pipefail

bolillero=${BOLILLERO:-bolillero}
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -r "$folder"' EXIT

# Somebody of each kind. The first admin can only be added on the central's machine.
for name in ana:admin bea:operator eva:auditor; do
    echo "the password of $name" | "$bolillero" operator add "${name%:*}" --role "${name#*:}" \
        --password-stdin --data "$folder/data"
done

# A central without draws, on free ports.
"$bolillero" serve --data "$folder/data" --listen 127.0.0.1:0 --http 127.0.0.1:0 \
    2>"$folder/log" &
central=$!
address_after() {
    until grep -q "action: $1 | result: success" "$folder/log"; do
        kill -0 "$central" || { cat "$folder/log" >&2; return 1; }
        sleep 0.1
    done
    sed -n "s/.*action: $1 | result: success | address: //p" "$folder/log"
}
http=http://$(address_after listen_http)
agencies=$(address_after listen)

# Each operator has a session: a cookie, and a second secret that changes need.
log_in() {
    curl -sS --fail-with-body -c "$folder/$1" -H 'Content-Type: application/json' \
        -d "{\"name\": \"$1\", \"password\": \"the password of $2\"}" "$http/api/v1/session" |
        sed 's/.*"csrf_token":"\([^"]*\)".*/\1/' >"$folder/$1.csrf"
}
# ask WHO METHOD PATH [BODY]
ask() {
    curl -sS --fail-with-body -b "$folder/$1" -X "$2" -H "X-CSRF-Token: $(<"$folder/$1.csrf")" \
        -H 'Content-Type: application/json' ${4:+-d "$4"} "$http/api/v1/$3"
    echo
}
log_in ana ana:admin
log_in bea bea:operator
log_in eva eva:auditor

# The morning: agencies are registered, a draw is announced for them, and opened.
for number in 1 2 3; do
    ask ana PUT "agencies/$number" "{\"name\": \"Agencia $number\", \"place\": \"Rosario\"}"
done
ask ana POST draws '{"name": "nocturna", "numbers": {"min": 0, "max": 9999}}'
ask ana POST draws/1/open '{}'

# The day: agencies send their bets and wait for their winners.
"$bolillero" generate --agencies 3 --bets 3000 --out "$folder/bets"
for number in 1 2 3; do
    "$bolillero" agency --id "$number" --central "$agencies" \
        --bets "$folder/bets/agency-$number.csv" >"$folder/winners-$number" 2>/dev/null &
    selling[number]=$!
done
until ask ana GET draws/1 | grep -q '"agencies_finished":3'; do sleep 0.1; done

# The evening: it is closed; two people read the number and enter it, each for themselves.
ask ana POST draws/1/close '{}'
number=$(head -n 1 "$folder/bets/agency-1.csv" | sed 's/.*,0*\(.\)/\1/')
ask ana POST draws/1/number "{\"number\": $number}"
ask bea POST draws/1/number "{\"number\": $number}"

# It was made. The auditor looks at it before it is published; then agencies learn their winners.
ask eva GET draws/1/settlement
ask eva GET 'audit?limit=500'
ask ana POST draws/1/publish '{}'
wait "${selling[@]}"

# What agencies were told is what the central has.
told=$(sed -s '/^$/d' "$folder"/winners-[123] | wc -l)
settled=$(ask eva GET draws/1/settlement | sed 's/.*"winners":\([0-9]*\),"digest".*/\1/')
echo "$told winners told, $settled settled"
[[ $told == "$settled" && $told -gt 0 ]]
