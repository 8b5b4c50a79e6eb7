# Runs on the node, as root, before each of the other scripts: what they share. NODE_NAME is a parameter of each document.
#
# An obstacle on the node ends a script with one sentence on standard error. A file is replaced as a whole, so that an
# interrupted script leaves the former file or the new one, and can run again.
set -eu
# Private, until a file is given its mode.
umask 077

ETC=${ETC:-/etc}

fail() {
  echo "$1" >&2
  exit 1
}

# must SENTENCE COMMAND…: the command's own reason ends the sentence, as in "…: No space left on device."
must() {
  SENTENCE=$1
  shift
  REASON=$(LC_ALL=C "$@" 2>&1) || {
    REASON=${REASON##*: }
    fail "$SENTENCE: ${REASON%.}."
  }
}

need() {
  for TOOL in "$@"; do
    command -v "$TOOL" >/dev/null || fail "$NODE_NAME has no $TOOL, which its enrolment needs: install it in the image."
  done
}

# folder PATH [MODE]: one that is ours to make.
folder() {
  if [ -d "$1" ]; then return; fi
  [ ! -L "$1" ] || fail "$1 on $NODE_NAME is a link to $(readlink "$1"), where no folder is: remove it."
  [ ! -e "$1" ] || fail "$1 on $NODE_NAME is a file, and a folder must be there: remove it."
  must "Cannot make the folder $1 on $NODE_NAME" mkdir -p -m "${2-700}" "$1"
}

# What is there may be an ordinary file, or a link to one, and nothing else: reading a pipe would never end.
ordinary() {
  [ ! -d "$1" ] || fail "$1 on $NODE_NAME is a folder, and a file must be there: remove it."
  [ ! -e "$1" ] || [ -f "$1" ] || fail "$1 on $NODE_NAME is no ordinary file: remove it."
}

# The file that a link leads to, which need not exist. (readlink -f differs between systems.)
behind() {
  FILE=$1
  LINKS=0
  while [ -L "$FILE" ]; do
    LINKS=$((LINKS + 1))
    [ "$LINKS" -le 40 ] || fail "$1 on $NODE_NAME is a link that leads back to itself: remove it."
    NEXT=$(readlink "$FILE")
    case $NEXT in
      /*) FILE=$NEXT ;;
      *) FILE=${FILE%/*}/$NEXT ;;
    esac
  done
  [ -d "${FILE%/*}" ] || fail "$1 on $NODE_NAME is a link to $FILE, whose folder does not exist: remove the link."
  printf '%s\n' "$FILE"
}

WORK=''
NEW=''
clean_up() {
  if [ -n "$WORK$NEW" ]; then rm -rf ${WORK:+"$WORK"} ${NEW:+"$NEW"}; fi
}
trap clean_up EXIT
trap 'exit 143' HUP INT TERM

# One script at a time works in a folder; what an interrupted one has left there is removed. Without flock, two commands that
# come at once are not kept apart.
lock() {
  exec 9<"$1"
  if command -v flock >/dev/null; then
    flock 9
    rm -rf "$1"/.muster.*
  fi
}

# A folder for what is not complete, below the one that it is for.
workspace() {
  WORK=$(LC_ALL=C mktemp -d "$1/.muster.XXXXXX" 2>&1) || {
    REASON=$WORK WORK=''
    fail "Cannot write to $1 on $NODE_NAME: ${REASON##*: }."
  }
  # A host's own openssl.cnf would add to the CSR, or change what is printed.
  write "$WORK/openssl.cnf" '[req]
distinguished_name = name
[name]
'
}

run_openssl() {
  env OPENSSL_CONF="$WORK/openssl.cnf" openssl "$@"
}

# write FILE TEXT [NAME]: by cat, which says why it cannot; shells do not.
write() {
  REASON=$({ printf '%s' "$2" | LC_ALL=C cat >"$1"; } 2>&1) || fail "Cannot write ${3-$1} on $NODE_NAME: ${REASON##*: }."
}

# The whole text of a file, its last line breaks included, with a mark behind it that keeps them.
text_of() {
  if [ -e "$1" ]; then cat "$1"; fi
  echo .
}

# replace FILE TEXT [MODE]: without MODE the file keeps its mode and its owner; a new one is readable by all.
replace() {
  ordinary "$1"
  if [ "$(text_of "$1")" != "$2." ]; then
    NEW=$(LC_ALL=C mktemp "${1%/*}/.muster.XXXXXX" 2>&1) || {
      REASON=$NEW NEW=''
      fail "Cannot write to ${1%/*} on $NODE_NAME: ${REASON##*: }."
    }
    chmod 644 "$NEW"
    if [ -z "${3-}" ] && [ -e "$1" ]; then must "Cannot copy $1 on $NODE_NAME" cp -p "$1" "$NEW"; fi
    write "$NEW" "$2" "$1"
    [ -z "${3-}" ] || chmod "$3" "$NEW"
    must "Cannot replace $1 on $NODE_NAME" mv -f "$NEW" "$1"
    NEW=''
  elif [ -n "${3-}" ]; then
    must "Cannot change the mode of $1 on $NODE_NAME" chmod "$3" "$1"
  fi
}

remove() {
  if [ -e "$1" ] || [ -L "$1" ]; then must "Cannot remove $1 on $NODE_NAME" rm -rf "$1"; fi
}

# Only root reads a key. Puppet itself gives keys to its server's user, where the node has one.
keep_private() {
  case $(LC_ALL=C ls -ldL "$1") in
    -rw-------*) ;;
    *) must "Cannot keep the key $1 on $NODE_NAME to root" chmod 600 "$1" ;;
  esac
  # shellcheck disable=SC2012
  OWNER=$(LC_ALL=C ls -ldnL "$1" | awk '{ print $3 }')
  if [ "$OWNER" != "$(id -u)" ] && [ "$OWNER" != "$(id -u puppet 2>/dev/null)" ]; then
    must "Cannot keep the key $1 on $NODE_NAME to root" chown "$(id -u)" "$1"
  fi
}

# Where the agents keep their configuration. Debian's own package of Puppet, and Cinc, have folders of their own.
has_program() {
  command -v "$1" >/dev/null || [ -x "$2/$1" ]
}
if [ -z "${PUPPET_DIR-}" ]; then
  PUPPET_DIR=$ETC/puppetlabs/puppet
  if [ ! -d "$ETC/puppetlabs" ] && [ -d "$ETC/puppet" ]; then PUPPET_DIR=$ETC/puppet; fi
fi
CHEF_MARK='# Written by Muster at every enrolment.'
CHEF_PRODUCT=chef
if has_program cinc-client /opt/cinc/bin; then CHEF_PRODUCT=cinc; fi
if [ -z "${CHEF_DIR-}" ]; then
  CHEF_DIR=$ETC/$CHEF_PRODUCT
  # Cinc's chef-client reads these too, and the node is known by the key that is there.
  if grep -qxF "$CHEF_MARK" "$ETC/chef/client.rb" 2>/dev/null; then CHEF_DIR=$ETC/chef; fi
fi

# Runs an agent as a service would: with the usual umask, a home, and no lock of ours.
as_service() {
  (
    umask 022
    export HOME="${HOME:-/root}"
    exec "$@" 9<&-
  )
}

# The unit of a service or of its timer, where the host has one.
unit_file() {
  for FOLDER in ${UNIT_DIRS:-"$ETC/systemd/system" /usr/lib/systemd/system /lib/systemd/system}; do
    if [ -e "$FOLDER/$1" ]; then return 0; fi
  done
  return 1
}

# A host that systemd has not booted (a container) has no service to start.
has_systemd() {
  command -v systemctl >/dev/null && [ "$(systemctl is-system-running 2>/dev/null)" != offline ]
}

# Has the agent run from now on, and after each start of the machine.
start_service() {
  must "Cannot enable the service $1 on $NODE_NAME" systemctl enable "$1"
  # An agent that the image has started before read the former configuration.
  must "Cannot start the service $1 on $NODE_NAME" systemctl restart "$1"
}
