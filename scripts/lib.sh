# Shared by the scripts beside it; sourced, never run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
pg_bin=/usr/lib/postgresql/15/bin
# Debian's own, which has Debian's pytest and drivers; another python3 may come first in PATH.
python=/usr/bin/python3

say() { printf '%s\n' "==> $*" >&2; }
die() {
  printf '%s\n' "${0##*/}: $*" >&2
  exit 1
}

# Runs a command as root, by sudo if we are not root ourselves.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "'$*' needs root: run as root, or install sudo"
  fi
}

# The user that servers run as: PostgreSQL and pgweir refuse to be root.
server_user() {
  if [ "$(id -u)" != 0 ]; then
    id -un
  elif id postgres >/dev/null 2>&1; then
    echo postgres
  else
    echo nobody
  fi
}

# Put before a command, makes it run as that user, in the same process (so that its pid is the command's).
unprivileged=()
if [ "$(id -u)" = 0 ]; then
  unprivileged=(setpriv --reuid="$(server_user)" --regid="$(id -g "$(server_user)")" --init-groups)
fi

port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# A loopback port nobody listens on.
free_port() {
  local port tries
  for tries in $(seq 50); do
    port=$((20000 + RANDOM % 12000))
    port_taken "$port" || { echo "$port"; return; }
  done
  die "no free loopback port after $tries tries"
}

build_jobs() { nproc 2>/dev/null || echo 2; }
