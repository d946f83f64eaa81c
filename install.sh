#!/bin/sh
# Installs the hub or a node of Ollama Connector as a service of this machine, or removes it. See: sh install.sh --help
#
# Everything stands in functions and the last line calls them: a download that was cut off does nothing.
# POSIX sh. Names in capitals are settings from outside. OLLAMA_CONNECTOR_ROOT is put before every path, for tests.

# ---- release block: filled in by the release, nothing else in this file depends on the version ----------------------
VERSION=''
# owner/name on GitHub
REPOSITORY=''
# of the file SHA256SUMS of this release, which has the checksums of the executables (and not that of this script)
SHA256_SHA256SUMS=''
# ---- end of release block -------------------------------------------------------------------------------------------

# Settings written to the environment file when they are given; the programs' --help explains them.
HUB_SETTINGS='PORT HUB_HOST HEARTBEAT_INTERVAL HEARTBEAT_TTL_SECONDS HEARTBEAT_OFFLINE_SECONDS NODE_MAX_FAILURES
NODE_REQUEST_TIMEOUT WHOLE_ANSWER_TIMEOUT MODEL_LOAD_TIMEOUT STREAM_IDLE_TIMEOUT REQUEST_TIMEOUT IP_PREFERENCE LB_POLICY
QUEUE_SIZE QUEUE_TIMEOUT MAX_BODY_MB MAX_BUFFERED_MB MANAGEMENT ALLOW_CLOUD OLLAMA_ORIGINS API_KEYS ALLOWED_HOSTS
TRUSTED_NETWORKS SOURCE_RPM SOURCE_CONCURRENT SOURCE_TOKENS_PER_DAY SOURCE_QUEUE_SHARE DRAIN_TIMEOUT LOG_LEVEL LOG_PROMPTS STATE_DIR
TLS_CERT TLS_KEY TLS_CLIENT_CA JOIN USE_ENV_PROXY'
NODE_SETTINGS='SERVER_URL NODE_ID NODE_HOST NODE_PORT OLLAMA_BASE_URL HEARTBEAT_INTERVAL NODE_SLOTS OLLAMA_NUM_PARALLEL
ADVERTISE_IPV4 ADVERTISE_IPV6 DRAIN_TIMEOUT LOG_LEVEL STATE_DIR TLS_CERT TLS_KEY TLS_CLIENT_CA HUB_CA JOIN_TOKEN
USE_ENV_PROXY'

usage() {
  cat <<'END'
Installs Ollama Connector on this machine (Linux or macOS), or removes it.

  sudo sh install.sh hub [options]               the hub: one for all machines
  sudo sh install.sh node --hub URL [options]    a node: on every machine that runs Ollama
  sudo sh install.sh --uninstall [hub|node]      removes what this script made; never Ollama, never a model

Running it again is safe: what is already so is left as it is, settings stay unless given anew.

Options:
  --hub URL         the hub this node joins, such as http://192.168.1.10:8000   (or SERVER_URL, or HUB)
  --node-id NAME    name of this node; the host name unless given               (or NODE_ID)
  --port N          port to listen on: 8000 for a hub, 8001 for a node          (or PORT, NODE_PORT)
  --models LIST     models to pull, comma-separated; qwen2.5:7b unless given    (or REQUIRED_MODELS)
  --skip-models     pull no model                                               (or SKIP_MODEL_PULL=1)
  --open-ollama     open Ollama's own port in UFW as well. Not needed: the node speaks to Ollama on this machine
                    itself, and whoever reaches that port can use and delete models past the hub
  --no-firewall     leave UFW alone
  --docker          run it in a container by Docker Compose instead of as a service; needs a clone of the repository
  --version X       install version X instead of the one this script was released with
  --from DIR|URL    take the executables from there, such as dist/ after "npm run build"
  --yes, -y         answer every question with yes
  --dry-run         say every step and change nothing; needs no root
  --uninstall       remove hub, node or both; asks before it removes settings
  --help, -h        this text

Other settings come from the environment and are kept in /etc/ollama-connector/hub.env and node.env: OLLAMA_PORT (11434;
where Ollama listens on this machine) and every one the programs have ("ollama-hub --help"). For example:

  sudo NODE_ID=gaming-pc REQUIRED_MODELS=llama3,qwen2.5:7b sh install.sh node --hub http://192.168.1.10:8000

OLLAMA_CONNECTOR_RELEASES is the address of a mirror of the release's files.
END
}

# ---- saying and asking ----------------------------------------------------------------------------------------------

step() { printf '\n==> %s\n' "$*"; }
say() { printf '    %s\n' "$*"; }
same() { printf '    already so: %s\n' "$*"; }
warn() {
  printf 'warning: %s\n' "$1" >&2
  shift
  for line in "$@"; do printf '         %s\n' "$line" >&2; done
}

# SENTENCE WHAT-TO-DO…
fail() {
  printf 'error: %s\n' "$1" >&2
  shift
  for line in "$@"; do printf '       %s\n' "$line" >&2; done
  exit 1
}

wrong_usage() {
  printf 'error: %s\n       sh install.sh --help shows what there is.\n' "$1" >&2
  exit 2
}

# Something that does not stop the installation but must be said again at its end. SENTENCE WHAT-TO-DO
later() {
  warn "$1" "$2"
  left_to_do "$1" "$2"
}

# SENTENCE WHAT-TO-DO
left_to_do() {
  todo="$todo
  - $1
    $2"
}

# QUESTION → 0 for yes, 1 for no, 2 when there is nobody to ask. Never reads standard input: it may be this script.
ask() {
  if [ "$yes" = 1 ]; then return 0; fi
  # The subshell: a redirection that fails would end dash.
  if ! (: </dev/tty) 2>/dev/null; then return 2; fi
  printf '%s [y/N] ' "$1" >/dev/tty
  read -r answer </dev/tty || answer=''
  case $answer in [yY] | [yY][eE][sS]) return 0 ;; *) return 1 ;; esac
}

have() { command -v "$1" >/dev/null 2>&1; }

# COMMAND…: runs it, or says that it would.
act() {
  if [ "$dry_run" = 1 ]; then
    say "would run: $*"
  else
    "$@" </dev/null || fail "this failed: $*" "What it said stands above. Run this script again when that is mended."
  fi
}

# ---- options and their checks ---------------------------------------------------------------------------------------

# OPTION VALUE-OR-NOTHING: complains where an option that needs a value has none.
need_value() {
  case ${2-} in '' | -*) wrong_usage "$1 needs a value" ;; esac
}

parse_options() {
  role='' action=install yes=0 dry_run=0 docker=0 open_ollama=0 firewall=1 from='' version='' port='' todo=''
  NODE_ID=${NODE_ID-} REQUIRED_MODELS=${REQUIRED_MODELS-} SKIP_MODEL_PULL=${SKIP_MODEL_PULL-} OLLAMA_PORT=${OLLAMA_PORT-}
  SERVER_URL=${SERVER_URL:-${HUB-}} OLLAMA_BASE_URL=${OLLAMA_BASE_URL-} PORT=${PORT-} NODE_PORT=${NODE_PORT-}
  hub_given='' id_given='' staged=''
  while [ $# -gt 0 ]; do
    case $1 in
      --*=*)
        # --hub=URL is --hub URL
        option=${1%%=*} value=${1#*=}
        shift
        set -- "$option" "$value" "$@"
        case $option in
          --hub | --node-id | --port | --models | --version | --from) ;;
          *) wrong_usage "unknown option $option=$value" ;;
        esac
        continue
        ;;
      hub | node)
        [ -z "$role" ] || [ "$role" = "$1" ] || wrong_usage "hub and node are installed one after the other"
        role=$1
        ;;
      --hub) need_value "$@" && SERVER_URL=$2 hub_given=1 && shift ;;
      --node-id) need_value "$@" && NODE_ID=$2 id_given=1 && shift ;;
      --port) need_value "$@" && port=$2 && shift ;;
      --models) need_value "$@" && REQUIRED_MODELS=$2 && shift ;;
      --version) need_value "$@" && version=${2#v} && shift ;;
      --from) need_value "$@" && from=$2 && shift ;;
      --skip-models) SKIP_MODEL_PULL=1 ;;
      --open-ollama) open_ollama=1 ;;
      --no-firewall) firewall=0 ;;
      --docker) docker=1 ;;
      --yes | -y) yes=1 ;;
      --dry-run) dry_run=1 ;;
      --uninstall) action=uninstall ;;
      --help | -h) action=help ;;
      *) wrong_usage "unknown argument $1" ;;
    esac
    shift
  done
  [ "$action" = install ] || return 0
  [ -n "$role" ] || wrong_usage 'say what to install: "sh install.sh hub", or "sh install.sh node --hub http://…"'
  if [ "$role" = hub ]; then
    [ -z "$hub_given$id_given" ] || wrong_usage "--hub and --node-id are for a node"
    [ "$open_ollama" = 0 ] || wrong_usage "--open-ollama is for a node"
    PORT=${port:-$PORT}
  else
    NODE_PORT=${port:-$NODE_PORT}
  fi
}

