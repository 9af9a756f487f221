#!/usr/bin/env bash
# boot.sh PACKAGE [PREVIOUS]: installs the package in a Debian 12 that boots a real systemd in a container, and
# checks there what an operator relies on. PREVIOUS is the package to upgrade from; without it, this one with a
# lower version. Says so and ends with 77 where the machine can't do it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
package=$(realpath "$1")

cannot() {
  echo "SKIPPED: no systemd was booted: $*"
  exit 77
}
[ "$(id -u)" = 0 ] || cannot "that takes root"
for tool in debootstrap systemd-nspawn nsenter python3 dpkg-deb; do
  command -v $tool >/dev/null || cannot "there is no $tool"
done

work=$(mktemp -d /var/tmp/boot.XXXXXX)
root=$work/root
nspawn='' frozen=''
finish() {
  [ -z "$frozen" ] || kill "$frozen" 2>/dev/null || true
  if [ -n "$nspawn" ]; then
    kill "$nspawn" 2>/dev/null || true
    wait "$nspawn" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap finish EXIT

step() { printf '\n-- %s\n' "$*"; }
ok() { printf '   ok: %s\n' "$*"; }
fail() {
  printf '\nFAILED: %s\n' "$*"
  in_it journalctl --no-pager -n 40 -u 'inspector-usaged*' || true
  exit 1
}
# expect WHAT COMMAND...: the command must succeed, within 30 seconds.
expect() {
  local what=$1 end=$((SECONDS + 30))
  shift
  until "$@" >"$work/output" 2>&1; do
    if [ $SECONDS -ge $end ]; then
      cat "$work/output"
      fail "$what"
    fi
    sleep 0.2
  done
  ok "$what"
}
refuse() {
  local what=$1
  shift
  if "$@" >"$work/output" 2>&1; then
    cat "$work/output"
    fail "$what"
  fi
  ok "$what"
}
in_it() { nsenter -t "$leader" -a -- "$@"; }
sh_in_it() { in_it bash -ec "$1"; }
unit_is() { [ "$(in_it systemctl show -P "$1" inspector-usaged)" = "$2" ]; }
status_line_has() { in_it systemctl show -P StatusText inspector-usaged | grep -q "$1"; }
api() { in_it curl -sf "http://127.0.0.1:10330$1"; }
api_says() { api "$1" | jq -e "$2" >/dev/null; }
good_polls() { api '/api/v1/polls?outcome=ok&limit=1000' | jq '.data | length'; }
drop_in() { sh_in_it "mkdir -p /etc/systemd/system/inspector-usaged.service.d
  printf '[Service]\n%s\n' '$2' >/etc/systemd/system/inspector-usaged.service.d/$1.conf
  systemctl daemon-reload"; }
configure() { cat >"$root/etc/inspector-usaged.yaml"; }

configuration='
collection: {interval: 1m, poll_timeout: 1s}
targets:
  - {name: t, regions: [us-east-1, eu-central-1], endpoint: "http://127.0.0.1:10331"}
rules:
  - {name: any, kind: threshold, limit: 0.01, for: 1}
receivers:
  - {name: hook, url: "http://127.0.0.1:10331/webhook", secret_file: "credential:hook", group_wait: 0s}
'

step "A Debian 12 (debootstrap)"
# The packages that it depends on; debootstrap does not know those that others provide.
depends=$(dpkg-deb -f "$package" Depends | sed 's/([^)]*)//g; s/ //g' | tr ',' '\n' |
  while read -r name; do
    dpkg-query -W -f='${Package} ${Provides}\n' | tr -d ',' |
      awk -v name="$name" '$1 == name { own = 1 } { for (i = 2; i <= NF; ++i) if ($i == name) by = $1 }
        END { print own || !by ? name : by }'
  done | paste -sd,)
# BOOT_BASE, a folder, keeps what debootstrap makes for the next time.
if [ -d "${BOOT_BASE:-}" ]; then
  cp -a "$BOOT_BASE" "$root"
else
  debootstrap --variant=minbase \
    --include="systemd,systemd-sysv,dbus,curl,sqlite3,openssl,man-db,bash-completion,$depends" \
    bookworm "$root" >"$work/debootstrap.log" 2>&1 || {
    tail -n 5 "$work/debootstrap.log"
    cannot "debootstrap failed"
  }
  if [ -n "${BOOT_BASE:-}" ]; then cp -a "$root" "$BOOT_BASE"; fi
fi
cp "$package" "$root/root/new.deb"
if [ $# -gt 1 ]; then
  cp "$2" "$root/root/old.deb"
else
  dpkg-deb -R "$package" "$work/old"
  sed -i 's/^Version: .*/Version: 0.0.0~before/' "$work/old/DEBIAN/control"
  dpkg-deb --root-owner-group -b "$work/old" "$root/root/old.deb" >/dev/null
fi
cat >"$root/etc/systemd/system/aws.service" <<'END'
[Service]
ExecStart=/usr/bin/inspector-usaged simulate --listen 127.0.0.1:10331 --accounts 20 --regions us-east-1,eu-central-1
END
printf 'AWS_ACCESS_KEY_ID=AKIASIMULATOR\nAWS_SECRET_ACCESS_KEY=simulator-secret\n' \
  >"$root/etc/default/inspector-usaged"
install -m 600 /dev/null "$root/root/hook"
printf 'whsec_%s' "$(printf 'a secret of a webhook' | base64)" >"$root/root/hook"

systemd-nspawn -q -D "$root" --boot --register=no --keep-unit --private-network --link-journal=no \
  >"$work/console" 2>&1 </dev/null &
nspawn=$!
for _ in $(seq 100); do
  leader=$(pgrep -P "$nspawn" | head -n 1 || true)
  state=$([ -z "$leader" ] || in_it systemctl is-system-running 2>/dev/null || true)
  case $state in running | degraded) break ;; esac
  kill -0 "$nspawn" 2>/dev/null || { cat "$work/console"; cannot "systemd-nspawn failed"; }
  sleep 0.2
done
ok "systemd $(in_it systemctl --version | head -n 1 | cut -d' ' -f2) runs"

step "Installation"
expect "the package installs" in_it dpkg -i /root/old.deb
refuse "nothing is started by that" in_it systemctl is-active inspector-usaged
in_it systemctl start aws
refuse "without a target it does not start" in_it systemctl start inspector-usaged
sleep 6
unit_is NRestarts 0 && unit_is ExecMainStatus 2 || fail "a bad configuration is not tried again"
ok "a bad configuration is not tried again"
expect "there are manual pages" in_it man -w inspector-usaged inspector-usaged.yaml
expect "bash finds the completion" sh_in_it '. /usr/share/bash-completion/bash_completion
  _completion_loader inspector-usaged || true; complete -p inspector-usaged'

step "The service"
configure <<<"$configuration"
drop_in hook 'LoadCredential=hook:/root/hook'
in_it systemctl reset-failed inspector-usaged
expect "it starts, and says READY" in_it systemctl enable --now inspector-usaged
unit_is ActiveState active || fail "active"
pid=$(in_it systemctl show -P MainPID inspector-usaged)
user=$(in_it stat -c %u "/proc/$pid")
# systemd.exec(5): the range of dynamic users.
[ "$user" -ge 61184 ] && [ "$user" -le 65519 ] || fail "it runs as user $user"
ok "its user, $user, is a dynamic one"
expect "it polls the simulator" api_says /api/v1/status '.data.summary.good == 2 or (.data.targets | map(select(.state == "ok")) | length == 2)'
expect "STATUS has the last poll and the backlog" status_line_has 'last good poll 20.*messages waiting'
expect "an alert reaches the webhook" api_says '/api/v1/notifications?state=delivered' '.data | length > 0'
in_it curl -s http://127.0.0.1:10331/simulator/webhooks >"$work/webhooks"
jq -e . "$work/webhooks" >/dev/null || fail "what the webhook got"
id=$(jq -r '[.. | objects | select(has("signature"))][0].id' "$work/webhooks")
moment=$(jq -r '[.. | objects | select(has("signature"))][0].timestamp' "$work/webhooks")
signature=$(jq -r '[.. | objects | select(has("signature"))][0].signature' "$work/webhooks")
jq -rj '[.. | objects | select(has("signature"))][0].body' "$work/webhooks" >"$work/body"
expected=$({
  printf '%s.%s.' "$id" "$moment"
  cat "$work/body"
} | openssl dgst -sha256 -hmac 'a secret of a webhook' -binary | base64)
[ "$signature" = "v1,$expected" ] || fail "signed with the credential: $signature, not v1,$expected"
ok "signed with the secret of the credential"
in_it systemd-analyze security --threshold=12 inspector-usaged.service >"$work/security" ||
  fail "too exposed: $(tail -n 1 "$work/security")"
ok "$(tail -n 1 "$work/security" | sed 's/^[^O]*//')"

in_it inspector-usaged doctor --offline --json >"$work/doctor" || true
jq -es '.[0].data | length > 5 and all(.result != "bad")' "$work/doctor" >/dev/null ||
  fail "doctor: $(jq -c '.data[] | select(.result == "bad")' "$work/doctor")"
ok "doctor finds nothing bad, and the unit $(jq -r '.data[] | select(.what == "unit") | .found' "$work/doctor")"

step "kill -9"
before=$(good_polls)
in_it systemctl kill -s KILL inspector-usaged
expect "it is started again" unit_is NRestarts 1
expect "and is ready" api /-/ready
[ "$(good_polls)" -ge "$before" ] || fail "polls are lost"
ok "nothing is lost"
api_says '/api/v1/polls?limit=1000' '[.data[] | select(.outcome != "interrupted") | [.target, .region, .slot]] |
  length > 1 and length == (unique | length)' ||
  fail "something was asked twice"
ok "nothing was asked twice"

step "Reload"
pid=$(in_it systemctl show -P MainPID inspector-usaged)
configure <<<"${configuration/name: any/name: other}"
expect "systemctl reload" in_it systemctl reload inspector-usaged
expect "the new rule is there" api_says /api/v1/rules '.data[0].name == "other"'
configure <<<"${configuration/rules:/ruels:}"
in_it systemctl reload inspector-usaged || true
expect "a bad one is said in STATUS" status_line_has 'last reload failed'
expect "in the log" sh_in_it "journalctl -u inspector-usaged -p err | grep -q 'ruels'"
expect "in the metrics" sh_in_it "curl -s http://127.0.0.1:10330/metrics |
  grep -q '^inspector_usaged_config_last_reload_successful 0'"
api_says /api/v1/rules '.data[0].name == "other"' || fail "a bad configuration changed something"
unit_is MainPID "$pid" || fail "it was restarted"
ok "and changes nothing"
configure <<<"$configuration"
expect "a good one mends it" in_it systemctl reload inspector-usaged

step "Watchdog"
drop_in watchdog 'WatchdogSec=4'
in_it systemctl restart inspector-usaged
sleep 8
unit_is NRestarts 0 || fail "the watchdog bites who works"
ok "leaves alone who works"
pid=$(in_it systemctl show -P MainPID inspector-usaged)
outside=$(pgrep -f '^/usr/bin/inspector-usaged run' | while read -r one; do
  [ "$(awk '/^NSpid/ { print $NF }' "/proc/$one/status")" != "$pid" ] || echo "$one"
done)
python3 "$here/freeze.py" "$outside" poll &
frozen=$!
for _ in $(seq 120); do
  if unit_is NRestarts 1; then break; fi
  sleep 0.5
done
unit_is NRestarts 1 || fail "a collector that stands still is noticed"
kill "$frozen" 2>/dev/null || true
frozen=''
expect "a collector that stands still is noticed" \
  sh_in_it "journalctl -u inspector-usaged | grep -q 'Watchdog timeout'"
expect "and the next one works" api /-/ready
sh_in_it 'rm /etc/systemd/system/inspector-usaged.service.d/watchdog.conf; systemctl daemon-reload'

step "Socket activation"
in_it systemctl stop inspector-usaged
in_it systemctl start inspector-usaged.socket
refuse "nothing runs" in_it systemctl is-active inspector-usaged
expect "the first request starts it" api /-/healthy
unit_is ActiveState active || fail "active"
configure <<<"http: {anonymous: none}$configuration"
in_it systemctl reload inspector-usaged
refuse "without a token TCP is refused" api /api/v1/status
expect "at the unix socket root is known" \
  in_it curl -sf --unix-socket /run/inspector-usaged.sock http://localhost/api/v1/status
refuse "and others are others" in_it setpriv --reuid=65534 --clear-groups \
  curl -sf --unix-socket /run/inspector-usaged.sock http://localhost/api/v1/status
expect "a command finds its way there" in_it inspector-usaged silence add account_id=111111111111 \
  --comment test --url unix:/run/inspector-usaged.sock
in_it systemctl stop inspector-usaged.socket inspector-usaged.service
configure <<<"http: {socket: /run/inspector-usaged/api.sock, anonymous: none,
  peers: [{user: games, scope: read}]}$configuration"
sh_in_it 'cp /usr/share/doc/inspector-usaged/examples/systemd/peers.conf \
  /etc/systemd/system/inspector-usaged.service.d/; systemctl daemon-reload'
in_it systemctl start inspector-usaged
expect "a peer that is configured may read" in_it setpriv --reuid=games --clear-groups \
  curl -sf --unix-socket /run/inspector-usaged/api.sock http://localhost/api/v1/status
refuse "and another may not" in_it setpriv --reuid=65534 --clear-groups \
  curl -sf --unix-socket /run/inspector-usaged/api.sock http://localhost/api/v1/status
expect "a socket of its own" in_it inspector-usaged silence add account_id=111111111111 --comment test
configure <<<"$configuration"
in_it systemctl restart inspector-usaged

step "Backup"
expect "the unit of the timer makes a copy" in_it systemctl start inspector-usaged-backup.service
expect "which is whole" sh_in_it 'inspector-usaged verify /var/lib/inspector-usaged/backup/*.db.gz'
expect "the timer can be enabled" in_it systemctl enable --now inspector-usaged-backup.timer

step "Upgrade"
before=$(good_polls)
pid=$(in_it systemctl show -P MainPID inspector-usaged)
expect "the new package installs" in_it dpkg -i --force-confold /root/new.deb
expect "the daemon is the new one" sh_in_it "[ \"\$(systemctl show -P MainPID inspector-usaged)\" != $pid ]"
expect "and is ready" api /-/ready
[ "$(good_polls)" -ge "$before" ] || fail "polls are lost"
ok "the history is kept"
expect "and so is the configuration" in_it grep -q 127.0.0.1:10331 /etc/inspector-usaged.yaml

step "Downgrade"
expect "the old package installs" in_it dpkg -i --force-confold /root/old.deb
expect "and reads the same database" api /-/ready
in_it systemctl stop inspector-usaged
# The shell writes no checksums of pages, so it makes a database that has none.
sh_in_it "cd /var/lib/inspector-usaged && sqlite3 inspector-usaged.db .dump | sqlite3 /root/newer.db &&
  sqlite3 /root/newer.db 'PRAGMA application_id = 0x69757367' \
    \"INSERT INTO migration (version, name, checksum) VALUES (9999, 'of the future', '')\" &&
  cat /root/newer.db >inspector-usaged.db && rm -f inspector-usaged.db-wal inspector-usaged.db-shm"
sum=$(in_it sha256sum /var/lib/inspector-usaged/inspector-usaged.db)
in_it systemctl start inspector-usaged || true
expect "a newer database is refused" sh_in_it \
  "journalctl -u inspector-usaged -p err | grep -q 'was made by a newer version'"
sleep 6
unit_is ExecMainStatus 2 || fail "a newer database is tried again"
ok "and not tried again"
[ "$sum" = "$(in_it sha256sum /var/lib/inspector-usaged/inspector-usaged.db)" ] || fail "it was changed"
ok "and left as it is"

step "Removal"
expect "the package is removed" in_it dpkg -r inspector-usaged
expect "the history stays" in_it test -s /var/lib/inspector-usaged/inspector-usaged.db
expect "and the configuration" in_it test -s /etc/inspector-usaged.yaml
expect "it is purged" in_it dpkg -P inspector-usaged
left=$(in_it find / -xdev -not -path '/proc/*' -not -path '/sys/*' -not -path '/var/log/journal/*' \
  -not -path '/run/*' -name '*inspector-usaged*')
[ -z "$left" ] || fail "this is left: $left"
ok "nothing is left"

printf '\nAll of it holds in a booted Debian 12.\n'
