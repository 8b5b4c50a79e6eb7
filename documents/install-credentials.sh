# Runs on the node, as root: the Systems Manager document Muster-InstallCredentials, after common.sh. NODE_NAME, CERTIFICATE,
# CA_CERTIFICATE, SERVER, SERVER_PORT, ENVIRONMENT, FIRST_RUN and SERVICE are its parameters.
#
# Gives Puppet's agent its certificate, its server's CA and, where SERVER is one, its settings. Runs the agent where FIRST_RUN is
# "start" or "wait", enables its service where SERVICE is "enable", and prints {"installed":true}. Nothing is changed unless the
# certificate is for this node's key and by that CA.
# shellcheck disable=SC1091
command -v must >/dev/null || . "${0%/*}/common.sh"

FIRST_RUN_LOG=${FIRST_RUN_LOG:-/var/log/muster-first-run.log}
SSL=$PUPPET_DIR/ssl
KEY=$SSL/private_keys/$NODE_NAME.pem
CONF=$PUPPET_DIR/puppet.conf
SERVICE=${SERVICE:-leave}

# What the agent takes from [main] or [agent] before `server`, and where it would look for another key, certificate or CA.
OUTRANKING='masterport server_list use_srv_records srv_domain ca_server ca_port report_server report_port
certdir privatekeydir publickeydir requestdir hostcert hostprivkey hostpubkey hostcsr hostcrl localcacert'

settings() {
  echo "server = $SERVER"
  echo "serverport = $SERVER_PORT"
  echo "certname = $NODE_NAME"
  echo "ssldir = $SSL"
  [ -z "$ENVIRONMENT" ] || echo "environment = $ENVIRONMENT"
}

