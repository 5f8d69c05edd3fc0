# Shared by bench/compare and bench/users10k; sourced, never run. Starts what is measured, on loopback ports, and stops it.

source "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

bench=${PGWEIR_BENCH:-$root/build/release/pgweir-bench}
pgweir=${PGWEIR:-$root/build/release/pgweir}
pool_size=20
clients_max=20000
children=()
targets=()

# Everything that was started ends with the script, however that ends.
stop_all() {
  local status=$?
  set +e
  trap - EXIT INT TERM
  if [ "${#children[@]}" -gt 0 ]; then
    kill -INT "${children[@]}" 2>/dev/null
    for _ in $(seq 50); do
      kill -0 "${children[@]}" 2>/dev/null || break
      sleep 0.1
    done
    kill -KILL "${children[@]}" 2>/dev/null
  fi
  [ -z "${place:-}" ] || rm -rf "$place"
  exit "$status"
}

# A folder of this run, below build/ where the servers' user gets there, else below the temporary folder.
prepare() {
  [ -x "$bench" ] || die "no $bench: run cmake --preset release && cmake --build --preset release"
  ulimit -n 100000 2>/dev/null || ulimit -n "$(ulimit -Hn)"
  mkdir -p "$root/build"
  place=$(mktemp -d "$root/build/bench-run.XXXXXX")
  trap stop_all EXIT
  trap 'exit 130' INT TERM
  chmod 755 "$place"
  if [ "$(id -u)" = 0 ] && ! "${unprivileged[@]}" test -x "$place"; then
    rmdir "$place"
    place=$(mktemp -d)
  fi
  [ "$(id -u)" != 0 ] || chown "$(server_user)" "$place"
}

# start NAME PORT COMMAND...: runs it as the servers' user and waits until it listens. Its pid is in $started. Fails
# when it does not come up.
start() {
  local name=$1 port=$2
  shift 2
  "${unprivileged[@]}" "$@" >>"$place/$name.out" 2>&1 </dev/null &
  started=$!
  children+=("$started")
  for _ in $(seq 100); do
    port_taken "$port" && return 0
    kill -0 "$started" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 5 "$place/$name.out" "$place/$name.log" >&2 2>/dev/null || true
  say "$name did not start"
  return 1
}

add_target() { targets+=(--target "$1=postgres://bench@127.0.0.1:$2/bench,pid=$3"); }

start_null_server() {
  server_port=$(free_port)
  start null-server "$server_port" "$bench" null-server --port "$server_port"
  server_pid=$started
}

start_postgres() {
  [ -x "$pg_bin/initdb" ] || die "no $pg_bin/initdb: run scripts/install-dependencies"
  say "initdb"
  "${unprivileged[@]}" "$pg_bin/initdb" -D "$place/data" -U bench -A trust -E UTF8 --no-sync >"$place/initdb.out"
  server_port=$(free_port)
  start postgres "$server_port" "$pg_bin/postgres" -D "$place/data" -p "$server_port" \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=300 -c fsync=off
  server_pid=$started
  for _ in $(seq 100); do
    "$pg_bin/createdb" -h 127.0.0.1 -p "$server_port" -U bench bench 2>/dev/null && return 0
    sleep 0.1
  done
  die "PostgreSQL did not accept a connection"
}

start_relay() {
  local port
  port=$(free_port)
  start relay "$port" "$bench" relay --listen "127.0.0.1:$port" --to "127.0.0.1:$server_port"
  add_target relay "$port" "$started"
}

# pooler_ini NAME PORT: the same file for every pooler but for its port and its log.
pooler_ini() {
  echo "\"bench\" \"${user_password:-}\"" >"$place/users.txt"
  cat >"$place/$1.ini" <<END
[databases]
bench = host=127.0.0.1 port=$server_port dbname=bench
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $2
listen_backlog = 4096
unix_socket_dir =
auth_type = trust
auth_file = $place/users.txt
logfile = $place/$1.log
pool_mode = transaction
default_pool_size = $pool_size
max_client_conn = $clients_max
query_wait_timeout = 0
log_connections = 0
log_disconnections = 0
END
}

start_pgbouncer() {
  local port binary
  binary=$(PATH=$PATH:/usr/sbin command -v pgbouncer) || {
    say "pgbouncer is not installed: left out"
    return 0
  }
  port=$(free_port)
  pooler_ini pgbouncer "$port"
  start pgbouncer "$port" "$binary" -q "$place/pgbouncer.ini"
  add_target pgbouncer "$port" "$started"
}

# One worker, as PgBouncer has one, unless PGWEIR_WORKERS says otherwise.
start_pgweir() {
  local port
  [ -x "$pgweir" ] || {
    say "$pgweir is not built: left out"
    return 0
  }
  port=$(free_port)
  pooler_ini pgweir "$port"
  echo "workers = ${PGWEIR_WORKERS:-1}" >>"$place/pgweir.ini"
  start pgweir "$port" "$pgweir" -q "$place/pgweir.ini"
  add_target pgweir "$port" "$started"
}
