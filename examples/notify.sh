#!/usr/bin/env bash
# Imports people from a file, tells everybody about an event and waits until all
# are reached. Needs a running server, curl, and SCHOOLBELL_API_KEY.
#
#   examples/notify.sh examples/people.csv "Sports day" "It is on Friday at nine."
set -euo pipefail

file=$1 title=$2 body=$3
url=${SCHOOLBELL_URL:-http://127.0.0.1:8080}
: "${SCHOOLBELL_API_KEY:?set it to the key of the server}"

call() { curl --silent --show-error --fail-with-body --header "Authorization: Bearer $SCHOOLBELL_API_KEY" "$@"; }

# quoted makes a JSON string of a text.
quoted() {
	local text=${1//\\/\\\\}
	text=${text//\"/\\\"}
	text=${text//$'\n'/\\n}
	printf '"%s"' "${text//$'\t'/\\t}"
}

type=text/csv
[[ $file == *.csv ]] || type=application/x-ndjson
call --header "Content-Type: $type" --data-binary "@$file" "$url/v1/users:import"

# The key makes it safe to run this again: the same event is created once a day.
event=$(call --header 'Content-Type: application/json' --header "Idempotency-Key: notify-$(date +%F)-$(cksum <<<"$title$body" | tr ' ' -)" \
	--data "{\"title\":$(quoted "$title"),\"body\":$(quoted "$body"),\"audience\":{\"roles\":[\"student\",\"parent\",\"teacher\",\"staff\"]}}" \
	"$url/v1/events")
id=$(grep -o '"id":"[^"]*"' <<<"$event" | head -n 1 | cut -d '"' -f 4)

# The stream ends when everybody is reached.
call --no-buffer "$url/v1/events/$id/stream" | while read -r name value; do
	if [[ $name == data: ]]; then
		grep -o '"percent":[0-9]*' <<<"$value"
	fi
done
call "$url/v1/events/$id"
