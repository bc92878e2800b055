#!/usr/bin/env bash
# Prints the path of a Python that has Tidegate's locked dependencies, building its environment when there is none.
#
# The environment is Tidegate's own: nothing is installed into the user's Python or workspace. It is keyed by the
# lock file, system and Python, so that all actions of a job share it. Every build gets a fresh directory and is found
# through a marker that is written last: a build under way, or one that was killed, is never used.
set -euo pipefail

requirements="$(cd "$(dirname "${BASH_SOURCE[0]}")/../requirements" && pwd)"

fail() {
  echo "::error title=Tidegate could not be installed::$2" >&2
  exit "$1"
}

posix_path() {
  if command -v cygpath >/dev/null; then cygpath --unix "$1"; else echo "$1"; fi
}

sha256() {
  if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi
}

interpreter_in() {
  if [[ -x "$1/Scripts/python.exe" ]]; then echo "$1/Scripts/python.exe"; else echo "$1/bin/python"; fi
}

# A shared temporary directory may hold what another user planted there; a runner's own holds only the job's files.
is_trusted() {
  [[ -n "${RUNNER_TEMP:-}" || -O "$1" ]]
}

find_environment() {
  local marker environment
  for marker in "$base/$key"-py*/complete; do
    environment="${marker%/complete}"
    if [[ -f "$marker" && -x "$(interpreter_in "$environment")" ]] && is_trusted "$environment"; then
      interpreter_in "$environment"
      return
    fi
  done
  return 1
}

# Keeps what says where packages come from and how to get there (indexes, proxies, certificates, caches) and drops what
# would send them elsewhere, such as PIP_TARGET, UV_PYTHON, PIP_USER or PYTHONPATH.
clean_environment() {
  local name
  for name in ${!PIP_@} ${!UV_@} ${!PYTHON@} ${!VIRTUAL_ENV@} ${!CONDA_PREFIX@}; do
    case "$name" in
      *INDEX* | *FIND_LINKS | *CERT* | *TLS | *HOST | *PROXY | *TIMEOUT | *RETRIES | *CACHE* | *KEYRING*) ;;
      PIP_CONFIG_FILE | UV_CONFIG_FILE | UV_OFFLINE | UV_CONCURRENT_* | UV_LINK_MODE) ;;
      *) unset "$name" ;;
    esac
  done
  # uv does not read pip's variables, and a mirror is often the only index in reach.
  if [[ -n "${PIP_INDEX_URL:-}" && -z "${UV_INDEX_URL:-}${UV_DEFAULT_INDEX:-}" ]]; then
    export UV_DEFAULT_INDEX="$PIP_INDEX_URL"
  fi
  export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1
}

# Sets `python` (a command with its arguments) and `version`.
find_python() {
  local candidate
  for candidate in python3 python 'py -3' python3.14 python3.13 python3.12 python3.11; do
    read -ra python <<<"$candidate"
    version="$("${python[@]}" -I -c 'import sys; print("py%d.%d" % sys.version_info[:2])' 2>/dev/null)" || continue
    version="${version%$'\r'}"
    case "$version" in py3.[0-9] | py3.10) ;; py3.*) return ;; esac
  done
  fail 2 "No Python 3.11 or newer was found. Add actions/setup-python (python-version: '3.12') as an earlier step."
}

# Hashes only, and no source archives: nothing that is not locked is downloaded, and installing runs no package's code.
locked=(--quiet --require-hashes --only-binary :all:)

install_with_uv() {
  "${python[@]}" -I -m venv --without-pip "$environment" &&
    "${python[@]}" -I -m pip install "${locked[@]}" --no-user --target "$environment/uv" \
      --requirement "$requirements/uv.txt" &&
    "$environment/uv/bin/uv" pip install "${locked[@]}" --python "$(interpreter_in "$environment")" \
      --requirement "$requirements/runtime.txt" &&
    rm -rf "$environment/uv"
}

install_with_pip() {
  "${python[@]}" -I -m venv --clear "$environment" &&
    "$(interpreter_in "$environment")" -I -m pip install "${locked[@]}" --no-compile \
      --requirement "$requirements/runtime.txt"
}

build_environment() {
  # uv reads settings of the directory it runs in, and the workspace's are meant for the user's own project.
  cd "$base"
  environment="$(mktemp -d "$key-$version-XXXXXX")"
  environment="$base/$environment"
  trap 'rm -rf "$environment" "$environment.log"' EXIT
  if ! install_with_uv >"$environment.log" 2>&1 && ! install_with_pip >>"$environment.log" 2>&1; then
    cat "$environment.log" >&2
    fail 3 "Neither uv nor pip could install the locked dependencies; their messages stand above this line."
  fi
  trap - EXIT
  rm "$environment.log"
  touch "$environment/complete"
  interpreter_in "$environment"
}

base="$(posix_path "${RUNNER_TEMP:-${TMPDIR:-/tmp}}")"
digest="$(sha256 <"$requirements/runtime.txt")"
key="tidegate-${digest:0:16}-$(uname -sm | tr -c '[:alnum:]\n' '-')"

find_environment || {
  clean_environment
  find_python
  build_environment
}
