"""`xfeldask selfcheck`."""

from __future__ import annotations

import click

from xfeldask.cli.flags import device_option


@click.command()
@device_option("that is checked")
@click.option(
    "--n-shots",
    type=click.IntRange(min=300),
    default=1000,
    show_default=True,
    help="Shots to simulate and to reconstruct from.",
)
def selfcheck(device: str, n_shots: int) -> None:
    """Check that a device computes what it should here, in a minute, and say how fast it is."""
    from xfeldask.devices import ON_CPU
    from xfeldask.errors import RunError
    from xfeldask.report.printing import console, facts
    from xfeldask.verbs.selfcheck import selfcheck as run

    found = run(device, n_shots=n_shots)
    rows = {each.what: each.told if each.fits else f"NOT AS IT SHOULD BE: {each.told}" for each in found}
    console().print(facts("selfcheck", rows))
    if wrong := [each.what for each in found if not each.fits]:
        raise RunError(f"{', '.join(wrong)} not as it should be; {ON_CPU}, and report the table")
    console().print("All is as it should be.")