# TEXT PATTERN: does all of the text, which is one line, match the extended regular expression?
matches() {
  case $1 in *"$newline"*) return 1 ;; esac
  printf '%s\n' "$1" | grep -Eq "^($2)\$"
}

# NAME VALUE
check_port() {
  if ! matches "$2" '[0-9]{1,5}' || [ "$2" -lt 1 ] || [ "$2" -gt 65535 ]; then
    wrong_usage "$1=$2 is not a port: a whole number from 1 to 65535"
  fi
}

# NAME VALUE: sets `url` to it with a scheme and without a slash at the end; `host_port` and `url_port` are parts of it.
check_url() {
  case $2 in *://*) url=$2 ;; *) url=http://$2 ;; esac
  while [ "$url" != "${url%/}" ]; do url=${url%/}; done
  if ! matches "$url" 'https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?'; then
    wrong_usage "$1=$2 is not an address such as http://192.168.1.10:8000 or http://[fd00::1]:8000"
  fi
  host_port=${url#*://} && host_port=${host_port%%/*}
  # What stands behind the brackets of an IPv6 address, if there are any.
  case ${host_port##*\]} in
    *:*) url_port=${host_port##*:} ;;
    *) url_port='' ;;
  esac
  [ -z "$url_port" ] || check_port "the port in $1" "$url_port"
}

# VALUE: what may stand in an environment file, where systemd, sh and Docker Compose must read the same.
is_plain() {
  case $1 in *["$newline\"\\\`\$"]*) return 1 ;; *) return 0 ;; esac
}

# The name the node's program would take: the host name, with what a name may not have as hyphens.
own_name() {
  { hostname 2>/dev/null || uname -n; } | sed -e 's/[^A-Za-z0-9._-]\{1,\}/-/g' -e 's/^[^A-Za-z0-9]*//' | cut -c 1-128
}

# NAME: the value in the environment file, or nothing.
stored() {
  if [ -r "$env_file" ]; then
    sed -n "s/^$1=//p" "$env_file" | tail -n 1 | sed -e 's/[[:space:]]*$//' -e 's/^"\(.*\)"$/\1/' -e "s/^'\(.*\)'\$/\1/"
  fi
}

# NAME FALLBACK: the value that counts: given now, else from the environment file, else the fallback.
setting() {
  eval "given=\${$1-}"
  [ -n "$given" ] || given=$(stored "$1")
  printf '%s' "${given:-$2}"
}

check_settings() {
  if [ -e "$env_file" ] && [ ! -r "$env_file" ]; then
    warn "the settings in $env_file cannot be read by this user" \
      "What follows assumes there are none; as root they are kept."
  fi
  drain=$(setting DRAIN_TIMEOUT "$([ "$role" = hub ] && echo 30 || echo 120)")
  matches "$drain" '[0-9]{1,5}(\.[0-9]*)?' || wrong_usage "DRAIN_TIMEOUT=$drain is not a number of seconds"
  if [ "$role" = hub ]; then
    old_port=$(running_port "$(stored PORT)")
    PORT=$(setting PORT 8000) && port=$PORT
    check_port PORT "$PORT"
    listen_host=$(setting HUB_HOST ::)
    return
  fi
  old_port=$(running_port "$(stored NODE_PORT)")
  NODE_PORT=$(setting NODE_PORT 8001) && port=$NODE_PORT
  check_port NODE_PORT "$NODE_PORT"
  listen_host=$(setting NODE_HOST ::)
  NODE_ID=$(setting NODE_ID "$(own_name)")
  NODE_ID=${NODE_ID:-node}
  matches "$NODE_ID" '[A-Za-z0-9][A-Za-z0-9._-]{0,127}' ||
    wrong_usage "NODE_ID=$NODE_ID is not a name: 1 to 128 letters, digits, '.', '_' or '-', such as gaming-pc"

  SERVER_URL=$(setting SERVER_URL '')
  if [ -z "$SERVER_URL" ] && [ -r "$root/etc/ollama-connector/hub.env" ]; then
    SERVER_URL=http://localhost:$(sed -n 's/^PORT=//p' "$root/etc/ollama-connector/hub.env" | tail -n 1)
  fi
  [ -n "$SERVER_URL" ] ||
    wrong_usage "which hub? Add --hub http://ADDRESS:8000, the address of the machine where \"install.sh hub\" was run"
  check_url SERVER_URL "$SERVER_URL" && SERVER_URL=$url
  if [ -z "$url_port" ] && [ "${SERVER_URL#http://}" != "$SERVER_URL" ]; then
    warn "$SERVER_URL has no port, which means port 80" "A hub listens on 8000 unless told otherwise."
  fi

  if [ -z "$OLLAMA_BASE_URL" ] && [ -n "$OLLAMA_PORT" ]; then
    check_port OLLAMA_PORT "$OLLAMA_PORT"
    OLLAMA_BASE_URL=http://127.0.0.1:$OLLAMA_PORT
  fi
  OLLAMA_BASE_URL=$(setting OLLAMA_BASE_URL http://127.0.0.1:11434)
  check_url OLLAMA_BASE_URL "$OLLAMA_BASE_URL" && OLLAMA_BASE_URL=$url
  OLLAMA_PORT=${url_port:-80}
  case $host_port in 127.* | localhost | localhost:* | "[::1]"*) ollama_is_here=1 ;; *) ollama_is_here=0 ;; esac
  # The choice of the last time holds, so that installing a new version pulls nothing unasked.
  case $SKIP_MODEL_PULL$REQUIRED_MODELS in '' | 0) REQUIRED_MODELS=$(all_made models | tail -n 1) ;; esac
  if [ "$REQUIRED_MODELS" = none ]; then SKIP_MODEL_PULL=1 REQUIRED_MODELS=''; fi
  # One by one, with a space between: commas, spaces and line breaks part them.
  set -f
  # shellcheck disable=SC2046 # it shall be split
  set -- $(printf '%s' "${REQUIRED_MODELS:-qwen2.5:7b}" | tr ',\t\r\n' '    ')
  set +f
  [ $# -gt 0 ] || wrong_usage "REQUIRED_MODELS names no model; to pull none: --skip-models"
  REQUIRED_MODELS=$*
  for model in "$@"; do
    matches "$model" '[A-Za-z0-9][A-Za-z0-9._:/-]*' ||
      wrong_usage "REQUIRED_MODELS names $model, which is not a model's name such as qwen2.5:7b"
  done
  case $SKIP_MODEL_PULL in '' | 0 | 1) ;; *) wrong_usage "SKIP_MODEL_PULL=$SKIP_MODEL_PULL is neither 0 nor 1" ;; esac
}

# ---- this machine ---------------------------------------------------------------------------------------------------

detect_machine() {
  case $(uname -s) in
    Linux) os=linux ;;
    Darwin) os=darwin ;;
    *) fail "this script knows Linux and macOS, and this is $(uname -s)" \
      "On Windows, use WSL, or run the executables of the release by hand." ;;
  esac
  case $(uname -m) in
    x86_64 | amd64) processor=x64 ;;
    aarch64 | arm64) processor=arm64 ;;
    *) fail "there are no executables for the processor $(uname -m)" \
      "x86-64 and 64-bit ARM are supported. With Bun for yours: see \"Install it\" in README.md." ;;
  esac
  if [ "$os" = darwin ]; then
    [ "$(sysctl -n sysctl.proc_translated 2>/dev/null)" != 1 ] || processor=arm64
    target=darwin-$processor
    manager=launchd account=nobody
    return
  fi
  account=ollama-connector
  [ "$(getconf LONG_BIT 2>/dev/null || echo 64)" != 32 ] ||
    fail "this system is a 32-bit one on a 64-bit processor" "Install a 64-bit system: there are no 32-bit executables."
  target=linux-$processor
  case $(ldd --version 2>&1 || :) in *musl*) target=linux-$processor-musl ;; esac
  if [ -d "$root/run/systemd/system" ] && have systemctl; then manager=systemd; else manager=none; fi
}

