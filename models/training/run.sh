#!/bin/sh
# Reproduce models/builtin.onnx from photos.tar and the teachers: label, add rooms, train, export, measure.
# usage: models/training/run.sh [DATA] [CACHE] [MINUTES]     (from anywhere; a stopped run goes on where it was)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
data=${1:-$root/../shared/depth-data}
cache=${2:-$root/.cache/training}
minutes=${3:-45}
python=${PYTHON:-python3}

"$python" "$here/prepare.py" --data "$data" --cache "$cache"
"$python" "$here/rooms.py" --cache "$cache" --count 420
"$python" "$here/train.py" --cache "$cache" --minutes "$minutes"
"$python" "$here/export.py" --checkpoint "$cache/run/checkpoint.pt"
"$python" "$here/evaluate.py" --data "$data"
