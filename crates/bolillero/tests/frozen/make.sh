#!/usr/bin/env bash
# Makes the files of a release, which every later one must read: `BOLILLERO=PROGRAM ./make.sh FOLDER`.
# Run it once, when a format is frozen. What it made is never made again.
set -euo pipefail

folder=$1
mkdir "$folder"
cd "$folder"
temporary=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -r "$temporary"' EXIT

for name in ana:operator bea:admin eva:auditor reserve:standby; do
    echo "the password of ${name%:*}" | "$BOLILLERO" operator add "${name%:*}" --role "${name#*:}" \
        --password-stdin --data data
done
"$BOLILLERO" operator token eva --label robot --days 30 --data data >/dev/null
cat >central.toml <<'SETTINGS'
segment_len = 98304
window = 16
winners_wait = '1m'
lottery = 'Lotería'
SETTINGS
cat >agency.toml <<'SETTINGS'
batch_max_bets = 50
lang = 'es'
SETTINGS
"$BOLILLERO" serve --config central.toml --data data --listen 127.0.0.1:0 --http 127.0.0.1:0 \
    2>"$temporary/log" &
central=$!
address_after() {
    until grep -q "action: $1 | result: success" "$temporary/log"; do
        kill -0 "$central"
        sleep 0.1
    done
    sed -n "s/.*action: $1 | result: success | address: //p" "$temporary/log"
}
http=http://$(address_after listen_http)
agencies=$(address_after listen)

# ask WHO METHOD PATH [BODY]
ask() {
    local known=()
    [[ ! -e $temporary/$1.csrf ]] || known=(-b "$temporary/$1" -H "X-CSRF-Token: $(<"$temporary/$1.csrf")")
    curl -sS --fail-with-body -X "$2" -H 'Content-Type: application/json' "${known[@]}" \
        -c "$temporary/cookies" ${4:+-d "$4"} "$http/api/v1/$3" >"$temporary/answer" ||
        { cat "$temporary/answer" >&2 && return 1; }
}
log_in() {
    ask "$1" POST session "{\"name\": \"$1\", \"password\": \"the password of $1\"}"
    sed 's/.*"csrf_token":"\([^"]*\)".*/\1/' "$temporary/answer" >"$temporary/$1.csrf"
    mv "$temporary/cookies" "$temporary/$1"
}
log_in ana
log_in bea
log_in eva
! ask nobody POST session '{"name": "ana", "password": "a wrong one"}' 2>/dev/null

for number in 1 2; do
    ask ana PUT "agencies/$number" "{\"name\": \"Agencia $number\", \"place\": \"Rosario\"}"
done
ask ana PUT agencies/3 '{"name": "Agencia 3", "place": "Funes"}'
ask ana POST agencies/3/disable '{}'
ask ana POST draws '{"name": "matutina", "numbers": {"min": 0, "max": 99}}'
ask ana POST draws/1/cancel '{"why": "twice"}'
ask ana POST draws '{"name": "nocturna", "numbers": {"min": 0, "max": 9999}}'
ask ana POST draws/2/open '{}'
"$BOLILLERO" generate --agencies 2 --bets 4000 --out "$temporary/bets" >/dev/null
# No file of bets that ends in .csv is in the repository.
for number in 1 2; do
    cp "$temporary/bets/agency-$number.csv" "bets-$number.txt"
done
for number in 1 2; do
    "$BOLILLERO" agency --config agency.toml --id "$number" --central "$agencies" --draw nocturna \
        --bets "bets-$number.txt" >"winners-$number.txt" 2>/dev/null &
    selling[number]=$!
done
until ask ana GET draws/2 && grep -q '"agencies_finished":2' "$temporary/answer"; do sleep 0.1; done
ask ana POST draws/2/close '{}'
number=$(head -n 1 bets-1.txt | sed 's/.*,0*\(.\)/\1/')
ask ana POST draws/2/number '{"number": 1}'
ask ana PUT draws/2/number '{"number": 2}'
ask bea POST draws/2/number '{"number": 2}'
ask ana POST draws/2/void '{"why": "not the number of the drum"}'
ask bea POST draws/2/void '{"why": "not the number of the drum"}'
ask ana POST draws/2/number "{\"number\": $number}"
ask bea POST draws/2/number "{\"number\": $number}"
ask eva GET draws/2/settlement
ask eva GET 'draws/2/bets?number=7'
ask ana POST draws/2/publish '{}'
wait "${selling[@]}"
kill "$central"
wait "$central"
"$BOLILLERO" check --data data >check.txt
"$BOLILLERO" audit --data data >audit.txt
"$BOLILLERO" backup --data data --to backup >/dev/null 2>&1
