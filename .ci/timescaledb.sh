#!/usr/bin/env bash
# A real TimescaleDB (Apache edition) for the tests, on Debian 12 or 13, as root.
#
#   .ci/timescaledb.sh start [ENV_FILE]   build it (once), start a cluster on a free port of loopback and write
#                                         `export MOODTAPE_DATABASE_URL=...` to ENV_FILE (timescaledb.env)
#   .ci/timescaledb.sh stop [ENV_FILE]    stop that cluster and remove its data
#
# Debian's source of the extension is built against Debian's PostgreSQL. The result of the build is kept under
# ${MOODTAPE_CI_CACHE:-~/.cache/moodtape-ci}; never a cluster, never a result of tests.
set -euo pipefail
PATH="$PATH:/usr/sbin:/sbin" # runuser

VERSION=2.19.3
# SHA-256 of timescaledb_2.19.3+dfsg.orig.tar.xz, Debian's repack without the files under the Timescale licence.
SOURCE_SHA256=09fd11191768c220b071f61a108df9bd1df5522fbe4e7c2229f30f69b195454a
SUITE=trixie
CACHE="${MOODTAPE_CI_CACHE:-$HOME/.cache/moodtape-ci}"
ACTION="${1:-}"
ENV_FILE="${2:-timescaledb.env}"

say() { printf 'timescaledb: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

apt_install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >&2; }

# The major version of Debian's PostgreSQL; the extension's source knows 14 to 17.
install_server() {
  apt-get update -q >&2
  # The package would start a cluster of its own.
  if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
  fi
  MAJOR="$(apt-cache depends postgresql | sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p' | head -n 1)"
  case "$MAJOR" in 14 | 15 | 16 | 17) ;; *) die "Debian's PostgreSQL here is '$MAJOR'; TimescaleDB $VERSION needs 14 to 17" ;; esac
  BIN="/usr/lib/postgresql/$MAJOR/bin"
  [ -x "$BIN/postgres" ] || apt_install "postgresql-$MAJOR"
}

# Debian's archive, as this machine already reaches and trusts it, for the source package alone.
fetch_source() {
  local work="$1" list="$1/source.sources" uri key
  uri="$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -n 1)"
  key="$(sed -n 's/^Signed-By: *//p' /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -n 1)"
  printf 'Types: deb-src\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' "${uri:-http://deb.debian.org/debian}" \
    "$SUITE" "${key:-/usr/share/keyrings/debian-archive-keyring.gpg}" > "$list"
  mkdir -p "$work/lists/partial" "$work/apt"
  local apt=(apt-get -q -o "Dir::Etc::sourcelist=$list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/apt" -o APT::Sandbox::User=root)
  "${apt[@]}" update >&2
  (cd "$work" && "${apt[@]}" source --download-only timescaledb >&2)
  echo "$SOURCE_SHA256  $work/timescaledb_$VERSION+dfsg.orig.tar.xz" | sha256sum --check --quiet >&2 ||
    die "the source has another SHA-256 than this script expects"
}

build() {
  local work
  work="$(mktemp -d)"
  # shellcheck disable=SC2064  # the folder as it is named now
  trap "rm -rf '$work'" EXIT
  say "building $VERSION for PostgreSQL $MAJOR (about a minute)"
  apt_install "postgresql-server-dev-$MAJOR" libkrb5-dev libssl-dev dpkg-dev cmake gcc make xz-utils
  fetch_source "$work"
  mkdir "$work/source"
  tar xf "$work/timescaledb_$VERSION+dfsg.orig.tar.xz" -C "$work/source" --strip-components=1
  (
    cd "$work/source"
    ./bootstrap -DAPACHE_ONLY=1 -DREGRESS_CHECKS=OFF -DTAP_CHECKS=OFF -DWARNINGS_AS_ERRORS=OFF \
      -DGENERATE_DOWNGRADE_SCRIPT=OFF -DCMAKE_BUILD_TYPE=Release -DPG_CONFIG="$BIN/pg_config"
    make -C build -j"$(nproc)"
    make -C build install DESTDIR="$work/stage"
  ) > "$work/build.log" 2>&1 || { tail -n 40 "$work/build.log" >&2; die "the build failed"; }
  mkdir -p "$CACHE"
  tar czf "$ARCHIVE.$$" -C "$work/stage" .
  (cd "$CACHE" && mv "$ARCHIVE.$$" "$ARCHIVE" && sha256sum "$(basename "$ARCHIVE")" > "$ARCHIVE.sha256")
}

install_extension() {
  ARCHIVE="$CACHE/timescaledb-$VERSION-pg$MAJOR-$(dpkg --print-architecture).tar.gz"
  if ! (cd "$CACHE" 2>/dev/null && sha256sum --check --quiet "$(basename "$ARCHIVE").sha256" 2>/dev/null); then
    build
  fi
  tar xzf "$ARCHIVE" -C / --no-same-owner --no-overwrite-dir
}

as_postgres() { (cd / && runuser -u postgres -- "$@"); }

start() {
  [ "$(id -u)" = 0 ] || die "must run as root: it installs packages"
  if [ -e "$ENV_FILE" ]; then stop; fi
  install_server
  install_extension
  local cluster password port
  cluster="$(mktemp -d /var/tmp/moodtape-timescaledb.XXXXXX)"
  password="$(od -An -N18 -tx1 /dev/urandom | tr -d ' \n')"
  port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
  printf '%s\n' "$password" > "$cluster/password"
  chown -R postgres: "$cluster"
  as_postgres "$BIN/initdb" -D "$cluster/data" -U moodtape --pwfile "$cluster/password" -A scram-sha-256 -E UTF8 \
    --locale=C.UTF-8 --no-sync > /dev/null
  cat >> "$cluster/data/postgresql.conf" << CONF
port = $port
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_preload_libraries = 'timescaledb'
timescaledb.telemetry_level = off
max_worker_processes = 16
max_connections = 200
timezone = 'UTC'
fsync = off
CONF
  as_postgres "$BIN/pg_ctl" -D "$cluster/data" -w -l "$cluster/log" start > /dev/null || { tail "$cluster/log" >&2; die "did not start"; }
  PGPASSWORD="$password" "$BIN/psql" -q -h 127.0.0.1 -p "$port" -U moodtape -d postgres -c 'CREATE DATABASE moodtape'
  (
    umask 077
    printf '# cluster=%s\n# bin=%s\nexport MOODTAPE_DATABASE_URL=postgresql://moodtape:%s@127.0.0.1:%s/moodtape\n' \
      "$cluster" "$BIN" "$password" "$port" > "$ENV_FILE"
  )
  say "PostgreSQL $MAJOR with TimescaleDB $VERSION on port $port; . $ENV_FILE"
}

stop() {
  [ -e "$ENV_FILE" ] || { say "nothing to stop: no $ENV_FILE"; return 0; }
  local cluster bin
  cluster="$(sed -n 's/^# cluster=//p' "$ENV_FILE")"
  bin="$(sed -n 's/^# bin=//p' "$ENV_FILE")"
  case "$cluster" in /var/tmp/moodtape-timescaledb.*) ;; *) die "$ENV_FILE is not of this script" ;; esac
  if [ -d "$cluster/data" ]; then
    as_postgres "$bin/pg_ctl" -D "$cluster/data" -m fast -w stop > /dev/null || true
    rm -rf "$cluster"
  fi
  rm -f "$ENV_FILE"
}

case "$ACTION" in
  start) start ;;
  stop) stop ;;
  *) die "usage: .ci/timescaledb.sh start|stop [ENV_FILE]" ;;
esac
