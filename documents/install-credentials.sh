# Runs on the node, as root: the Systems Manager document Muster-InstallCredentials. NODE_NAME, CERTIFICATE,
# CA_CERTIFICATE, SERVER, SERVER_PORT, ENVIRONMENT and FIRST_RUN are its parameters.
#
# Gives Puppet's agent its certificate and its server's CA, tells it its server where SERVER is one, has it run where
# FIRST_RUN is "start" or "wait", and prints {"installed":true}. Nothing is changed unless the certificate is for this
# node's key and by that CA.
set -eu

PUPPET_DIR=${PUPPET_DIR:-/etc/puppetlabs/puppet}
FIRST_RUN_LOG=${FIRST_RUN_LOG:-/var/log/muster-first-run.log}
SSL=$PUPPET_DIR/ssl
KEY=$SSL/private_keys/$NODE_NAME.pem

fail() {
  echo "$1" >&2
  exit 1
}

# The image's own puppet.conf, with our settings in its section main, and nowhere else.
configure() {
  touch "$PUPPET_DIR/puppet.conf"
  SETTINGS=$(
    echo "server = $SERVER"
    echo "serverport = $SERVER_PORT"
    echo "certname = $NODE_NAME"
    echo "ssldir = $SSL"
    [ -z "$ENVIRONMENT" ] || echo "environment = $ENVIRONMENT"
  ) awk '
    BEGIN {
      count = split(ENVIRON["SETTINGS"], lines, "\n")
      for (i = 1; i <= count; i++) { name = lines[i]; sub(/ .*/, "", name); ours[name] = 1 }
    }
    /^[ \t]*\[/ {
      section = $0
      gsub(/[][ \t\r]/, "", section)
      print
      if (section == "main" && !done) { print ENVIRON["SETTINGS"]; done = 1 }
      next
    }
    { name = $0; sub(/[ \t]*=.*/, "", name); sub(/^[ \t]*/, "", name) }
    (section == "" || section == "main" || section == "agent") && name in ours { next }
    { print }
    END { if (!done) print "[main]\n" ENVIRON["SETTINGS"] }
  ' "$PUPPET_DIR/puppet.conf" >"$NEW/puppet.conf"
  chmod 644 "$NEW/puppet.conf"
  mv -f "$NEW/puppet.conf" "$PUPPET_DIR/puppet.conf"
}

# A command may come twice: the second waits, and its run finds nothing left to do.
first_run() {
  PUPPET=$(command -v puppet || echo /opt/puppetlabs/bin/puppet)
  set -- "$PUPPET" agent --test --confdir "$PUPPET_DIR"
  case $FIRST_RUN in
    start) nohup "$@" >"$FIRST_RUN_LOG" 2>&1 </dev/null & ;;
    wait)
      exec 9>"$FIRST_RUN_LOG.lock"
      if command -v flock >/dev/null; then flock 9; fi
      CODE=0
      "$@" >"$FIRST_RUN_LOG" 2>&1 </dev/null 9>&- || CODE=$?
      # 2: it made changes.
      [ "$CODE" = 0 ] || [ "$CODE" = 2 ] ||
        fail "the first run of Puppet's agent ended with exit code $CODE; $FIRST_RUN_LOG on the node says why."
      ;;
  esac
}

command -v openssl >/dev/null || fail "$NODE_NAME has no openssl, which its enrolment needs: install it in the image."
[ -s "$KEY" ] || fail "$NODE_NAME has no key $KEY: its identity was never collected, or Puppet's agent is not installed."

mkdir -p "$SSL/certs"
NEW=$(mktemp -d "$SSL/certs/new.XXXXXX") || fail "Cannot write to $SSL/certs on $NODE_NAME."
trap 'rm -rf "$NEW"' EXIT
printf '%s\n' "$CERTIFICATE" >"$NEW/node.pem"
printf '%s\n' "$CA_CERTIFICATE" >"$NEW/ca.pem"

CERTIFIED_KEY=$(openssl x509 -in "$NEW/node.pem" -noout -pubkey 2>/dev/null) ||
  fail "The certificate for $NODE_NAME cannot be read."
[ "$CERTIFIED_KEY" = "$(openssl pkey -in "$KEY" -pubout 2>/dev/null)" ] ||
  fail "The certificate for $NODE_NAME is not for the key $KEY."
openssl verify -partial_chain -CAfile "$NEW/ca.pem" "$NEW/node.pem" >/dev/null 2>&1 ||
  fail "The certificate for $NODE_NAME is not signed by the CA certificate that came with it, or not valid today."

chmod 644 "$NEW/node.pem" "$NEW/ca.pem"
[ -z "$SERVER" ] || configure
# The certificate last: with it, the agent considers itself enrolled.
mv -f "$NEW/ca.pem" "$SSL/certs/ca.pem"
mv -f "$NEW/node.pem" "$SSL/certs/$NODE_NAME.pem"
first_run
echo '{"installed":true}'
