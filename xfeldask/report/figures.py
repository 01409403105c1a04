"""Pictures of a run: what the detector saw, and what the latent space makes of it."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from xfeldask.physics.reach import reach
from xfeldask.scores import OUTCOMES, ShotClass, confusion_class
from xfeldask.units import shown, told


def montage(ds: xr.Dataset, columns: int = 4, particle: str = "") -> Figure:
    """Draw binned patterns of single hits above those of multiple hits, with their truth.

    Parameters
    ----------
    ds : Dataset of a simulated store
    columns : int, patterns of each kind
    particle : str, named in the title

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path, two = tempfile.mkdtemp() + "/run.zarr", ([[0, 0, 0], [2e-9, 0, 0]], ["C", "C"])
    >>> ds = xfeldask.simulate(path, particle=two, detector="square-32", n_shots=4, progress=False)
    >>> len([ax for ax in montage(ds, columns=2).axes if ax.images])
    2
    """
    number = ds.n_particles.values
    rows = [("single hit", np.flatnonzero(number == 1)), ("multiple hits", np.flatnonzero(number > 1))]
    rows = [(title, shots[:columns]) for title, shots in rows if len(shots)] or [("blank", np.arange(columns))]
    images = {int(i): ds.image[int(i)].values for _, shots in rows for i in shots if i < len(number)}
    top = max(2, *(int(image.max()) for image in images.values()))
    figure = Figure(figsize=(2.55 * columns + 1.1, 2.9 * len(rows) + 0.9), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    extent = q_extent(ds)
    x, y = (shown(axis.attrs["units"]).of(axis.values) for axis in (ds.x, ds.y))
    half = reach(np.sum(list(images.values()), axis=0), x, y)
    drawn = None
    for line, (title, shots) in zip(axes, rows, strict=True):
        for ax in line[len(shots) :]:
            ax.set_visible(False)
        for ax, i in zip(line, shots, strict=False):
            counted = np.ma.masked_less(images[int(i)], 1)
            drawn = ax.imshow(
                counted, norm=LogNorm(1, top), cmap="viridis", extent=extent, origin="lower", interpolation="nearest"
            )
            ax.set_facecolor("#f3f3f3")
            ax.set_title(f"shot {i}: {_truth(ds, int(i), title)}\n{int(ds.photon_count[int(i)]):,} photons", fontsize=9)
            ax.tick_params(labelsize=7)
            ax.set(xlim=(-half, half), ylim=(-half, half))
        line[0].set_ylabel(shown(ds.y.attrs["units"]).label("q along y"), fontsize=8)
    for ax in axes[-1]:
        ax.set_xlabel(shown(ds.x.attrs["units"]).label("q along x"), fontsize=8)
    if drawn is not None:
        bar = figure.colorbar(drawn, ax=axes, shrink=0.8, pad=0.01)
        bar.set_label(f"photons in a bin of {ds.attrs['bin']} x {ds.attrs['bin']} pixels; grey: none")
    name = particle or ds.attrs["particle"]
    figure.suptitle(f"Assembled patterns of {name}: the square that holds 98 % of the photons shown", fontsize=12)
    return figure


def latent_scatter(ds: xr.Dataset, latent: xr.Dataset) -> Figure:
    """Draw two views of the latent space, coloured by truth and verdict.

    Parameters
    ----------
    ds : Dataset of a simulated store
    latent : Dataset of its embedding, which was sorted

    Examples
    --------
    >>> ds = xr.Dataset({"n_particles": ("shot", [1, 1, 2])})
    >>> latent = xr.Dataset({
    ...     "latent": (("shot", "component"), np.eye(3), {"units": "count"}),
    ...     "explained_variance": ("component", [3.0, 2, 1]),
    ...     "is_single": ("shot", [True, False, False]),
    ... })
    >>> [text.get_text() for text in latent_scatter(ds, latent).axes[-1].get_legend().texts]
    ['single accepted: 1', 'multiple accepted: 0', 'multiple rejected: 1', 'single rejected: 1']
    """
    single = ds.n_particles.values == 1
    pairs = component_pairs(latent)
    figure = Figure(figsize=(6.2 * len(pairs), 5.4), layout="constrained")
    for ax, pair in zip(figure.subplots(1, len(pairs), squeeze=False)[0], pairs, strict=True):
        handles = class_panel(ax, latent, pair, single)
    ax.legend(handles=handles, loc="best", framealpha=0.9, fontsize=9)
    figure.suptitle(f"Latent space of {latent.sizes['shot']:,} shots, all drawn: truth and verdict")
    return figure


def component_pairs(latent: xr.Dataset) -> list[tuple[int, int]]:
    """Choose the components to draw against each other.

    Examples
    --------
    >>> component_pairs(xr.Dataset(coords={"component": range(3)}))
    [(0, 1), (0, 2)]
    """
    n = latent.sizes["component"]
    return [(0, 1), (0, 2)] if n > 2 else [(0, min(1, n - 1))]


def class_panel(ax: Axes, latent: xr.Dataset, pair: tuple[int, int], single: np.ndarray) -> list[Line2D]:
    """Draw all shots in two components, coloured by truth and verdict.

    Parameters
    ----------
    ax : Axes
    latent : Dataset of an embedding
    pair : components along x and y
    single : bool (shot,), the truth

    Returns
    -------
    list of Line2D, handles for a legend, with the number of shots of each class

    Examples
    --------
    >>> latent = xr.Dataset({
    ...     "latent": (("shot", "component"), np.eye(2), {"units": "1"}),
    ...     "explained_variance": ("component", [2.0, 1]),
    ...     "is_single": ("shot", [True, True]),
    ... })
    >>> class_panel(Figure().subplots(), latent, (0, 1), np.array([True, False]))[1].get_label()
    'multiple accepted: 1'
    """
    points, outcome = latent.latent.values[:, pair], confusion_class(single, latent.is_single.values)
    name_axes(ax, latent, pair)
    return [_class_points(ax, points[outcome == code], found, len(points)) for code, found in enumerate(OUTCOMES)]


def name_axes(ax: Axes, latent: xr.Dataset, pair: tuple[int, int]) -> None:
    """Name two components, their unit and their fraction of the variance of all components.

    Examples
    --------
    >>> ax = Figure().subplots()
    >>> latent = xr.Dataset({
    ...     "latent": (("shot", "component"), np.eye(2), {"units": "count"}),
    ...     "explained_variance": ("component", [3.0, 1]),
    ... })
    >>> name_axes(ax, latent, (0, 1))
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('component 0 (counts; 75% of the variance in 2 components)', 'component 1 (counts; 25%)')
    """
    share = latent.explained_variance.values / max(1e-30, latent.explained_variance.values.sum())
    unit = {"1": "", "count": "counts; "}.get(latent.latent.attrs["units"], f"{latent.latent.attrs['units']}; ")
    of_all = f" of the variance in {len(share)} components"
    for name, component, more in zip(("x", "y"), pair, (of_all, ""), strict=True):
        ax.set(**{f"{name}label": f"component {component} ({unit}{share[component]:.0%}{more})"})
    ax.grid(alpha=0.2)


def _class_points(ax: Axes, points: np.ndarray, found: ShotClass, shots: int) -> Line2D:
    """Draw the shots of a class, `points` (shot, 2) of `shots` in all."""
    large = 24 if len(points) < 1000 else 8
    ax.scatter(
        points[:, 0],
        points[:, 1],
        c=found.color,
        marker=found.marker,
        s={".": 4, "x": 9}.get(found.marker, large),
        linewidths=0 if found.marker == "." else 0.5,
        zorder=3 - len(points) / max(1, shots),  # the fewer lie on the many
    )
    label = f"{found.name}: {len(points):,}"
    return Line2D([], [], color=found.color, marker=found.marker, linestyle="", label=label)


def _truth(ds: xr.Dataset, i: int, title: str) -> str:
    number = int(ds.n_particles[i])
    if number < 2:
        return title
    place = ds.position[i, :number].values
    distance = float(np.linalg.norm((place[1] - place[0])[:2]))
    return f"{number} particles\n{told(distance, 'm', digits=2)} apart as seen"


def q_extent(ds: xr.Dataset) -> tuple[float, float, float, float]:
    """Return left, right, bottom and top of the images of a run, in the unit that people are shown.

    Examples
    --------
    >>> axes = {name: (name, [-1.0, 0.0, 1.0], {"units": "angstrom-1"}) for name in ("x", "y")}
    >>> q_extent(xr.Dataset(coords=axes))
    (-15.0, 15.0, -15.0, 15.0)
    """
    (left, right), (bottom, top) = (_edges(shown(axis.attrs["units"]).of(axis.values)) for axis in (ds.x, ds.y))
    return left, right, bottom, top


def _edges(middle: np.ndarray) -> tuple[float, float]:
    """Return the outer edges of bins of one width."""
    half = (middle[-1] - middle[0]) / max(1, len(middle) - 1) / 2
    return float(middle[0] - half), float(middle[-1] + half)
