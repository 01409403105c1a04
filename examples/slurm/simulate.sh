#!/bin/bash
# Simulates one store by many jobs without a scheduler: sbatch --array=1-16 simulate.sh EXPERIMENT STORE 16 [options]
#
# Job I makes the I-th of 16 ranges of the shards; the first to come makes the store. A job that is started again finishes
# its range, as in sbatch --array=7 simulate.sh EXPERIMENT STORE 16. The bytes are those of one process.
#SBATCH --job-name=simulate
#SBATCH --cpus-per-task=16
#SBATCH --time=01:00:00
set -euo pipefail

experiment=$1
store=$2
ranges=$3
shift 3
exec xfeldask simulate "$store" --experiment "$experiment" --shards "$SLURM_ARRAY_TASK_ID/$ranges" \
    --scheduler threads --workers "${SLURM_CPUS_PER_TASK:-1}" "$@"
