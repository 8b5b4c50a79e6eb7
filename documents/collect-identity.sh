# Runs on the node, as root: the Systems Manager document Muster-CollectIdentity, after common.sh. NODE_NAME and AGENT are its
# parameters.
#
# Makes the node's key if there is none, and prints one line of JSON: {"csr","identityDocument",
# "identitySignature","identityRsa2048"}.
# The key is that of AGENT (puppet or chef); where it is "any", Puppet's if its agent is installed, otherwise Chef's. The
# key never leaves the node.
# shellcheck disable=SC1091
command -v must >/dev/null || . "${0%/*}/common.sh"

IMDS=${IMDS:-http://169.254.169.254}

is_key() {
  run_openssl pkey -in "$1" -passin pass: -noout >/dev/null 2>&1
}

# Where no flock is, two commands may run at once: each makes a key, one of them gets the name, and both go on with that one.
make_key() {
  MADE=$WORK/key.pem
  run_openssl genrsa -out "$MADE" 2048 2>/dev/null || fail "openssl on $NODE_NAME cannot make a key."
  # On a full disk openssl may report success.
  is_key "$MADE" || fail "openssl on $NODE_NAME cannot write a key to ${KEY%/*}: the disk may be full."
  ln "$MADE" "$KEY" 2>/dev/null || [ -e "$KEY" ] || must "Cannot write the key $KEY on $NODE_NAME" mv "$MADE" "$KEY"
}

# An image may bear the key of the node that it was made from, beside the client.rb that names this node. Puppet's keys have
# their node's name.
set_aside_foreign_key() {
  OTHER=$(sed -n "s/^[[:space:]]*node_name[[:space:](]*[\"']\([A-Za-z0-9_.:-]*\)[\"'].*/\1/p" "$CHEF_DIR/client.rb" 2>/dev/null | tail -n 1)
  if [ -z "$OTHER" ] || [ "$OTHER" = "$NODE_NAME" ] || [ -e "$KEY.of-$OTHER" ] || [ ! -s "$KEY" ]; then return; fi
  must "Cannot set aside the key $KEY of $OTHER on $NODE_NAME" mv "$KEY" "$KEY.of-$OTHER"
  keep_private "$KEY.of-$OTHER"
}

# The metadata service limits its rate, and may still be starting: four attempts, a second apart. A host's .curlrc is not read.
imds() {
  for PAUSE in 1 1 1 0; do
    if BODY=$(curl -q -sSf --noproxy '*' --max-time 5 "$@" 2>/dev/null); then
      printf '%s\n' "$BODY"
      return
    fi
    sleep "$PAUSE"
  done
  return 1
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

need openssl curl awk sed tr cat ls id ln mv rm mkdir mktemp chmod cp tail sleep env readlink

if [ "$AGENT" = any ]; then
  if [ -d "$PUPPET_DIR" ]; then AGENT=puppet; else AGENT=chef; fi
fi
case $AGENT in
  puppet) KEY=$PUPPET_DIR/ssl/private_keys/$NODE_NAME.pem ;;
  chef) KEY=$CHEF_DIR/client.pem ;;
  *) fail "There is no agent $AGENT: the document Muster-CollectIdentity takes puppet, chef or any." ;;
esac
if [ "$AGENT" = puppet ]; then
  folder "$PUPPET_DIR"
  folder "$PUPPET_DIR/ssl"
fi
folder "${KEY%/*}"
lock "${KEY%/*}"
workspace "${KEY%/*}"
ordinary "$KEY"
[ ! -L "$KEY" ] || [ -e "$KEY" ] || fail "The key $KEY of $NODE_NAME is a link to $(readlink "$KEY"), where nothing is: remove it."
if [ "$AGENT" = chef ]; then set_aside_foreign_key; fi
# A full disk leaves an empty file.
if [ -e "$KEY" ] && [ ! -s "$KEY" ]; then must "Cannot remove the empty key $KEY on $NODE_NAME" rm -f "$(behind "$KEY")"; fi
[ -e "$KEY" ] || make_key
keep_private "$KEY"
is_key "$KEY" || fail "openssl cannot read the key $KEY of $NODE_NAME: remove it if it is no key without a passphrase."

CSR=$(run_openssl req -new -sha256 -key "$KEY" -passin pass: -subj "/CN=$NODE_NAME" 2>/dev/null) ||
  fail "openssl cannot make a CSR with the key $KEY of $NODE_NAME."
TOKEN=$(imds -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$IMDS/latest/api/token") ||
  fail "The metadata service of $NODE_NAME gives no IMDSv2 token."
DOCUMENT=$(metadata dynamic/instance-identity/document)
SIGNATURE=$(metadata dynamic/instance-identity/signature)
RSA2048=$(metadata dynamic/instance-identity/rsa2048)

printf '{"csr":%s,"identityDocument":%s,"identitySignature":%s,"identityRsa2048":%s}\n' \
  "$(json "$CSR")" "$(json "$DOCUMENT")" "$(json "$SIGNATURE")" "$(json "$RSA2048")"
