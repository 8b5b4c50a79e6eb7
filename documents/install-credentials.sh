# Runs on the node, as root: the Systems Manager document Muster-InstallCredentials. NODE_NAME, CERTIFICATE and
# CA_CERTIFICATE are its parameters.
#
# Gives Puppet's agent its certificate and its server's CA, and prints {"installed":true}. Nothing is changed unless the
# certificate is for this node's key and by that CA.
set -eu

PUPPET_DIR=${PUPPET_DIR:-/etc/puppetlabs/puppet}
SSL=$PUPPET_DIR/ssl
KEY=$SSL/private_keys/$NODE_NAME.pem

fail() {
  echo "$1" >&2
  exit 1
}

command -v openssl >/dev/null || fail "$NODE_NAME has no openssl, which its enrolment needs: install it in the image."
[ -s "$KEY" ] || fail "$NODE_NAME has no key $KEY: its identity was never collected, or Puppet's agent is not installed."

mkdir -p "$SSL/certs"
NEW=$(mktemp -d "$SSL/certs/new.XXXXXX") || fail "Cannot write to $SSL/certs on $NODE_NAME."
trap 'rm -rf "$NEW"' EXIT
printf '%s\n' "$CERTIFICATE" >"$NEW/node.pem"
printf '%s\n' "$CA_CERTIFICATE" >"$NEW/ca.pem"

OF_CERTIFICATE=$(openssl x509 -in "$NEW/node.pem" -noout -pubkey 2>/dev/null) ||
  fail "The certificate for $NODE_NAME cannot be read."
[ "$OF_CERTIFICATE" = "$(openssl pkey -in "$KEY" -pubout 2>/dev/null)" ] ||
  fail "The certificate for $NODE_NAME is not for the key $KEY."
openssl verify -partial_chain -CAfile "$NEW/ca.pem" "$NEW/node.pem" >/dev/null 2>&1 ||
  fail "The certificate for $NODE_NAME is not signed by the CA certificate that came with it, or not valid today."

chmod 644 "$NEW/node.pem" "$NEW/ca.pem"
# The certificate last: with it, the agent considers itself enrolled.
mv -f "$NEW/ca.pem" "$SSL/certs/ca.pem"
mv -f "$NEW/node.pem" "$SSL/certs/$NODE_NAME.pem"
echo '{"installed":true}'
