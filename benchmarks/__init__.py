"""What xfeldask is measured by.

In one command, without asv: ``python -m benchmarks.report`` (``--full`` for 10K and 100K shots; see ``--help``).

With asv, in the environment that is there, where ``xfeldask[dev]`` is installed::

    asv machine --yes --config benchmarks/asv.conf.json
    asv run --config benchmarks/asv.conf.json --python same --quick --bench OneShot

``environment_type`` is ``existing``: asv then measures the working tree with the running interpreter and builds
nothing. Add ``--set-commit-hash $(git rev-parse HEAD)`` to have results kept. XFELDASK_BENCH=full in the
environment adds the sizes 10K and 100K; XFELDASK_BENCH=smoke, which the tests set, measures as little as it can,
of a small particle.

Numbers that are compared come from one run, in turns, and medians of each turn's ratio are told, because machines
are noisy. Every class needs at most a quarter of an hour on two cores, but for the largest sizes.
"""
