# Runs on the node, as root: the Systems Manager document Muster-InstallChef, after common.sh. NODE_NAME, SERVER_URL,
# TRUSTED_CERTIFICATES, RUN_LIST, POLICY_NAME, POLICY_GROUP, ENVIRONMENT, FIRST_RUN and SERVICE are its parameters.
#
# Gives the client of Chef or Cinc its server, its name and what to converge. Runs it where FIRST_RUN is "start" or "wait", has it
# run regularly where SERVICE is "enable", and prints {"installed":true}; or {"installed":false,"restart":"scheduled"} if the first
# run has scheduled a restart of the node, after which this script must run again. A client.rb keeps what the image wrote into it:
# our settings follow it, and the last one counts.
# shellcheck disable=SC1091
command -v must >/dev/null || . "${0%/*}/common.sh"

FIRST_RUN_LOG=${FIRST_RUN_LOG:-/var/log/muster-first-run.log}
BOOT_ID=${BOOT_ID:-/proc/sys/kernel/random/boot_id}
KEY=$CHEF_DIR/client.pem
CLIENT_RB=$CHEF_DIR/client.rb
RESTART=$CHEF_DIR/muster-restart
SERVICE=${SERVICE:-leave}

says() {
  grep -qsE "^[[:space:]]*$1[[:space:](]" "$CLIENT_RB" "$CHEF_DIR"/client.d/*.rb
}

# The names of these settings are those by which without_ours() knows our lines again.
settings() {
  echo "$CHEF_MARK"
  echo "chef_server_url '$SERVER_URL'"
  echo "node_name '$NODE_NAME'"
  echo "client_key '$KEY'"
  echo "trusted_certs_dir '$CHEF_DIR/trusted_certs'"
  echo "ssl_verify_mode :verify_peer"
  if [ -n "$POLICY_NAME" ]; then
    echo "policy_name '$POLICY_NAME'"
    echo "policy_group '$POLICY_GROUP'"
    # Chef takes a policy or an environment, and not both.
    if says environment; then echo 'environment nil'; fi
  elif [ -n "$RUN_LIST$ENVIRONMENT" ] && says policy_name; then
    echo 'policy_name nil'
    echo 'policy_group nil'
  fi
  [ -z "$ENVIRONMENT" ] || echo "environment '$ENVIRONMENT'"
  # So that it counts as well where the image starts the client itself.
  [ -z "$RUN_LIST" ] || echo "json_attribs '$CHEF_DIR/first-run.json'"
}

# A client.rb without the lines that follow our mark, with a full stop behind it.
without_ours() {
  LC_ALL=C awk -v mark="$CHEF_MARK" '
    NR == 1 { sub(/^\357\273\277/, "") }
    $0 == mark { ours = 1; next }
    ours && /^(chef_server_url|node_name|client_key|trusted_certs_dir|ssl_verify_mode|policy_name|policy_group|environment|json_attribs) / { next }
    { ours = 0; print }
    END { printf "." }
  ' "$1"
}

configure() {
  FILE=$(behind "$CLIENT_RB")
  ordinary "$FILE"
  BEFORE=$CLIENT_RB.before-muster
  if [ -s "$FILE" ] && ! grep -qxF "$CHEF_MARK" "$FILE"; then
    must "Cannot copy $CLIENT_RB on $NODE_NAME" cp -p "$FILE" "$BEFORE"
  fi
  TEXT=.
  if [ -e "$FILE" ]; then TEXT=$(without_ours "$FILE"); fi
  # Former versions of this script kept the image's settings in that copy alone.
  if [ "$TEXT" = . ] && [ -f "$BEFORE" ]; then TEXT=$(without_ours "$BEFORE"); fi
  replace "$FILE" "${TEXT%.}$(settings)
"
  # Files in client.d are read after client.rb, in the order of their names.
  LAST=$CHEF_DIR/client.d/zzzz-muster.rb
  for OTHER in "$CHEF_DIR"/client.d/*.rb; do
    if [ -e "$OTHER" ] && [ "$OTHER" != "$LAST" ]; then
      replace "$LAST" "$(settings)
"
      return
    fi
  done
  remove "$LAST"
}

# The certificate with the number $1 of those that are trusted.
trusted() {
  printf '%s\n' "$TRUSTED_CERTIFICATES" | awk -v wanted="$1" '
    /BEGIN CERTIFICATE/ { inside = ++count == wanted }
    inside { print }
    /END CERTIFICATE/ { inside = 0 }
  '
}

# Each certificate in a file of its own: Chef reads the first of a file only.
trust() {
  folder "$CHEF_DIR/trusted_certs" 755
  NUMBER=1
  while PEM=$(trusted "$NUMBER") && [ -n "$PEM" ]; do
    replace "$CHEF_DIR/trusted_certs/muster-$NUMBER.crt" "$PEM
" 644
    NUMBER=$((NUMBER + 1))
  done
  while [ -e "$CHEF_DIR/trusted_certs/muster-$NUMBER.crt" ]; do
    remove "$CHEF_DIR/trusted_certs/muster-$NUMBER.crt"
    NUMBER=$((NUMBER + 1))
  done
}

converge() {
  if [ -n "$RUN_LIST" ]; then
    replace "$CHEF_DIR/first-run.json" "{\"run_list\":[\"$(printf '%s' "$RUN_LIST" | sed 's/,/","/g')\"]}
" 644
  else
    remove "$CHEF_DIR/first-run.json"
  fi
}

# 213: the client has upgraded itself, and has to run again.
run_client() {
  LEFT=3
  CODE=213
  while [ "$CODE" = 213 ] && [ "$LEFT" -gt 0 ]; do
    LEFT=$((LEFT - 1))
    CODE=0
    as_service "$CLIENT" --config "$CLIENT_RB" ${RUN_LIST:+--json-attributes "$CHEF_DIR/first-run.json"} \
      >"$FIRST_RUN_LOG" 2>&1 </dev/null || CODE=$?
  done
}

# 35: a restart is scheduled, and the run goes on after it. A run before it would be cut off.
wait_for_restart() {
  echo '{"installed":false,"restart":"scheduled"}'
  exit
}

first_run() {
  ordinary "$FIRST_RUN_LOG"
  write "$FIRST_RUN_LOG" ''
  if [ "$FIRST_RUN" = start ]; then
    (
      trap '' HUP
      run_client
    ) >/dev/null 2>&1 </dev/null 9<&- &
    return
  fi
  run_client
}

# 37: a restart is needed at some time, and is not the client's to make.
require_success() {
  case $CODE in
    0 | 37) return ;;
    35)
      replace "$RESTART" "$(cat "$BOOT_ID")
"
      wait_for_restart
      ;;
    172) fail "Chef's client on $NODE_NAME waits for its licence: add chef_license to the image's client.rb." ;;
    *) fail "the first run of Chef's client ended with exit code $CODE; $FIRST_RUN_LOG on the node says why." ;;
  esac
}

# Chef and Cinc bring no unit. The names are those that their own resource chef_client_systemd_timer uses, so that a cookbook with
# it replaces these.
make_units() {
  UNITS=$ETC/systemd/system
  folder "$UNITS" 755
  replace "$UNITS/$UNIT.service" "[Unit]
Description=Runs $UNIT once
After=network-online.target
Wants=network-online.target

[Service]
Type=oneshot
ExecStart=$CLIENT --config $CLIENT_RB
SuccessExitStatus=3 35 37 41 213
" 644
  replace "$UNITS/$UNIT.timer" "[Unit]
Description=Runs $UNIT regularly

[Timer]
OnBootSec=1min
OnUnitActiveSec=30min
RandomizedDelaySec=5min

[Install]
WantedBy=timers.target
" 644
  must "Cannot make the service $UNIT known on $NODE_NAME" systemctl daemon-reload
}

client_service() {
  UNIT=$CHEF_PRODUCT-client
  # Where cron runs the client, it runs already.
  if [ "$SERVICE" != enable ] || [ -e "$ETC/cron.d/$UNIT" ] || ! has_systemd; then return 0; fi
  if ! unit_file "$UNIT.timer" && unit_file "$UNIT.service"; then
    start_service "$UNIT"
    return
  fi
  unit_file "$UNIT.timer" || make_units
  start_service "$UNIT.timer"
}

need awk sed cat ls id mv rm mkdir mktemp chmod cp grep sleep env readlink
[ -s "$KEY" ] || fail "$NODE_NAME has no key $KEY: its identity was never collected."
CLIENT=$(command -v "$CHEF_PRODUCT-client" || echo "/opt/$CHEF_PRODUCT/bin/$CHEF_PRODUCT-client")
if [ "$FIRST_RUN" != none ] || [ "$SERVICE" = enable ]; then
  [ -x "$CLIENT" ] || fail "$NODE_NAME has no $CHEF_PRODUCT-client: install it in the image."
fi
if [ -s "$RESTART" ] && [ "$(cat "$RESTART")" = "$(cat "$BOOT_ID")" ]; then wait_for_restart; fi

folder "$CHEF_DIR/trusted_certs" 755
lock "$CHEF_DIR/trusted_certs"
keep_private "$KEY"
trust
converge
configure
remove "$RESTART"
CODE=0
if [ "$FIRST_RUN" != none ]; then first_run; fi
# Also after a run that has failed: the service tries again.
if [ "$CODE" != 35 ]; then client_service; fi
require_success
echo '{"installed":true}'