choose_paths() {
  service=ollama-$role
  env_folder=$root/etc/ollama-connector
  env_file=$env_folder/$role.env
  program=/usr/local/bin/$service
  # What this script made is noted here, so that --uninstall removes that and nothing else.
  lib=$root/usr/local/lib/ollama-connector
  ledger=$lib/$role.made
  state=$root/var/lib/ollama-connector/$role
  log_folder=$root/var/log/ollama-connector
  log=$log_folder/$role.log
  unit=$root/etc/systemd/system/$service.service
  plist=$root/Library/LaunchDaemons/ollama-connector.$role.plist
  starter=$lib/start-$role
  pid_file=$root/run/ollama-connector-$role.pid
}

need_root() {
  [ "$dry_run" = 0 ] && [ "$(id -u)" != 0 ] || return 0
  given=''
  for name in $HUB_SETTINGS $NODE_SETTINGS HUB OLLAMA_PORT REQUIRED_MODELS SKIP_MODEL_PULL OLLAMA_CONNECTOR_RELEASES \
    HUB_IMAGE NODE_IMAGE http_proxy https_proxy no_proxy; do
    case " $given" in *" $name="*) continue ;; esac
    if env | grep -q "^$name="; then given="$given $name=\"\$$name\""; fi
  done
  fail "this needs root: it $1" \
    "Run: sudo$given sh install.sh $arguments" "With --dry-run it only says what it would do."
}

find_downloader() {
  if have curl; then
    downloader=curl
  elif have wget; then
    downloader=wget
  else
    fail "there is neither curl nor wget" "Install one of them, for example: sudo apt-get install curl"
  fi
}

# URL FILE
download() {
  if [ "$downloader" = curl ]; then
    set -- "$1" --fail --location --globoff --retry 3 --connect-timeout 20 --output "$2" "$1"
    case $1 in https:*) set -- "$@" --proto '=https' --tlsv1.2 ;; esac
    shift
    if [ -t 2 ]; then curl --progress-bar "$@"; else curl --silent --show-error "$@"; fi
  elif [ -t 2 ]; then
    wget -O "$2" "$1"
  else
    wget -q -O "$2" "$1"
  fi </dev/null
}

# URL: prints what it answers when that is a success. Without proxies: the programs do not use them either.
get() {
  (
    unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
    if [ "$downloader" = curl ]; then
      curl --fail --silent --globoff --max-time 5 "$1"
    else
      # By `timeout`: BusyBox's wget of Debian 12 crashes when given a time limit of its own.
      if have timeout; then set -- "$1" timeout 5; else set -- "$1"; fi
      address=$1
      shift
      "$@" wget -q -t 1 -O - "$address" 2>/dev/null
    fi
  ) </dev/null
}

# URL JSON: posts it and prints the answer; takes as long as it takes.
post() {
  (
    unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
    if [ "$downloader" = curl ]; then
      curl --fail --silent --show-error --globoff --data "$2" "$1"
    else
      wget -q -t 1 --post-data "$2" -O - "$1"
    fi
  ) </dev/null
}

# SECONDS COMMAND…: tries about once a second until it succeeds, and says now and then that it still does.
wait_until() {
  limit=$1 began=$(date +%s)
  told=$began
  shift
  until "$@"; do
    now=$(date +%s)
    [ $((now - began)) -lt "$limit" ] || return 1
    if [ $((now - told)) -ge 15 ]; then
      told=$now
      # Not on standard output, which the caller may have thrown away.
      printf '    … still waiting: %s of at most %s seconds\n' "$((now - began))" "$limit" >&2
    fi
    sleep 1
  done
}

sha256() {
  if have sha256sum; then
    sha256sum "$1" | cut -d ' ' -f 1
  elif have shasum; then
    shasum -a 256 "$1" | cut -d ' ' -f 1
  elif have openssl; then
    openssl dgst -sha256 -r "$1" | cut -d ' ' -f 1
  else
    fail "nothing here can make a SHA-256 checksum" "Install coreutils (sha256sum), perl (shasum) or openssl."
  fi
}

# ---- writing, and remembering what was made -------------------------------------------------------------------------

# KIND VALUE
made() {
  [ "$dry_run" = 0 ] || return 0
  mkdir -p "$lib"
  if [ ! -e "$ledger" ] || ! grep -qxF "$1 $2" "$ledger"; then printf '%s\n' "$1 $2" >>"$ledger"; fi
}

# KIND VALUE
was_made() { [ -r "$ledger" ] && grep -qxF "$1 $2" "$ledger"; }

# KIND: every value of it.
all_made() { if [ -r "$ledger" ]; then sed -n "s/^$1 //p" "$ledger"; fi; }

# What the service is made of, as one checksum: program, settings and how it is started. So that a change by hand, and one
# whose restart did not come about, are seen the next time.
fingerprint() {
  for file in "$root$program" "$env_file" "$unit" "$plist" "$starter"; do
    if [ -r "$file" ]; then sha256 "$file"; else echo none; fi
  done >"$scratch/parts"
  sha256 "$scratch/parts"
}

# FALLBACK: the port of the service that was started last.
running_port() {
  noted=$(all_made running | tail -n 1)
  printf '%s' "${noted:-$1}" | cut -d ' ' -f 1
}

# Does the service run with what is in place now?
is_current() { [ "$changed" = 0 ] && was_made running "$old_port $(fingerprint)" && [ "$old_port" = "$port" ]; }

forget_running() {
  noted=$(all_made running)
  if [ -n "$noted" ]; then unmade running "$noted"; fi
}

# After it has answered.
note_running() {
  [ "$dry_run$docker" = 00 ] || return 0
  runs_with="$port $(fingerprint)"
  if ! was_made running "$runs_with"; then
    forget_running
    made running "$runs_with"
  fi
}

# KIND VALUE
unmade() {
  [ "$dry_run" = 0 ] || return 0
  grep -vxF "$1 $2" "$ledger" >"$scratch/ledger" || :
  cat "$scratch/ledger" >"$ledger"
}

# FILE MODE OWNER CONTENT: sets `changed` to 1 when it was not so before.
put() {
  if [ -e "$1" ] && [ -r "$1" ] && [ "$(cat "$1")" = "$4" ]; then
    same "$1"
    [ "$dry_run" = 1 ] || { chmod "$2" "$1" && chown "$3" "$1"; }
    return 0
  fi
  changed=1
  if [ "$dry_run" = 1 ]; then
    say "would write $1 (mode $2, owner $3):"
    printf '%s\n' "$4" | sed 's/^/        | /'
    return 0
  fi
  mkdir -p "$(dirname "$1")"
  # Made unreadable to others from the start, and put in place in one go.
  new=$1.new
  if ! { (umask 077 && printf '%s\n' "$4" >"$new") && chown "$3" "$new" && chmod "$2" "$new" && mv -f "$new" "$1"; }; then
    fail "cannot write $1" "See the message above; is the disk full or read-only?"
  fi
  say "wrote $1"
}

# PATH OWNER MODE: a folder of the service's own, with all that is in it: what was kept from an earlier installation may be
# of a user that is gone.
make_folder() {
  if [ -d "$1" ]; then
    same "$1"
    [ "$dry_run" = 1 ] || { chmod "$3" "$1" && chown -R "$2" "$1"; }
    return 0
  fi
  act mkdir -p "$1"
  act chown "$2" "$1"
  act chmod "$3" "$1"
}

# ---- the executable -------------------------------------------------------------------------------------------------

# Sets `base`, a URL or a folder, and `pin`, the checksum of its SHA256SUMS where that is known.
choose_source() {
  pin='' base=''
  here=''
  if [ -f "$0" ]; then here=$(cd "$(dirname "$0")" && pwd); fi
  if [ -n "$version" ]; then
    matches "$version" '[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+-]*' || wrong_usage "--version $version is not a version such as 1.2.3"
  fi
  if [ -n "$from" ]; then
    case $from in
      http://* | https://*) base=${from%/} ;;
      *://*) wrong_usage "--from $from is neither a folder nor an http address" ;;
      *)
        [ -d "$from" ] || wrong_usage "--from $from: there is no such folder"
        base=$(cd "$from" && pwd)
        ;;
    esac
  elif [ -n "${OLLAMA_CONNECTOR_RELEASES-}" ]; then
    base=${OLLAMA_CONNECTOR_RELEASES%/}
    if [ -z "$version" ] || [ "$version" = "$VERSION" ]; then pin=$SHA256_SHA256SUMS; fi
  elif [ -n "$version" ] && [ "$version" != "$VERSION" ]; then
    [ -n "$REPOSITORY" ] || fail "this script does not know where releases are" \
      "Set OLLAMA_CONNECTOR_RELEASES to the address of the release's files."
    base=https://github.com/$REPOSITORY/releases/download/v$version
  # Not from a folder into which anybody may write, such as /tmp: somebody else may have put a dist/ there.
  elif [ -n "$here" ] && [ -d "$here/dist" ] && [ -z "$(find "$here" -prune -perm -0002)" ]; then
    base=$here/dist
  elif [ -n "$VERSION" ] && [ -n "$REPOSITORY" ] && [ -n "$SHA256_SHA256SUMS" ]; then
    base=https://github.com/$REPOSITORY/releases/download/v$VERSION
    pin=$SHA256_SHA256SUMS
  else
    fail "this install.sh is not from a release: it does not know which executables to fetch" \
      "Either take install.sh from a release, or build them from source in a clone of the repository:" \
      "  npm run setup && npm run build && sudo sh install.sh $arguments" \
      "or say where they are: --from DIR or --from URL"
  fi
}

