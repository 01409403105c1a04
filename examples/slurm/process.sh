#!/bin/bash
# Processes one run a task: sbatch --array=40-59 process.sh HITS OUT [options of xfeldask process]
#
# HITS holds r0040_hits.cxi, ...; OUT gets r0040.zarr, r0040_report.html and the summary r0040.json.
# A task that is started again does what is left to do. Runs without hits are passed over.
#SBATCH --job-name=xfeldask
#SBATCH --cpus-per-task=16
#SBATCH --time=01:00:00
set -euo pipefail

hits=$1
out=$2
shift 2
run=$(printf 'r%04d' "$SLURM_ARRAY_TASK_ID")
if [ ! -e "$hits/${run}_hits.cxi" ]; then
    echo "$run has no hits" >&2
    exit 0
fi
mkdir -p "$out"
xfeldask process "$hits/${run}_hits.cxi" "$out/$run.zarr" \
    --scheduler threads --workers "${SLURM_CPUS_PER_TASK:-1}" --quiet "$@" >"$out/$run.json.new"
mv "$out/$run.json.new" "$out/$run.json"
