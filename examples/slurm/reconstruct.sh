#!/bin/bash
# Sorts a run and reconstructs its single hits on a node with a GPU: sbatch reconstruct.sh STORE [options of reconstruct]
#
# A job that is started again goes on from its last checkpoint. Needs pip install "xfeldask[cuda]".
#SBATCH --job-name=reconstruct
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=16
#SBATCH --time=01:00:00
set -euo pipefail

store=$1
shift
if [ ! -e "$store/latent/ipca" ]; then
    xfeldask embed "$store" --scheduler threads --workers "${SLURM_CPUS_PER_TASK:-1}"
fi
exec xfeldask reconstruct "$store" --device cuda \
    --scheduler threads --workers "${SLURM_CPUS_PER_TASK:-1}" "$@"