# Puts the executable, checked, beside its place as `staged`; or leaves `staged` empty when the right one is in place.
stage_program() {
  step "The executable $service for $target"
  name=$service-$target
  case $base in
    http://* | https://*) stage_from_url ;;
    *) stage_from_folder ;;
  esac
  [ -n "$staged" ] && [ "$dry_run" = 0 ] || return 0
  code=0
  shown=$("$staged" --version 2>&1 </dev/null) || code=$?
  case $code in
    0) say "it runs: $shown" ;;
    132) fail "the executable does not run: this processor lacks instructions it needs (SSE4.2)" \
      "Run from source instead: see \"Install it\" in README.md." ;;
    *) fail "the executable does not run on this machine (code $code): $shown" \
      "On Alpine, it needs: sudo apk add libstdc++ libgcc. Elsewhere, please report it with the output of: uname -a; ldd --version" ;;
  esac
}

# SHA256SUMS-FILE: it must be the one this script knows.
check_sums() {
  found=$(sha256 "$1")
  [ "$found" = "$pin" ] || fail "SHA256SUMS is not the one of this release" "expected $pin" "received $found" \
    "Nothing was changed. Download install.sh anew; if that does not help, do not go on and report it."
}

# SHA256SUMS-FILE: sets `wanted` to the checksum of $name, or to nothing.
read_wanted() {
  wanted=$(awk -v name="$name" '{ sub(/^\*/, "", $2) } $2 == name { print $1; exit }' "$1")
}

# Is this very executable in place?
in_place() { [ -n "$wanted" ] && [ -x "$root$program" ] && [ "$(sha256 "$root$program")" = "$wanted" ]; }

stage_from_url() {
  say "from $base"
  case $base in
    https:*) ;;
    *) [ -n "$pin" ] || warn "$base is not https: nobody vouches for what comes from there" \
      "Use it only inside your own network." ;;
  esac
  if [ "$dry_run" = 1 ]; then
    say "would download $base/SHA256SUMS${pin:+ and compare its SHA-256 with $pin}"
    say "would download $base/$name unless $program is the same already, check it by SHA256SUMS and install it"
    return 0
  fi
  download "$base/SHA256SUMS" "$scratch/SHA256SUMS" ||
    fail "cannot download $base/SHA256SUMS" "Check the network and the address; behind a proxy, set https_proxy."
  if [ -n "$pin" ]; then
    check_sums "$scratch/SHA256SUMS"
  else
    say "SHA256SUMS is taken as $base gives it: this script has no checksum for it"
  fi
  read_wanted "$scratch/SHA256SUMS"
  [ -n "$wanted" ] || fail "$base has no $name" "There is no executable for this kind of machine in that release."
  if in_place; then
    same "$program"
    return 0
  fi
  stage_file
  download "$base/$name" "$staged" ||
    fail "cannot download $base/$name" "Nothing was changed. Check the network and run this again."
  check_staged "Nothing was changed. The download may have been cut off or altered: run this again."
  chmod 0755 "$staged"
}

stage_from_folder() {
  file=$base/$name
  [ -f "$file" ] || file=$base/$service
  [ -f "$file" ] || fail "there is neither $name nor $service in $base" \
    "Make it, in a clone of the repository, with: npm run build"
  say "from $file"
  if [ "$dry_run" = 1 ]; then
    say "would install it as $program unless that is the same already"
    return 0
  fi
  wanted=''
  name=$(basename "$file")
  if [ -n "$pin" ]; then
    [ -f "$base/SHA256SUMS" ] || fail "there is no SHA256SUMS in $base" "Put that of the release there."
    check_sums "$base/SHA256SUMS"
    read_wanted "$base/SHA256SUMS"
    [ -n "$wanted" ] || fail "SHA256SUMS in $base does not list $name" "Take the release's own file, under its own name."
  fi
  if [ -f "$base/SHA256SUMS" ]; then read_wanted "$base/SHA256SUMS"; fi
  [ -n "$wanted" ] || { say "SHA256SUMS does not list it: taken as it is" && wanted=$(sha256 "$file"); }
  if in_place; then
    same "$program"
    return 0
  fi
  stage_file
  cp "$file" "$staged" || fail "cannot copy $file to $staged" "See the message above; is the disk full?"
  check_staged "Nothing was changed. Build it again: npm run build"
  chmod 0755 "$staged"
}

# In the folder it is for: /tmp may forbid to run what is there, and a rename replaces a running program safely.
stage_file() {
  mkdir -p "$root/usr/local/bin"
  staged=$root/usr/local/bin/.$service.new
  : >"$staged" || fail "cannot write in $root/usr/local/bin" "Is it read-only?"
}

check_staged() {
  found=$(sha256 "$staged")
  [ "$found" = "$wanted" ] || fail "wrong checksum of $name" "expected $wanted" "received $found" "$1"
  say "its SHA-256 is right: $found"
}

install_program() {
  [ -n "$staged" ] || return 0
  chown 0:0 "$staged"
  mv -f "$staged" "$root$program"
  staged='' changed=1
  made file "$program"
  say "installed $program"
}

# ---- the service ----------------------------------------------------------------------------------------------------

account_exists() {
  if [ "$os" = darwin ]; then id "$account" >/dev/null 2>&1; else grep -q "^$account:" "$root/etc/passwd"; fi
}

make_account() {
  step "The user $account, as which it runs"
  if account_exists; then
    same "user $account"
    return 0
  fi
  shell=/bin/false
  for each in /usr/sbin/nologin /sbin/nologin; do if [ -x "$each" ]; then shell=$each; fi; done
  if have useradd; then
    group=--user-group
    if grep -q "^$account:" "$root/etc/group" 2>/dev/null; then group=--gid=$account; fi
    act useradd --system "$group" --no-create-home --home-dir /var/lib/ollama-connector --shell "$shell" "$account"
  elif have adduser; then
    grep -q "^$account:" "$root/etc/group" 2>/dev/null || act addgroup -S "$account"
    act adduser -S -D -H -h /var/lib/ollama-connector -s "$shell" -G "$account" "$account"
  else
    fail "there is neither useradd nor adduser" "Make a system user named $account and run this again."
  fi
  [ "$dry_run" = 1 ] || { mkdir -p "$lib" && echo "user $account" >"$lib/user.made"; }
  [ "$dry_run" = 1 ] || say "made user $account: no password, no home, no shell"
}

# NAME VALUE: as a line of an environment file.
env_line() {
  is_plain "$2" || wrong_usage "$1 has a character that settings files cannot hold: a quote, \\, \$, \` or a line break"
  case $2 in
    *[!A-Za-z0-9._:/,@%+=-]*) printf '%s="%s"\n' "$1" "$2" ;;
    *) printf '%s=%s\n' "$1" "$2" ;;
  esac
}

# The settings to write: those given now, and those a machine must keep. Sets `changes`, one line for each.
choose_changes() {
  if [ "$role" = hub ]; then names=$HUB_SETTINGS image_name=HUB_IMAGE; else names=$NODE_SETTINGS image_name=NODE_IMAGE; fi
  changes=''
  # The compose file reads it there, also when somebody else runs it later.
  if [ "$docker" = 1 ]; then names="$names $image_name"; fi
  # The programs use a proxy only when told to, and would not have its address as a service.
  if [ "$(setting USE_ENV_PROXY 0)" = 1 ]; then names="$names http_proxy https_proxy no_proxy"; fi
  # Said to the program, which would else look in a home that is not its own: only systemd tells it a folder. In the
  # container it has a place of its own.
  # shellcheck disable=SC2034 # read below, by its name
  if [ "$docker" = 0 ]; then STATE_DIR=$(setting STATE_DIR "/var/lib/ollama-connector/$role"); fi
  for name in $names; do
    eval "value=\${$name-}"
    [ -n "$value" ] || continue
    # By the exit of the substitution, since `fail` inside it ends only the substitution.
    line=$(env_line "$name" "$value") || exit 2
    changes="$changes$line$newline"
  done
}

