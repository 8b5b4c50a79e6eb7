# Runs on the node, as root: the Systems Manager document Muster-InstallChef. NODE_NAME, SERVER_URL,
# TRUSTED_CERTIFICATES, RUN_LIST, POLICY_NAME, POLICY_GROUP, ENVIRONMENT and FIRST_RUN are its parameters.
#
# Tells Chef's client its server, its name and what to converge, has it run where FIRST_RUN is "start" or "wait", and
# prints {"installed":true}. A client.rb that was there before is kept as client.rb.before-muster.
set -eu

CHEF_DIR=${CHEF_DIR:-/etc/chef}
FIRST_RUN_LOG=${FIRST_RUN_LOG:-/var/log/muster-first-run.log}
KEY=$CHEF_DIR/client.pem
MARK='# Written by Muster at every enrolment.'

fail() {
  echo "$1" >&2
  exit 1
}

client_rb() {
  echo "$MARK"
  echo "chef_server_url '$SERVER_URL'"
  echo "node_name '$NODE_NAME'"
  echo "client_key '$KEY'"
  echo "trusted_certs_dir '$CHEF_DIR/trusted_certs'"
  echo "ssl_verify_mode :verify_peer"
  [ -z "$POLICY_NAME" ] || echo "policy_name '$POLICY_NAME'"
  [ -z "$POLICY_GROUP" ] || echo "policy_group '$POLICY_GROUP'"
  [ -z "$ENVIRONMENT" ] || echo "environment '$ENVIRONMENT'"
}

# Each certificate of the text in a file of its own: Chef reads the first of a file only.
trust() {
  mkdir -p "$CHEF_DIR/trusted_certs"
  rm -f "$CHEF_DIR/trusted_certs"/muster-*.crt
  printf '%s\n' "$TRUSTED_CERTIFICATES" | awk -v prefix="$CHEF_DIR/trusted_certs/muster-" '
    /BEGIN CERTIFICATE/ { file = prefix (++count) ".crt" }
    file { print >file }
    /END CERTIFICATE/ { close(file); file = "" }
  '
}

# A command may come twice: the second waits, and its run finds nothing left to do.
first_run() {
  CHEF=$(command -v chef-client || echo /opt/chef/bin/chef-client)
  set -- "$CHEF" --config "$CHEF_DIR/client.rb"
  [ -z "$RUN_LIST" ] || set -- "$@" --json-attributes "$CHEF_DIR/first-run.json"
  case $FIRST_RUN in
    start) nohup "$@" >"$FIRST_RUN_LOG" 2>&1 </dev/null & ;;
    wait)
      exec 9>"$FIRST_RUN_LOG.lock"
      if command -v flock >/dev/null; then flock 9; fi
      CODE=0
      "$@" >"$FIRST_RUN_LOG" 2>&1 </dev/null 9>&- || CODE=$?
      [ "$CODE" = 0 ] ||
        fail "the first run of Chef's client ended with exit code $CODE; $FIRST_RUN_LOG on the node says why."
      ;;
  esac
}

[ -s "$KEY" ] || fail "$NODE_NAME has no key $KEY: its identity was never collected."

umask 022
NEW=$(mktemp -d "$CHEF_DIR/new.XXXXXX") || fail "Cannot write to $CHEF_DIR on $NODE_NAME."
trap 'rm -rf "$NEW"' EXIT
trust
client_rb >"$NEW/client.rb"
if [ -n "$RUN_LIST" ]; then
  printf '{"run_list":["%s"]}\n' "$(printf '%s' "$RUN_LIST" | sed 's/,/","/g')" >"$NEW/first-run.json"
  mv -f "$NEW/first-run.json" "$CHEF_DIR/first-run.json"
else
  rm -f "$CHEF_DIR/first-run.json"
fi
if [ -e "$CHEF_DIR/client.rb" ] && ! grep -qxF "$MARK" "$CHEF_DIR/client.rb"; then
  mv -f "$CHEF_DIR/client.rb" "$CHEF_DIR/client.rb.before-muster"
fi
mv -f "$NEW/client.rb" "$CHEF_DIR/client.rb"
first_run
echo '{"installed":true}'
