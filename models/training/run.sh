#!/bin/sh
# Make models/builtin.onnx from photos.tar and the teachers: label, add scenes, train, export, measure.
# usage: models/training/run.sh [DATA] [CACHE] [STEPS] [TRAIN OPTION...]     (from anywhere)
# A stopped run goes on where it was. `--start models/builtin.onnx` after STEPS trains the present network further.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
data=${1:-$root/../shared/depth-data}
cache=${2:-$root/.cache/training}
steps=${3:-2400}
[ $# -gt 3 ] && shift 3 || shift $#
python=${PYTHON:-python3}

"$python" "$here/prepare.py" --data "$data" --cache "$cache"
"$python" "$here/rooms.py" --cache "$cache" --count 200
"$python" "$here/streets.py" --cache "$cache" --count 130
"$python" "$here/train.py" --cache "$cache" --steps "$steps" "$@"
"$python" "$here/export.py" --checkpoint "$cache/run/checkpoint.pt"
"$python" "$here/evaluate.py" --data "$data"