# The environment file as it shall be: what was there, with the changes.
settings_text() {
  rest=$changes
  if [ -r "$env_file" ]; then
    while IFS= read -r line || [ -n "$line" ]; do
      change='' key=${line%%=*}
      case $key in
        '' | "$line" | *[!A-Za-z0-9_]*) ;;
        *)
          change=$(printf '%s' "$changes" | grep "^$key=" || :)
          rest=$(printf '%s\n' "$rest" | grep -v "^$key=" || :)
          ;;
      esac
      printf '%s\n' "${change:-$line}"
    done <"$env_file"
  else
    echo "# Settings of $service; \"$service --help\" lists them all. After a change: sudo sh install.sh $role"
  fi
  printf '%s\n' "$rest" | sed '/^$/d'
}

write_settings() {
  step "Settings"
  settings=$(settings_text) || exit 2
  if [ -n "$staged" ] && [ "$docker" = 0 ]; then checker=$staged; else checker=$root$program; fi
  if [ "$dry_run" = 0 ] && [ "$docker" = 0 ]; then
    printf '%s\n' "$settings" >"$scratch/settings"
    # shellcheck disable=SC2016 # expands in the inner shell
    problem=$(env -i PATH="$PATH" sh -c 'set -a; . "$1"; exec "$2" --check-config' sh "$scratch/settings" "$checker" 2>&1) ||
      fail "$service refuses these settings" \
        "$problem" "Correct them (option, environment, or $env_file) and run this again."
  fi
  if [ "$docker" = 1 ]; then owner=0:0; else owner=0:$account; fi
  if [ "$docker" = 1 ]; then check_by_container; fi
  put "$env_file" 0640 "$owner" "$settings"
}

compose() { docker compose --file "$compose_file" --env-file "$@"; }

# The image, and what the program in it says to the settings, before these are put in place.
check_by_container() {
  if [ "$role" = hub ]; then image=$(setting HUB_IMAGE ''); else image=$(setting NODE_IMAGE ''); fi
  if [ "$dry_run" = 1 ]; then
    [ -n "$image" ] || say "would build the image"
    say "would ask the program in the container whether it takes these settings"
    return 0
  fi
  (umask 077 && printf '%s\n' "$settings" >"$scratch/settings")
  # Built again each time: what has not changed is taken from Docker's own store.
  [ -n "$image" ] || act docker compose --file "$compose_file" --env-file "$scratch/settings" build
  compose "$scratch/settings" run --rm --no-deps -T "$role" --check-config </dev/null >"$scratch/problem" 2>&1 ||
    fail "$service refuses these settings, or its container does not start" "$(cat "$scratch/problem")" \
      "Correct them (option, environment, or $env_file) and run this again."
}

unit_text() {
  # systemd must wait longer than the program, which lets running answers finish.
  stop_after=$((${drain%%.*} + 15))
  capabilities='' devices='PrivateDevices=yes
ProtectClock=yes' after='' path=''
  # Both would hide the graphics card from nvidia-smi, by which a node tells its load.
  if [ "$role" = node ]; then
    # Where nvidia-smi is in WSL, and rocm-smi.
    path='Environment=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/wsl/lib:/opt/rocm/bin
'
    devices='# PrivateDevices and ProtectClock are off: nvidia-smi needs the card'
    after=' ollama.service'
  fi
  if [ "$port" -lt 1024 ]; then capabilities=CAP_NET_BIND_SERVICE; fi
  cat <<END
# Made by install.sh of Ollama Connector, which writes it anew; put changes into: sudo systemctl edit $service
[Unit]
Description=Ollama Connector $role
Wants=network-online.target
After=network-online.target$after
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=$program
${path}EnvironmentFile=/etc/ollama-connector/$role.env
User=$account
Group=$account
StateDirectory=ollama-connector/$role
StateDirectoryMode=0700
WorkingDirectory=/var/lib/ollama-connector/$role
Restart=always
RestartSec=2
KillSignal=SIGTERM
KillMode=mixed
TimeoutStopSec=$stop_after
LimitNOFILE=65536
UMask=0077

NoNewPrivileges=yes
CapabilityBoundingSet=$capabilities
AmbientCapabilities=$capabilities
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
$devices
ProtectProc=invisible
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
RemoveIPC=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
# MemoryDenyWriteExecute must stay off: JavaScript is compiled to machine code while it runs

[Install]
WantedBy=multi-user.target
END
}

plist_text() {
  cat <<END
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key><string>ollama-connector.$role</string>
  <key>ProgramArguments</key>
  <array>
    <string>/bin/sh</string>
    <string>-c</string>
    <string>set -a; STATE_DIRECTORY=/var/lib/ollama-connector/$role; . /etc/ollama-connector/$role.env; exec $program</string>
  </array>
  <key>UserName</key><string>$account</string>
  <key>GroupName</key><string>$account</string>
  <key>WorkingDirectory</key><string>/var/lib/ollama-connector/$role</string>
  <key>RunAtLoad</key><true/>
  <key>KeepAlive</key><true/>
  <key>ThrottleInterval</key><integer>2</integer>
  <key>ExitTimeOut</key><integer>$((${drain%%.*} + 15))</integer>
  <key>SoftResourceLimits</key><dict><key>NumberOfFiles</key><integer>65536</integer></dict>
  <key>HardResourceLimits</key><dict><key>NumberOfFiles</key><integer>65536</integer></dict>
  <key>StandardOutPath</key><string>/var/log/ollama-connector/$role.log</string>
  <key>StandardErrorPath</key><string>/var/log/ollama-connector/$role.log</string>
</dict>
</plist>
END
}

starter_text() {
  cat <<END
#!/bin/sh
# Starts $service in the background, for machines without systemd; made by install.sh of Ollama Connector.
# To stop it: kill "\$(cat $pid_file)"
set -eu
if [ -r $pid_file ] && tr '\\0' ' ' 2>/dev/null </proc/"\$(cat $pid_file)"/cmdline | grep -qF $program; then
  echo "$service is running already"
  exit 0
fi
ulimit -n 65536 2>/dev/null || ulimit -n "\$(ulimit -H -n)"
cd $state
# 9 is the pid file: opened here, as root, and closed for the program.
exec 9>$pid_file
su -s /bin/sh $account -c '
  set -a; STATE_DIRECTORY=$state; . $env_file; set +a
  nohup $root$program </dev/null >>$log 2>&1 9>&- &
  echo \$! >&9
' </dev/null
END
}

is_running() {
  case $manager in
    systemd) systemctl is-active --quiet "$service" ;;
    launchd) launchctl print "system/ollama-connector.$role" >/dev/null 2>&1 ;;
    none) [ -r "$pid_file" ] && tr '\0' ' ' 2>/dev/null <"/proc/$(cat "$pid_file")/cmdline" | grep -qF "$program" ;;
  esac
}

stop_service() {
  case $manager in
    systemd) act systemctl stop "$service" ;;
    launchd) bootout ;;
    none)
      act kill "$(cat "$pid_file")"
      if [ "$dry_run" = 0 ]; then
        wait_until $((${drain%%.*} + 15)) not is_running || act kill -9 "$(cat "$pid_file")"
        rm -f "$pid_file"
      fi
      ;;
  esac
}

not() { ! "$@"; }

# launchctl returns before the program has ended: 36 is "in progress".
bootout() {
  if [ "$dry_run" = 1 ]; then
    say "would run: launchctl bootout system/ollama-connector.$role"
    return 0
  fi
  code=0
  launchctl bootout "system/ollama-connector.$role" </dev/null || code=$?
  case $code in 0 | 36) ;; *)
    ! is_running || fail "launchctl cannot stop $service (code $code)" \
      "What it said stands above. Run this script again when that is mended."
    ;;
  esac
  wait_until $((${drain%%.*} + 15)) not is_running ||
    fail "$service has not ended after $((${drain%%.*} + 15)) seconds" "Look at $log, then run this script again."
}

# Right after a bootout launchd may still refuse.
bootstrap() { launchctl bootstrap system "$plist" </dev/null 2>"$scratch/bootstrap"; }

