# Runs on the node, as root: the Systems Manager document Muster-CollectIdentity. NODE_NAME and AGENT are its parameters.
#
# Makes the node's key if there is none, and prints one line of JSON: {"csr","identityDocument",
# "identitySignature","identityRsa2048"}.
# The key is that of AGENT (puppet or chef); where it is "any", Puppet's if its agent is installed, otherwise Chef's. The
# key never leaves the node.
set -eu
umask 077

PUPPET_DIR=${PUPPET_DIR:-/etc/puppetlabs/puppet}
CHEF_DIR=${CHEF_DIR:-/etc/chef}
IMDS=${IMDS:-http://169.254.169.254}

fail() {
  echo "$1" >&2
  exit 1
}

# Two commands may run at once: each makes a key, one of them gets the name, and both go on with that one.
make_key() {
  mkdir -p "${KEY%/*}" || fail "Cannot make the folder ${KEY%/*} for the key of $NODE_NAME."
  NEW=$(mktemp "$KEY.XXXXXX") || fail "Cannot write to ${KEY%/*}, where the key of $NODE_NAME belongs."
  openssl genrsa -out "$NEW" 2048 2>/dev/null || fail "openssl on $NODE_NAME cannot make a key."
  ln "$NEW" "$KEY" 2>/dev/null || true
  rm -f "$NEW"
}

# The metadata service limits its rate, and may still be starting: four attempts, a second apart.
imds() {
  curl -sSf --noproxy '*' --max-time 5 --retry 3 --retry-delay 1 --retry-connrefused "$@"
}

metadata() {
  imds -H "X-aws-ec2-metadata-token: $TOKEN" "$IMDS/latest/$1" ||
    fail "The metadata service of $NODE_NAME does not answer for $1."
}

# The text as a JSON string. (printf, because echo reads backslashes in some shells.)
json() {
  printf '%s\n' "$1" | tr -d '\r' | sed 's/\\/\\\\/g; s/"/\\"/g' |
    awk '{ gsub(/\t/, "\\t"); text = text separator $0; separator = "\\n" } END { printf "\"%s\"", text }'
}

for TOOL in openssl curl awk; do
  command -v "$TOOL" >/dev/null || fail "$NODE_NAME has no $TOOL, which its enrolment needs: install it in the image."
done

if [ "$AGENT" = any ]; then
  if [ -d "$PUPPET_DIR" ]; then AGENT=puppet; else AGENT=chef; fi
fi
case $AGENT in
  puppet) KEY=$PUPPET_DIR/ssl/private_keys/$NODE_NAME.pem ;;
  chef) KEY=$CHEF_DIR/client.pem ;;
  *) fail "There is no agent $AGENT: the document Muster-CollectIdentity takes puppet, chef or any." ;;
esac
[ -s "$KEY" ] || make_key

CSR=$(openssl req -new -sha256 -key "$KEY" -subj "/CN=$NODE_NAME") || fail "openssl cannot read the key $KEY of $NODE_NAME."
TOKEN=$(imds -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$IMDS/latest/api/token") ||
  fail "The metadata service of $NODE_NAME gives no IMDSv2 token."
DOCUMENT=$(metadata dynamic/instance-identity/document)
SIGNATURE=$(metadata dynamic/instance-identity/signature)
RSA2048=$(metadata dynamic/instance-identity/rsa2048)

printf '{"csr":%s,"identityDocument":%s,"identitySignature":%s,"identityRsa2048":%s}\n' \
  "$(json "$CSR")" "$(json "$DOCUMENT")" "$(json "$SIGNATURE")" "$(json "$RSA2048")"
