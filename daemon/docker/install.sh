#!/bin/sh
# The steps that the image is made of; tests/test_docker.py takes the same ones without Docker.
#   install.sh packages             what OpenGL without a display needs, by apt-get
#   install.sh program TARGET EXTRA the program with its daemon in a virtual environment; EXTRA is cpu or gpu
#   install.sh places [ROOT]        folders that the image's settings name; whoever runs it may write there
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
case "${1:-}" in
packages)
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends libegl1 libgl1 libgl1-mesa-dri
    rm -rf /var/lib/apt/lists/*
    ;;
program)
    "${PYTHON:-python3}" -m venv "$2"
    "$2/bin/python" -m pip install --disable-pip-version-check --no-cache-dir --quiet \
        -c "$here/constraints.txt" "$here[$3,daemon]"
    "$2/bin/depthflowd" --help > /dev/null
    ;;
places)
    for place in /photos /videos /state /run/depthflow; do
        install -d -m 1777 "${2:-}$place"
    done
    ;;
*)
    sed -n '2,5s/^# //p' "$0" >&2
    exit 2
    ;;
esac