install_service() {
  case $manager in
    systemd)
      step "The systemd service $service: starts with the machine, again when it ends, with no rights but its own"
      put "$unit" 0644 0:0 "$(unit_text)"
      made file "/etc/systemd/system/$service.service"
      # Also when the last run was interrupted between writing and this.
      is_current || act systemctl daemon-reload
      if systemctl is-enabled --quiet "$service" 2>/dev/null; then
        same "starts with the machine"
      else
        act systemctl enable "$service"
      fi
      ;;
    launchd)
      step "The launchd service ollama-connector.$role: starts with the machine, again when it ends"
      make_folder "$state" "$account:$account" 0700
      make_folder "$log_folder" "$account:$account" 0750
      put "$plist" 0644 0:0 "$(plist_text)"
      made file "/Library/LaunchDaemons/ollama-connector.$role.plist"
      ;;
    none)
      step "There is no systemd here: $service runs in the background"
      make_folder "$state" "$account:$account" 0700
      make_folder "$log_folder" "$account:$account" 0750
      put "$starter" 0755 0:0 "$(starter_text)"
      made file "/usr/local/lib/ollama-connector/start-$role"
      ;;
  esac
  if is_running; then
    if is_current; then
      same "$service is running"
      return 0
    fi
    forget_running
    say "something is new: starting it again, after the answers it is giving (at most $drain seconds)"
    if [ "$manager" = systemd ]; then
      act systemctl restart "$service"
      return 0
    fi
    stop_service
  fi
  case $manager in
    systemd) act systemctl start "$service" ;;
    launchd)
      act launchctl enable "system/ollama-connector.$role"
      if [ "$dry_run" = 1 ]; then
        say "would run: launchctl bootstrap system $plist"
      elif ! wait_until 15 bootstrap; then
        fail "launchctl does not start $service: $(cat "$scratch/bootstrap")" "Run this script again when that is mended."
      fi
      ;;
    none) act "$starter" ;;
  esac
}

show_log() {
  if [ "$docker" = 1 ]; then
    compose "$env_file" logs --tail 15 >&2 || :
    return 0
  fi
  case $manager in
    systemd) journalctl -u "$service" -n 15 --no-pager -o cat >&2 2>/dev/null || : ;;
    *) tail -n 15 "$log" >&2 2>/dev/null || : ;;
  esac
}

log_command() {
  if [ "$docker" = 1 ]; then
    echo "sudo docker compose --file $compose_file --env-file $env_file logs"
  elif [ "$manager" = systemd ]; then
    echo "sudo journalctl -u $service"
  else
    echo "sudo tail $log"
  fi
}

# ---- Docker ---------------------------------------------------------------------------------------------------------

check_docker() {
  step "Docker"
  here=''
  if [ -f "$0" ]; then here=$(cd "$(dirname "$0")" && pwd); fi
  compose_file=$here/$role/docker-compose.yml
  [ -f "$compose_file" ] ||
    fail "there is no $role/docker-compose.yml beside this script" "Clone the repository and run its install.sh."
  if [ "$dry_run" = 1 ]; then
    say "would look for Docker with Compose 2, and stop here without it"
    return 0
  fi
  have docker || fail "there is no docker" \
    "Install Docker Engine (https://docs.docker.com/engine/install/), or leave --docker away."
  docker compose version >/dev/null 2>&1 ||
    fail "docker has no compose plugin: Docker Compose version 2 is needed" \
      "Install it (Debian, Ubuntu: sudo apt-get install docker-compose-plugin or docker-compose-v2)."
  docker info >/dev/null 2>&1 || fail "the Docker engine does not answer" \
    "Start it: sudo systemctl start docker. As a user, be in the group docker."
  say "Docker with Compose 2, and $compose_file"
}

compose_up() {
  step "The container"
  act docker compose --file "$compose_file" --env-file "$env_file" up --detach
  made compose "$compose_file"
}

# Service and container at once would fight for the port.
check_not_both() {
  if [ "$docker" = 1 ] && was_made file "$program"; then
    fail "the $role is installed as a service already" "Remove that first: sudo sh install.sh --uninstall $role"
  fi
  if [ "$docker" = 0 ] && [ -n "$(all_made compose)" ]; then
    fail "the $role runs in a container already" "Remove that first: sudo sh install.sh --uninstall $role"
  fi
}

# ---- firewall -------------------------------------------------------------------------------------------------------

# PORT: is the rule there already, by us or somebody?
ufw_has() {
  ufw show added 2>/dev/null | grep -v ' proto udp' |
    grep -Eq "^ufw (allow|limit) ($1(/tcp)?|(.* )?to (any|[0-9A-Fa-f.:/]+) port $1)( |\$)"
}

# PORT WHAT
open_port() {
  wanted_rules="$wanted_rules $1/tcp"
  if [ "$(id -u)" = 0 ] && ufw_has "$1"; then
    same "UFW lets $1/tcp in ($2)"
    return 0
  fi
  if [ "$(id -u)" = 0 ] && was_made ufw "$1/tcp"; then
    say "The rule for $1/tcp that this script made was deleted since: it stays deleted. To have it again: sudo ufw allow $1/tcp"
    return 0
  fi
  say "opening $1/tcp for $2"
  act ufw allow "$1/tcp" comment "$2"
  made ufw "$1/tcp"
}

# RULES: removes the rules of ours that are for a port that is no longer the one.
close_others() {
  have ufw || return 0
  for rule in $(all_made ufw); do
    case "$1 " in *" $rule "*) continue ;; esac
    say "closing $rule, which is not needed any more"
    act ufw delete allow "$rule"
    unmade ufw "$rule"
  done
}

open_firewall() {
  step "Firewall"
  if [ "$firewall" = 0 ]; then
    say "left alone. Port $port/tcp must be reachable$(if [ "$role" = node ]; then echo ' from the hub'; fi), by IPv4 and IPv6."
    return 0
  fi
  if is_loopback && [ "$open_ollama" = 0 ]; then
    say "left alone: it listens on $listen_host, for this machine only."
    close_others ''
    return 0
  fi
  if ! have ufw; then
    say "UFW is not installed, so there is nothing to open."
    if have firewall-cmd; then
      later "firewalld is here, which this script does not configure" \
        "Open the port: sudo firewall-cmd --permanent --add-port=$port/tcp && sudo firewall-cmd --reload"
    fi
    return 0
  fi
  wanted_rules=''
  open_port "$port" "$service"
  if [ "$role" = node ] && [ "$open_ollama" = 1 ]; then
    open_port "$OLLAMA_PORT" ollama
    warn "anybody who reaches port $OLLAMA_PORT can use, pull and delete models" \
      "For Ollama to listen there at all, it needs OLLAMA_HOST=0.0.0.0 (sudo systemctl edit ollama)."
  elif [ "$role" = node ]; then
    say "Ollama's port $OLLAMA_PORT stays closed: the node speaks to Ollama on this machine itself (--open-ollama opens it)."
  fi
  close_others "$wanted_rules"
  if [ ! -e "$root/proc/net/if_inet6" ] && [ "$os" = linux ]; then
    say "This machine has no IPv6: it is reached by IPv4 only."
  elif grep -Eq "^ *IPV6=[\"']?no" "$root/etc/default/ufw" 2>/dev/null; then
    later "UFW does not handle IPv6 (IPV6=no in /etc/default/ufw), so the rule is for IPv4 only" \
      "Write IPV6=yes there, then run: sudo ufw disable && sudo ufw enable, and this script again."
  else
    say "A rule of UFW without an address is for IPv4 and IPv6 alike."
  fi
  if [ "$(id -u)" = 0 ] && ufw status 2>/dev/null | grep -q '^Status: inactive'; then
    say "UFW is off at the moment; the rule is kept for when it is switched on. This script does not switch it on."
  fi
  if [ "$role" = hub ]; then
    say "Until the hub has its first key (ollama-hub key add), everybody in your own network can use it. For the port as well:"
  else
    say "The node works for its hub only, whoever else reaches port $port. To let in your own network only:"
  fi
  say "  sudo ufw delete allow $port/tcp && sudo ufw allow from 192.168.0.0/16 to any port $port proto tcp"
}

# ---- Ollama ---------------------------------------------------------------------------------------------------------

ollama_answers() { get "$OLLAMA_BASE_URL/api/version" >/dev/null; }

# COMMAND as the person who called sudo, so that Ollama's models are where `ollama` of that person looks for them.
as_person() {
  if [ -n "${SUDO_USER-}" ] && [ "${SUDO_USER-}" != root ]; then
    sudo -H -u "$SUDO_USER" sh -c "$1"
  else
    sh -c "$1"
  fi
}

prepare_ollama() {
  step "Ollama"
  if [ "$ollama_is_here" = 0 ]; then
    say "it is on another machine, $OLLAMA_BASE_URL: neither installed nor started from here"
    ollama_answers || later "no Ollama answers at $OLLAMA_BASE_URL" \
      "The node says so too and joins in as soon as it does."
    return 0
  fi
  if ollama_answers; then
    same "Ollama answers at $OLLAMA_BASE_URL"
    return 0
  fi
  if have ollama; then same "Ollama is installed: $(command -v ollama)"; else install_ollama; fi
  ollama_answers || start_ollama
}