# The image's own puppet.conf with our settings in its section main, and nowhere else. Lines are parsed as Puppet parses them: it
# reads nothing of a file with a line or a section that it does not know, or with a byte order mark. awk prints the text with a
# full stop behind it, or else the number of a line that Puppet cannot read.
configured() {
  LAST_LINE=ended
  if [ -s "$1" ] && [ -n "$(tail -c 1 "$1")" ]; then LAST_LINE=open; fi
  SETTINGS=$(settings) OUTRANKING=$OUTRANKING LAST_LINE=$LAST_LINE LC_ALL=C awk '
    function put(text) { printf "%s%s", separator, text; separator = "\n" }
    BEGIN {
      count = split(ENVIRON["SETTINGS"], lines, "\n")
      for (i = 1; i <= count; i++) { name = lines[i]; sub(/ .*/, "", name); ours[name] = 1 }
      count = split(ENVIRON["OUTRANKING"], names, /[ \n]/)
      for (i = 1; i <= count; i++) ours[names[i]] = 1
      section = "main"
    }
    NR == 1 { sub(/^\357\273\277/, "") }
    { line = $0; sub(/\r$/, "", line) }
    line ~ /^[ \t]*\[[A-Za-z0-9_]+\][ \t]*$/ {
      section = line
      gsub(/[][ \t]/, "", section)
      if (section !~ /^(main|agent|user|master|server)$/) { bad = NR; exit }
      put($0)
      if (section == "main" && !done) { put(ENVIRON["SETTINGS"]); done = 1 }
      next
    }
    line ~ /^[ \t]*[A-Za-z0-9_]+[ \t]*=/ {
      name = line
      sub(/[ \t]*=.*/, "", name)
      sub(/^[ \t]*/, "", name)
      if (!((section == "main" || section == "agent") && name in ours)) put($0)
      next
    }
    line ~ /^[ \t]*(#.*)?$/ { put($0); next }
    { bad = NR; exit }
    END {
      if (bad) { printf "\n%d", bad; exit 1 }
      if (!done) put("[main]\n" ENVIRON["SETTINGS"])
      if (!done || ENVIRON["LAST_LINE"] == "ended") printf "\n"
      printf "."
    }
  ' "$1"
}

configure() {
  FILE=$(behind "$CONF")
  ordinary "$FILE"
  PRESENT=/dev/null
  if [ -e "$FILE" ]; then PRESENT=$FILE; fi
  TEXT=$(configured "$PRESENT") ||
    fail "Puppet cannot read line ${TEXT##*[!0-9]} of $CONF on $NODE_NAME: correct it, and enrol again."
  replace "$FILE" "${TEXT%.}"
}

# A list of revoked certificates that another CA has issued ends every run; without one the agent fetches it.
remove_foreign_crl() {
  if [ -f "$SSL/crl.pem" ] && [ "$(text_of "$SSL/certs/ca.pem")" = "$CA_CERTIFICATE
." ] && run_openssl crl -in "$SSL/crl.pem" -noout -CAfile "$WORK/ca.pem" 2>&1 | grep -q 'verify OK'; then
    return
  fi
  remove "$SSL/crl.pem"
}

run_once() {
  CODE=0
  as_service "$PUPPET" agent --test --confdir "$PUPPET_DIR" >"$FIRST_RUN_LOG" 2>&1 </dev/null || CODE=$?
}

enable_agent() {
  must "Puppet's agent on $NODE_NAME is disabled, and cannot be enabled" \
    as_service "$PUPPET" agent --enable --confdir "$PUPPET_DIR"
}

# An agent that the image has started may be running now, or have been disabled in it.
run_agent() {
  run_once
  if [ "$CODE" = 1 ] && grep -q 'administratively disabled' "$FIRST_RUN_LOG"; then
    enable_agent
    run_once
  fi
  LEFT=${LOCKED_ATTEMPTS:-60}
  while [ "$CODE" = 1 ] && grep -qE 'already in progress|already running' "$FIRST_RUN_LOG"; do
    [ "$LEFT" -gt 0 ] || fail "another run of Puppet's agent on $NODE_NAME does not end; $FIRST_RUN_LOG there names its lock."
    LEFT=$((LEFT - 1))
    sleep 10
    run_once
  done
}

first_run() {
  ordinary "$FIRST_RUN_LOG"
  write "$FIRST_RUN_LOG" ''
  if [ "$FIRST_RUN" = start ]; then
    (
      trap '' HUP
      run_agent
    ) >/dev/null 2>&1 </dev/null 9<&- &
    return
  fi
  run_agent
  keep_private "$KEY"
}

agent_service() {
  if [ "$SERVICE" = enable ]; then
    enable_agent
    if has_systemd; then start_service puppet; fi
  fi
}

need openssl awk sed cat ls id mv rm mkdir mktemp chmod cp grep tail sleep env readlink
[ -s "$KEY" ] || fail "$NODE_NAME has no key $KEY: its identity was never collected, or Puppet's agent is not installed."
PUPPET=$(command -v puppet || echo /opt/puppetlabs/bin/puppet)
if [ "$FIRST_RUN" != none ] || [ "$SERVICE" = enable ]; then
  [ -x "$PUPPET" ] || fail "$NODE_NAME has no Puppet agent: install it in the image."
fi

folder "$SSL/certs" 755
lock "$SSL/certs"
workspace "$SSL/certs"
write "$WORK/node.pem" "$CERTIFICATE
"
write "$WORK/ca.pem" "$CA_CERTIFICATE
"

CERTIFIED_KEY=$(run_openssl x509 -in "$WORK/node.pem" -noout -pubkey 2>/dev/null) ||
  fail "The certificate for $NODE_NAME cannot be read."
[ "$CERTIFIED_KEY" = "$(run_openssl pkey -in "$KEY" -passin pass: -pubout 2>/dev/null)" ] ||
  fail "The certificate for $NODE_NAME is not for the key $KEY."
run_openssl verify -partial_chain -CAfile "$WORK/ca.pem" "$WORK/node.pem" >/dev/null 2>&1 ||
  fail "The certificate for $NODE_NAME is not signed by the CA certificate that came with it, or not valid today."

keep_private "$KEY"
[ -z "$SERVER" ] || configure
remove_foreign_crl
# The certificate last: with it, the agent considers itself enrolled.
replace "$SSL/certs/ca.pem" "$CA_CERTIFICATE
" 644
replace "$SSL/certs/$NODE_NAME.pem" "$CERTIFICATE
" 644
CODE=0
if [ "$FIRST_RUN" != none ]; then first_run; fi
# Also after a run that has failed: the service tries again.
agent_service
# 2: it made changes.
[ "$CODE" = 0 ] || [ "$CODE" = 2 ] ||
  fail "the first run of Puppet's agent ended with exit code $CODE; $FIRST_RUN_LOG on the node says why."
echo '{"installed":true}'
