#!/bin/sh
# Make models/builtin.onnx from photos.tar and the teachers: label, add scenes, train, add a layout, sharpen, export, measure.
# usage: models/training/run.sh [DATA] [CACHE] [STEPS] [TRAIN OPTION...]     (from anywhere)
# A stopped run goes on where it was. START=NETWORK.onnx leaves the training out and gives that network a layout.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
data=${1:-$root/../shared/depth-data}
cache=${2:-$root/.cache/training}
steps=${3:-2400}
[ $# -gt 3 ] && shift 3 || shift $#
python=${PYTHON:-python3}

"$python" "$here/prepare.py" --data "$data" --cache "$cache"
"$python" "$here/rooms.py" --cache "$cache"
"$python" "$here/streets.py" --cache "$cache"
"$python" "$here/rooms.py" --cache "$cache" --held-out --count 8
"$python" "$here/streets.py" --cache "$cache" --held-out --count 5
if [ -z "${START:-}" ]; then
  "$python" "$here/train.py" --cache "$cache" --steps "$steps" "$@"
  "$python" "$here/export.py" --checkpoint "$cache/run/checkpoint.pt" --out "$cache/trained.onnx"
fi
[ -f "$cache/start.onnx" ] || cp "${START:-$cache/trained.onnx}" "$cache/start.onnx"  # START may be what is written over
"$python" "$here/layout.py" --cache "$cache" --start "$cache/start.onnx"
"$python" "$here/outlines.py" --cache "$cache" --start "$cache/start.onnx"
"$python" "$here/export.py" --checkpoint "$cache/run-outlines/checkpoint.pt" --layout "$cache/run-layout/checkpoint.pt"
"$python" "$here/evaluate.py" --data "$data"