install_ollama() {
  if [ "$dry_run" = 1 ]; then
    say "would ask, then download https://ollama.com/install.sh to a file and run it (Ollama's official installer)"
    return 0
  fi
  answer_code=0
  ask 'Ollama is not installed. Install it with its official installer, https://ollama.com/install.sh?' || answer_code=$?
  case $answer_code in
    1) fail "a node needs Ollama" "Install it yourself (https://ollama.com/download) and run this again." ;;
    2) fail "Ollama is not installed, and there is no terminal to ask whether to install it" \
      "Add --yes, or install it yourself: https://ollama.com/download" ;;
  esac
  download https://ollama.com/install.sh "$scratch/ollama.sh" ||
    fail "cannot download https://ollama.com/install.sh" \
      "Check the network, or install Ollama yourself: https://ollama.com/download"
  case $(head -n 1 "$scratch/ollama.sh") in
    '#!'*sh*) ;;
    *) fail "what https://ollama.com/install.sh gave is not a shell script" \
      "A login page of the network? Open it in a browser and look." ;;
  esac
  say "Ollama's installer, SHA-256 $(sha256 "$scratch/ollama.sh") (it changes with Ollama; OLLAMA_VERSION=… picks a version):"
  sh "$scratch/ollama.sh" </dev/null ||
    fail "Ollama's installer failed" \
      "See its message above; or install Ollama yourself (https://ollama.com/download) and run this again."
  hash -r
  have ollama || fail "Ollama's installer ended well, but there is no ollama on the PATH" \
    "Open a new terminal and run this again."
}

start_ollama() {
  if [ "$dry_run" = 1 ]; then
    say "would start Ollama (systemd's ollama.service where there is one, else in the background)"
    return 0
  fi
  if [ "$manager" = systemd ] && systemctl cat ollama.service >/dev/null 2>&1; then
    systemctl is-active --quiet ollama || say "starting ollama.service"
    act systemctl enable --now ollama
  elif ! wait_until 5 ollama_answers; then
    # On macOS its installer has just started the app.
    say "starting \"ollama serve\" in the background; its log is .ollama/serve.log in the home of ${SUDO_USER:-root}"
    as_person "mkdir -p ~/.ollama && { OLLAMA_HOST=127.0.0.1:$OLLAMA_PORT nohup ollama serve >~/.ollama/serve.log 2>&1 </dev/null & }" ||
      fail "cannot start ollama" "Start it yourself, \"ollama serve\", and run this again."
    case $manager in
      systemd) how="Let Ollama's installer make a service of it: curl -fsSLo ollama.sh https://ollama.com/install.sh && sh ollama.sh" ;;
      launchd) how="Open the Ollama app and let it start at login." ;;
      *) how="Have it started then: crontab -e, and add: @reboot ollama serve" ;;
    esac
    later "Ollama was started in the background and does not come back after a restart of the machine" "$how"
  fi
  say "waiting until Ollama answers at $OLLAMA_BASE_URL"
  wait_until 60 ollama_answers ||
    fail "Ollama does not answer at $OLLAMA_BASE_URL" "Look at: sudo journalctl -u ollama (or ~/.ollama/serve.log)." \
      "If it listens elsewhere: OLLAMA_PORT=… or OLLAMA_BASE_URL=… before this command."
  say "Ollama answers"
}

# MODEL: does Ollama have it? `qwen` is `qwen:latest`.
has_model() {
  case ${1##*/} in *:*) full=$1 ;; *) full=$1:latest ;; esac
  get "$OLLAMA_BASE_URL/api/tags" | grep -qF "\"name\":\"$full\""
}

pull_models() {
  step "Models"
  if [ "$SKIP_MODEL_PULL" = 1 ]; then chosen=none; else chosen=$(printf '%s' "$REQUIRED_MODELS" | tr ' ' ','); fi
  if ! was_made models "$chosen"; then
    old=$(all_made models)
    [ -z "$old" ] || unmade models "$old"
    made models "$chosen"
  fi
  if [ "$SKIP_MODEL_PULL" = 1 ]; then
    say "none is pulled (SKIP_MODEL_PULL=1); later: ollama pull qwen2.5:7b"
    return 0
  fi
  for model in $REQUIRED_MODELS; do
    if has_model "$model"; then
      same "Ollama has $model"
    elif [ "$dry_run" = 1 ]; then
      say "would pull $model"
    else
      say "pulling $model, which may be several gigabytes"
      pull_model "$model" ||
        later "$model could not be pulled" "See the message above (name, network, disk space); then: ollama pull $model"
    fi
  done
}

pull_model() {
  if have ollama; then
    OLLAMA_HOST=$OLLAMA_BASE_URL ollama pull "$1" </dev/null
  else
    say "(there is no ollama command to show progress)"
    post "$OLLAMA_BASE_URL/api/pull" "{\"model\":\"$1\",\"stream\":false}" | grep -q '"success"'
  fi
}

# ---- is it there? ---------------------------------------------------------------------------------------------------

# The service as this machine reaches it.
local_url() {
  case $listen_host in
    :: | 0.0.0.0 | '') echo "http://127.0.0.1:$port" ;;
    *:*) echo "http://[$listen_host]:$port" ;;
    *) echo "http://$listen_host:$port" ;;
  esac
}

# Does it listen for this machine only?
is_loopback() { case $listen_host in 127.* | localhost | ::1 | '[::1]') ;; *) return 1 ;; esac; }

# The address of this machine that others are most likely to reach; the host name where none is found.
own_address() {
  found=''
  if [ "$os" = darwin ]; then
    found=$(ipconfig getifaddr en0 2>/dev/null || ipconfig getifaddr en1 2>/dev/null || :)
  else
    found=$(hostname -I 2>/dev/null | cut -d ' ' -f 1 || :)
  fi
  case $found in
    '') hostname 2>/dev/null || uname -n ;;
    *:*) echo "[$found]" ;;
    *) echo "$found" ;;
  esac
}

# URL: does anything answer there, whatever it is?
listens() {
  code=0
  if [ "$downloader" = curl ]; then
    curl --silent --globoff --noproxy '*' --max-time 3 --output /dev/null "$1" </dev/null || code=$?
    # 1, 52, 56: something that is not HTTP; 28: something that says nothing
    case $code in 0 | 1 | 28 | 52 | 56) return 0 ;; *) return 1 ;; esac
  fi
  get "$1" >/dev/null || code=$?
  # 8: an error in HTTP; 124, 143: ended by `timeout`, since something says nothing
  case $code in 0 | 8 | 124 | 143) return 0 ;; *) return 1 ;; esac
}

check_port_free() {
  [ "$dry_run$docker" = 00 ] || return 0
  if [ "$port" = "$old_port" ] && is_running; then return 0; fi
  if listens "$(local_url)/"; then
    fail "something listens on port $port already, and it is not this service" \
      "Stop it (sudo ss -ltnp | grep :$port shows it), or take another port: --port N"
  fi
}

wait_for_own_health() {
  [ "$dry_run" = 0 ] || return 0
  say "waiting until it answers at $(local_url)/$health"
  if ! wait_until 40 get "$(local_url)/$health" >/dev/null; then
    show_log
    fail "$service does not answer at $(local_url)/$health" "Its last lines stand above; all of them: $(log_command)"
  fi
  note_running
}

hub_shows_node() {
  node_seen=$(get "$SERVER_URL/nodes/$NODE_ID" || :)
  case $node_seen in *'"status":"online"'* | *'"status": "online"'*) return 0 ;; *) return 1 ;; esac
}

wait_until_online() {
  [ "$dry_run" = 0 ] || return 0
  say "waiting until the hub shows $NODE_ID online"
  wait_until 45 hub_shows_node && return 0
  show_log
  reason=$(printf '%s' "$node_seen" | sed -n 's/.*"reason": *"\([^"]*\)".*/\1/p')
  if [ -n "$node_seen" ]; then
    fail "the node runs, but the hub does not show it online: ${reason:-no reason given}" \
      "Can the hub reach port $port of this machine (firewall, router)? The node goes on trying; see $SERVER_URL/"
  fi
  fail "the node runs, but the hub at $SERVER_URL does not know it" \
    "Does the hub run, and is that its address? Test it from here: curl $SERVER_URL/healthz" \
    "The node goes on trying and joins as soon as it can. Its log: $(log_command)"
}

