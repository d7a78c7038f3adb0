#!/bin/sh
# Installs Lampwork into an environment of its own, so that it touches no package of the container's
# Python. VERSION is the feature's option. The builder of the container runs this as root.
set -eu

version=${VERSION:-latest}
folder=${LAMPWORK_FOLDER:-/usr/local/lampwork}
programs=${LAMPWORK_PROGRAMS:-/usr/local/bin}

python=$(command -v python3 || true)
if [ -z "$python" ] || ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "Lampwork needs Python 3.11 or later: add the feature ghcr.io/devcontainers/features/python." >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "Lampwork needs Python's venv: on Debian, install python3-venv." >&2
    exit 1
fi

if [ "$version" = latest ]; then wanted=lampwork; else wanted="lampwork==$version"; fi
"$python" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir "$wanted"
ln -sf "$folder/bin/lampwork" "$programs/lampwork"
"$programs/lampwork" --version
