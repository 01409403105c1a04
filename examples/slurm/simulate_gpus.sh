#!/bin/bash
# Simulates one store on all GPUs of a node: sbatch simulate_gpus.sh EXPERIMENT STORE [options of simulate]
#
# Each GPU has a Dask worker of its own, which sees no other; the cores are shared out among them. A job that was killed is
# submitted again with --resume. Needs pip install "xfeldask[cuda]". On a computer that is yours alone
# xfeldask simulate --scheduler processes --device cuda does the same.
#SBATCH --job-name=simulate
#SBATCH --gres=gpu:4
#SBATCH --cpus-per-task=64
#SBATCH --time=01:00:00
set -euo pipefail

experiment=$1
store=$2
shift 2
# a job may have some of the node's GPUs alone
gpus=${CUDA_VISIBLE_DEVICES:-}
gpus=${gpus//,/ }
[ -n "$gpus" ] || gpus=$(nvidia-smi -L | sed -n 's/.*(UUID: \(GPU-[^)]*\)).*/\1/p')
if [ -z "$gpus" ]; then
    echo "nvidia-smi lists no GPU" >&2
    exit 1
fi
count=$(wc -w <<<"$gpus")
threads=$((${SLURM_CPUS_PER_TASK:-count} / count))
port=$((20000 + ${SLURM_JOB_ID:-0} % 10000))
address=tcp://127.0.0.1:$port

trap 'kill $(jobs -p)' EXIT
dask scheduler --host 127.0.0.1 --port "$port" --no-dashboard &
for gpu in $gpus; do
    CUDA_VISIBLE_DEVICES=$gpu dask worker "$address" --nworkers 1 --nthreads "$((threads > 0 ? threads : 1))" \
        --no-dashboard &
done
xfeldask simulate "$store" --experiment "$experiment" --device cuda --scheduler "$address" "$@"