check_hub() {
  step "The hub at $SERVER_URL"
  if ! get "$SERVER_URL/healthz" >/dev/null; then
    warn "it does not answer" \
      "Is the address right, and does it run? The installation goes on: the node joins as soon as the hub is there."
    return 0
  fi
  say "it answers"
  # Where the settings cannot be read (a dry run of a user), the name is taken for its own.
  if [ -e "$env_file" ] && [ ! -r "$env_file" ]; then return 0; fi
  if { [ ! -e "$ledger" ] || [ "$NODE_ID" != "$(stored NODE_ID)" ]; } && hub_shows_node; then
    fail "the hub knows a machine named $NODE_ID already, and it is online" \
      "Every machine needs a name of its own: --node-id NAME. (If that is this machine, started by hand, stop it first.)"
  fi
}

# ---- the two installations ------------------------------------------------------------------------------------------

prepare() {
  detect_machine
  choose_paths
  check_settings
  choose_changes
  find_downloader
  # Here, so that the message comes before that about root.
  [ "$docker" = 1 ] || choose_source
  need_root "installs a program, a user and a service"
  if [ "$dry_run" = 1 ]; then echo "Dry run: every step is said and nothing is changed."; fi
  scratch=$(mktemp -d) || fail "cannot make a temporary folder" "Is /tmp full or read-only?"
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  if [ "$manager" = none ] && [ "$docker" = 0 ] && [ "$port" -lt 1024 ]; then
    fail "port $port is for root only, and without systemd it cannot be given to $account" \
      "Take one from 1024 on: --port N"
  fi
  if [ "$docker" = 1 ] && [ "$port" -lt 1024 ]; then
    fail "port $port is for root only, and in the container the program is nobody" "Take one from 1024 on: --port N"
  fi
  check_not_both
}

clean_up() {
  rm -rf "$scratch"
  if [ -n "$staged" ]; then rm -f "$staged"; fi
}

run_it() {
  changed=0
  if [ "$docker" = 1 ]; then
    write_settings
    open_firewall
    compose_up
  else
    make_account
    write_settings
    step "The program $program"
    if [ -n "$staged" ]; then
      install_program
    elif [ "$dry_run" = 1 ]; then
      say "would put it in place"
    else
      same "$program"
    fi
    open_firewall
    install_service
  fi
}

finish() {
  if [ "$dry_run" = 1 ]; then
    printf '\nDry run: nothing was changed. Without --dry-run, the above is done.\n'
    return 0
  fi
  if [ "$docker" = 0 ] && [ "$manager" = none ]; then
    left_to_do "$service does not come back after a restart of the machine: there is no systemd" \
      "Have it started then: sudo crontab -e, and add: @reboot /usr/local/lib/ollama-connector/start-$role"
  fi
  if [ -n "$todo" ]; then printf '\nLeft to do:%s\n' "$todo"; fi
  printf '\nRemove it with: sudo sh install.sh --uninstall %s\n' "$role"
}

install_hub() {
  health=healthz
  prepare
  if [ "$docker" = 1 ]; then check_docker; else stage_program; fi
  check_port_free
  run_it
  wait_for_own_health
  if is_loopback; then address=$(local_url); else address=http://$(own_address):$port; fi
  if [ "$dry_run" = 0 ]; then
    printf '\nThe hub is running.\n  Dashboard: %s/  (here: http://localhost:%s/)\n  Log:       %s\n' \
      "$address" "$port" "$(log_command)"
    if is_loopback; then
      printf '  It listens on %s, so nodes on other machines cannot join. Next, here:  sudo sh install.sh node --hub %s\n' \
        "$listen_host" "$address"
    else
      printf '  Next, on every machine with Ollama:  sudo sh install.sh node --hub %s\n' "$address"
    fi
  fi
  finish
}

install_node() {
  health=health
  prepare
  check_hub
  if [ "$docker" = 1 ]; then check_docker; else stage_program; fi
  check_port_free
  prepare_ollama
  pull_models
  run_it
  wait_for_own_health
  wait_until_online
  if [ "$dry_run" = 0 ]; then
    printf '\n%s is online.\n  Dashboard: %s/\n  Log:       %s\n' "$NODE_ID" "$SERVER_URL" "$(log_command)"
    if [ "$SKIP_MODEL_PULL" = 1 ]; then model=MODEL; else model=${REQUIRED_MODELS%% *}; fi
    printf '  Next:      curl -N %s/jobs -H "Content-Type: application/json" -d '\''{"model":"%s","prompt":"Hello"}'\''\n' \
      "$SERVER_URL" "$model"
  fi
  finish
}

# ---- removing -------------------------------------------------------------------------------------------------------

# FILE
remove() {
  if [ -e "$1" ]; then
    act rm -f "$1"
    [ "$dry_run" = 1 ] || say "removed $1"
  fi
}

remove_empty() {
  [ "$dry_run" = 0 ] || return 0
  for folder in "$@"; do rmdir "$folder" 2>/dev/null || :; done
}

uninstall_role() {
  choose_paths
  if [ ! -e "$ledger" ]; then
    step "The $role"
    say "was not installed by this script: nothing to remove"
    return 0
  fi
  step "Removing the $role"
  drain=$(stored DRAIN_TIMEOUT)
  if ! matches "$drain" '[0-9]{1,5}(\.[0-9]*)?'; then
    if [ "$role" = hub ]; then drain=30; else drain=120; fi
  fi
  compose_file=$(all_made compose)
  if [ -n "$compose_file" ]; then
    if [ -f "$compose_file" ] && [ -f "$env_file" ]; then
      act docker compose --file "$compose_file" --env-file "$env_file" down
    else
      warn "$compose_file is gone, so its container is left" "docker ps shows it, docker rm -f NAME removes it."
    fi
  elif is_running; then
    say "stopping $service; it finishes the answers it is giving (at most $drain seconds)"
    stop_service
  fi
  if [ "$manager" = systemd ] && [ -e "$unit" ]; then act systemctl disable "$service"; fi
  for file in $(all_made file); do remove "$root$file"; done
  if [ "$manager" = systemd ] && [ -z "$compose_file" ]; then
    act systemctl daemon-reload
    if [ "$dry_run" = 0 ]; then systemctl reset-failed "$service" >/dev/null 2>&1 || :; fi
  fi
  if [ "$manager" = none ]; then remove "$pid_file"; fi
  for rule in $(all_made ufw); do
    if have ufw; then act ufw delete allow "$rule"; fi
  done
  remove_settings
  if [ -f "$log" ]; then remove "$log"; fi
  remove_empty "$state" "$env_folder" "$log_folder"
  remove "$ledger"
}

remove_settings() {
  [ -e "$env_file" ] || return 0
  if [ "$dry_run" = 1 ]; then
    say "would ask whether to remove the settings, $env_file"
    return 0
  fi
  if ask "Remove the settings of the $role too, $env_file?"; then
    remove "$env_file"
    if [ -d "$state" ]; then rm -rf "$state"; fi
  else
    # Its group goes with the user, and its number may be given to somebody else.
    chown 0:0 "$env_file" && chmod 0600 "$env_file"
    if [ -d "$state" ]; then chown -R 0:0 "$state" && chmod 0700 "$state"; fi
    say "kept $env_file; the next installation takes it up (--yes removes it)"
  fi
}

remove_account() {
  role=hub && choose_paths
  [ -e "$lib/user.made" ] || return 0
  for other in hub node; do
    # A dry run has left the ledgers of what it would have removed.
    case "$dry_run $roles" in *"1 "*$other*) continue ;; esac
    if [ -e "$lib/$other.made" ]; then return 0; fi
  done
  step "Removing the user $account"
  if account_exists; then
    if have userdel; then act userdel "$account"; else act deluser "$account"; fi
    # deluser of BusyBox leaves the group.
    if ! have userdel && grep -q "^$account:" "$root/etc/group" 2>/dev/null; then act delgroup "$account"; fi
  fi
  remove "$lib/user.made"
}

uninstall() {
  detect_machine
  need_root "removes a program, a user and a service"
  if [ "$dry_run" = 1 ]; then echo "Dry run: every step is said and nothing is changed."; fi
  if [ -n "$role" ]; then roles=$role; else roles='node hub'; fi
  for role in $roles; do uninstall_role; done
  remove_account
  remove_empty "$lib" "$root/var/lib/ollama-connector"
  printf '\nOllama and its models were not touched.\n'
}

main() {
  set -eu
  umask 022
  # With it, cd says where it went, and that would be taken for the folder.
  unset CDPATH
  newline='
'
  root=${OLLAMA_CONNECTOR_ROOT-}
  arguments=$*
  parse_options "$@"
  case $action in
    help) usage ;;
    uninstall) uninstall ;;
    install) "install_$role" ;;
  esac
}

main "$@"
