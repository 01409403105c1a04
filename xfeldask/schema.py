"""Every variable of a store once: its name, dimensions, type, unit and meaning."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal


@dataclass(frozen=True)
class Variable:
    """A variable of the store.

    Attributes
    ----------
    name : str
    dims : tuple of str
    dtype : str, numpy's name, "string" for text
    long_name : str
    units : str, CF style; "1" for pure numbers
    role : "raw" and "total" are written by a shard's task, "truth" and "fixed" with the template, "species" with it
        where the experiment has species
    comment : str
    flags : tuple of (value, meaning)

    Examples
    --------
    >>> VARIABLES["photon_count"].attributes()["units"]
    'count'
    """

    name: str
    dims: tuple[str, ...]
    dtype: str
    long_name: str
    units: str = "1"
    role: Literal["raw", "total", "truth", "species", "fixed"] = "fixed"
    comment: str = ""
    flags: tuple[tuple[int, str], ...] = ()

    def attributes(self) -> dict[str, Any]:
        """CF attributes."""
        out: dict[str, Any] = {"long_name": self.long_name}
        if self.dtype != "string":
            out["units"] = self.units
        if self.comment:
            out["comment"] = self.comment
        if self.flags:
            out["flag_values"] = [value for value, _ in self.flags]
            out["flag_meanings"] = " ".join(meaning for _, meaning in self.flags)
        return out


PENDING, DONE = 0, 1
NO_KIND = -1
PIXELS = ("panel", "ss", "fs")
QUATERNION = (
    "unit quaternion (w, x, y, z), active and right-handed: the particle's atoms are at R r + d; "
    "q and -q are the same orientation; NaN where there is no particle"
)
S_MEANING = "s = (n - z) / wavelength, no 2 pi, n from the interaction point to the pixel, z along the beam"
AXIS_MEANING = (
    "scattering vector at the nominal photon energy, no 2 pi, as far as small angles hold; x is horizontal in the "
    "laboratory, y points up"
)
FLUENCE = (
    "photons per area at the particle; the nominal peak is photons_per_pulse / (pi focus_radius^2), that of a flat "
    "top; a Gaussian focus keeps it on the axis and falls off as exp(-2 (distance / focus_radius)^2)"
)

VARIABLES = {
    v.name: v
    for v in (
        Variable("photons", ("shot", *PIXELS), "uint8", "photons counted in each pixel", "count", "raw",
                 "a full pixel stays at the largest value"),
        Variable("ideal_photons", ("shot", *PIXELS), "uint8", "photons that reach each pixel", "count", "raw",
                 "photons is what the detector's response made of them; a full pixel stays at the largest value"),
        Variable("adu", ("shot", *PIXELS), "int32", "analogue-to-digital units that each pixel reads", "1", "raw",
                 "without the dark; photons is what was counted of them"),
        Variable("intensity", ("shot", *PIXELS), "float32", "expected photons in each pixel", "count", "raw"),
        Variable("image", ("shot", "y", "x"), "uint16", "photons of the assembled pattern, binned", "count", "raw",
                 "a full bin stays at the largest value"),
        Variable("low_q", ("shot", "low_y", "low_x"), "uint16", "photons around the beam, in finer bins than image",
                 "count", "raw", "a full bin stays at the largest value; the beam meets the middle of the array"),
        Variable("photon_count", ("shot",), "uint32", "photons counted in the shot", "count", "total"),
        Variable("lost_photons", ("shot",), "uint32", "photons lost to full pixels", "count", "total"),
        Variable("shot_status", ("shot",), "uint8", "whether the shot has been written", role="total",
                 flags=((PENDING, "pending"), (DONE, "done"))),
        Variable("n_particles", ("shot",), "int16", "number of particles in the shot", role="truth"),
        Variable("orientation", ("shot", "particle", "quaternion"), "float64", "orientation of each particle",
                 role="truth", comment=QUATERNION),
        Variable("position", ("shot", "particle", "xyz"), "float64", "position of each particle", "m", "truth",
                 "beam along +z, interaction point at 0; NaN where there is no particle"),
        Variable("fluence", ("shot", "particle"), "float64", "fluence at each particle", "um-2", "truth", FLUENCE),
        Variable("size", ("shot", "particle"), "float64", "relative size of each particle", role="truth",
                 comment="the electron density is dilated: F(s) becomes F(size s)"),
        Variable("photon_energy", ("shot",), "float64", "photon energy of the pulse", "eV", "truth"),
        Variable("beam_center", ("shot", "xy"), "float64", "where the beam meets the detector plane", "m", "truth"),
        Variable("background", ("shot",), "float64", "expected background photons on all pixels", "count", "truth"),
        Variable("species", ("shot", "particle"), "int16", "species of each particle", role="species",
                 comment="index into the species of the experiment; -1 where there is no particle"),
        Variable("variant", ("shot", "particle"), "int32", "variant of each particle's species", role="species",
                 comment="index along variant of /volume/<species>; -1 where there is no particle"),
        Variable("coordinate", ("shot", "particle"), "float64", "what variants of each particle's species differ by",
                 role="species", comment="index of a conformer or angle of a hinge [degree]; NaN where there is none"),
        Variable("pixel_position", (*PIXELS, "xyz"), "float64", "centre of each pixel", "m",
                 comment="beam along +z, interaction point at 0"),
        Variable("q", (*PIXELS, "xyz"), "float32", "scattering vector s at the nominal photon energy", "angstrom-1",
                 comment=S_MEANING),
        Variable("solid_angle", PIXELS, "float64", "solid angle of each pixel", "sr"),
        Variable("polarization", PIXELS, "float64", "polarization factor, linear along x"),
        Variable("assembled_row", PIXELS, "int32", "row of the pixel in the assembled pattern, along y"),
        Variable("assembled_col", PIXELS, "int32", "column of the pixel in the assembled pattern, along x"),
        Variable("mask", PIXELS, "uint8", "pixels that count", flags=((0, "bad"), (1, "good"))),
        Variable("background_shape", PIXELS, "float32", "background photons of each pixel over their mean on all"),
        Variable("pixel_gain", PIXELS, "float32", "gain of each pixel over the one that it is taken to have",
                 comment="0 where the pixel sees no photon, which no mask tells"),
        Variable("hot_pixel", PIXELS, "uint8", "whether the pixel reads more in every shot, which no mask tells",
                 flags=((0, "no"), (1, "hot"))),
        Variable("atom_position", ("atom", "xyz"), "float64", "atoms of the particle, centre of mass at 0", "m"),
        Variable("atom_element", ("atom",), "string", "chemical element of each atom"),
        Variable("atom_occupancy", ("atom",), "float64", "part of the particles in which the atom is there"),
        Variable("shot", ("shot",), "int64", "absolute shot index"),
        Variable("y", ("y",), "float64", "q along y", "angstrom-1", comment=f"of the bins of image; {AXIS_MEANING}"),
        Variable("x", ("x",), "float64", "q along x", "angstrom-1", comment=f"of the bins of image; {AXIS_MEANING}"),
        Variable("low_y", ("low_y",), "float64", "q along y", "angstrom-1",
                 comment=f"of the bins of low_q; {AXIS_MEANING}"),
        Variable("low_x", ("low_x",), "float64", "q along x", "angstrom-1",
                 comment=f"of the bins of low_q; {AXIS_MEANING}"),
        Variable("xyz", ("xyz",), "string", "axis"),
        Variable("xy", ("xy",), "string", "axis"),
        Variable("quaternion", ("quaternion",), "string", "component of a quaternion"),
        Variable("coefficient", ("u", "v", "w"), "complex64", "interpolation coefficients of the form factor",
                 "electron", comment="F(s) is the sum over the 4 x 4 x 4 nearest of coefficient x kernel"),
        Variable("form_factor", ("u", "v", "w"), "complex64", "form factor F(s), + 2 pi i in the exponent",
                 "electron", comment="NaN beyond the largest s of the run"),
        Variable("s", ("u",), "float64", "scattering vector along each axis of the grid", "m-1",
                 comment=f"the same along u (x), v (y) and w (z); {S_MEANING}"),
        Variable("member_body", ("variant", "member"), "string", "body that each member of a particle is",
                 comment="its form factor is that of /volume/<body>"),
        Variable("member_orientation", ("variant", "member", "quaternion"), "float64",
                 "orientation of each member in the particle's frame", comment="unit quaternion (w, x, y, z), active"),
        Variable("member_offset", ("variant", "member", "xyz"), "float64",
                 "place of each member in the particle's frame", "m"),
        Variable("variant_coordinate", ("variant",), "float64", "what the variants differ by",
                 comment="index of a conformer or angle of a hinge [degree]; NaN where there is none"),
        Variable("kernel", ("power", "tap"), "float32", "power series of the interpolation kernel's four pieces",
                 comment="in the distance from the grid point below, in grid steps"),
    )
}  # fmt: skip

BLANK, SINGLE, MULTIPLE, OTHER = 0, 1, 2, 3

LATENT = {
    v.name: v
    for v in (
        Variable("latent", ("shot", "component"), "float32", "coordinates of the shot in the latent space"),
        Variable("score", ("shot",), "float64", "how much the shot looks like a single hit",
                 comment="under the pairs rule, the log odds of a single hit; larger is more like one"),
        Variable("probability_single", ("shot",), "float64", "probability of a single hit"),
        Variable("is_single", ("shot",), "bool", "accepted as a single hit"),
        Variable("verdict", ("shot",), "uint8", "what the shot is taken for",
                 flags=((BLANK, "blank"), (SINGLE, "single"), (MULTIPLE, "multiple"))),
        Variable("kind", ("shot",), "int8", "kind of particle",
                 comment="0 the most frequent of those found, or in the order of the species that were named; -1 where "
                 "the shot was not taken for one particle"),
        Variable("probability_wanted", ("shot",), "float64", "probability of the wanted kind",
                 comment="the sum where several are wanted; NaN where the shot was not taken for one particle"),
        Variable("probability_kind", ("shot", "of_kind"), "float32", "probability of each kind",
                 comment="in the order of kind, names in the attribute kind_names where there are any; NaN where the "
                 "shot was not taken for one particle"),
        Variable("misfit", ("shot",), "float64", "how much worse the shot fits all kinds than shots as bright do",
                 comment="in robust standard deviations; NaN where the shot was not taken for one particle"),
        Variable("found_orientation", ("shot", "quaternion"), "float64", "likeliest orientation of the particle",
                 comment="relative to the intensity of its kind, see orientation; NaN where the shot was not taken for "
                 "one particle, or its kind looks the same from everywhere"),
        Variable("found_size", ("shot",), "float64", "size of the particle relative to that of its species",
                 comment="mean over the sizes that the shot was compared with; NaN where it was not taken for one "
                 "particle"),
        Variable("found_fluence", ("shot",), "float64", "fluence at the particle over the mean of the shots",
                 comment="photons over those expected of its kind and orientation; over the mean of single hits where "
                 "species were named, else of those of its kind; NaN where the shot was not taken for one particle"),
        Variable("log_ratio", ("shot",), "float64", "log likelihood ratio of one particle to several",
                 comment="NaN where the shot is blank"),
        Variable("autocorrelation_peak", ("shot",), "float64", "highest peak of the pattern's Fourier transform",
                 comment="that one particle does not explain, in standard deviations; NaN where the shot is blank"),
        Variable("separation", ("shot",), "float64", "distance of two particles as seen along the beam", "m",
                 comment="lag of autocorrelation_peak, what it means only if there are two; NaN where blank"),
        Variable("envelope_distance", ("shot",), "float64", "squared Mahalanobis distance to the bulk of the shots",
                 comment="of coordinates, by their robust mean and covariance"),
        Variable("excess", ("shot",), "float64", "photons around the beam above the background",
                 comment="in standard deviations, the background by the shot's own pixels far from the beam"),
        Variable("fitted", ("shot",), "bool", "the latent space was fitted to the shot"),
        Variable("latent_history", ("shot", "update", "component"), "float32",
                 "coordinates of the shot at each look at convergence", comment="signs as of the last look"),
        Variable("n_fitted", ("update",), "int64", "shots fitted at each look at convergence"),
        Variable("angle", ("update",), "float64", "largest principal angle to the basis before, on held-out shots",
                 "rad"),
        Variable("eigenvalue_change", ("update",), "float64", "largest relative change of an explained variance"),
        Variable("jensen_shannon", ("update",), "float64", "Jensen-Shannon distance of held-out shots to before"),
        Variable("reconstruction", ("update",), "float64", "relative squared error of held-out shots rebuilt"),
    )
}  # fmt: skip
"""Variables of an embedding; those of its model are named after the model's own parts."""

OF_KINDS = replace(LATENT["verdict"], flags=(*LATENT["verdict"].flags, (OTHER, "other")))
"""The verdict where kinds of particles were found: "other" is one particle of another kind than the wanted one."""


def of_names(names: Sequence[str]) -> Variable:
    """Return the variable `kind` of an embedding whose kinds have names.

    Examples
    --------
    >>> of_names(["protein", "droplet"]).attributes()["flag_meanings"]
    'none protein droplet'
    """
    return replace(LATENT["kind"], flags=((NO_KIND, "none"), *enumerate(names)))


PUBLISHED = ("known_background", "labels", "latent", "reconstruction", "selection", "unfinished")
"""Groups of a store whose groups are published one by one, each with a manifest of its own."""
GROUPS = (*PUBLISHED, "photonizing", "volume")
"""All groups of a store; no variable has such a name."""
WORKED_OUT = ("hit", "confusion", "azimuth", "elevation", "rotation")
"""Quantities that are worked out from variables, to look at and to select by; no variable has such a name."""

RECONSTRUCTION = {
    v.name: v
    for v in (
        Variable("intensity", ("u", "v", "w"), "float64", "intensity of the particle on a grid", "count",
                 comment="expected photons of a whole bin at the beam in a shot of fluence 1; the scale is arbitrary"),
        Variable("exposure", ("u", "v", "w"), "float64", "how much was looked at each point of the grid",
                 comment="pixels of all shots, times their fluence, what they see, and the order of the symmetry"),
        Variable("s", ("u",), "float64", "scattering vector along each axis of the grid", "m-1",
                 comment=f"the same along u (x), v (y) and w (z); {S_MEANING}"),
        Variable("used", ("shot",), "bool", "the intensity was made of the shot",
                 comment="some of the shots that were chosen are held out and only looked at in the end"),
        Variable("orientation", ("shot", "quaternion"), "float64", "likeliest orientation of the particle",
                 comment="relative to the intensity; unit quaternion (w, x, y, z), active: the pattern of a shot is "
                 "intensity(R^T s); NaN where the shot was not looked at"),
        Variable("orientation_spread", ("shot",), "float64", "spread of the shot's likely orientations", "rad",
                 comment="root mean square angle of those listed to the likeliest, up to the symmetry and half a turn "
                 "about the beam, which patterns hardly tell; NaN where not looked at"),
        Variable("log_likelihood", ("shot",), "float64", "log of the shot's mean likelihood over orientations",
                 comment="multinomial, without log n!; NaN where not looked at"),
        Variable("contrast_likelihood", ("shot",), "float64", "log_likelihood over that of the mean pattern",
                 comment="what the intensity explains of the shot beyond its radial profile; NaN where not looked at"),
        Variable("information", ("shot",), "float64", "what the shot tells of its orientation", "bit",
                 comment="NaN where not looked at"),
        Variable("relative_fluence", ("shot",), "float64", "photons over those of the intensity's slice",
                 comment="NaN where not looked at"),
        Variable("likely", ("shot", "kept"), "int32", "likeliest rotations, as rows of rotation",
                 comment="the likeliest first; -1 where there are no more"),
        Variable("probability", ("shot", "kept"), "float32", "probability of each of likely",
                 comment="NaN where the shot was not looked at"),
        Variable("rotation", ("rotation_index", "quaternion"), "float64", "rotations that shots were compared with"),
        Variable("half", ("shot",), "int8", "half set of the shot", flags=((0, "first"), (1, "second")),
                 comment="-1 where not used"),
        Variable("half_intensity", ("half_set", "u", "v", "w"), "float64", "intensity of each half set", "count",
                 comment="reconstructed by itself, and turned onto intensity"),
        Variable("level", ("step",), "int64", "level of each iteration"),
        Variable("exponent", ("step",), "float64", "exponent of the likelihood in each iteration"),
        Variable("mean_information", ("step",), "float64", "mean information of the shots after each iteration", "bit"),
        Variable("mean_log_likelihood", ("step",), "float64", "mean log likelihood of the shots after each iteration"),
        Variable("change", ("step",), "float64", "relative change of the intensity in each iteration"),
        Variable("density", ("x", "y", "z"), "float32", "electron density of the particle, of an arbitrary scale",
                 comment="phased from intensity; either hand"),
        Variable("position", ("x",), "float64", "position along each axis of density", "m"),
        Variable("phase_transfer", ("shell",), "float64", "phase retrieval transfer function of each shell"),
        Variable("density_correlation", ("shell",), "float64",
                 "Fourier shell correlation of the densities of half sets"),
    )
}  # fmt: skip
"""Variables of a reconstruction."""

BACKGROUND = {
    v.name: v
    for v in (
        Variable("image", ("y", "x"), "float32", "background photons of a shot, on average, in the bins of image",
                 "count"),
        Variable("low_q", ("low_y", "low_x"), "float32", "background photons of a shot, on average, in the bins of "
                 "low_q", "count"),
        Variable("background_weight", ("shot",), "float32", "background of the shot over that of a shot on average",
                 comment="of its cell, where cells differ; as given, or of blanks the ratio of photons, of others by "
                 "least squares beside the mean pattern"),
        Variable("taken_for_blank", ("shot",), "bool", "the background was measured on the shot"),
        Variable("cell_value", ("cell",), "int64", "value of the column that tells backgrounds apart"),
        Variable("cell_image", ("cell", "y", "x"), "float32", "background photons of a shot of the cell, on average, "
                 "in the bins of image", "count"),
        Variable("cell_low_q", ("cell", "low_y", "low_x"), "float32", "background photons of a shot of the cell, on "
                 "average, in the bins of low_q", "count"),
        Variable("background_cell", ("shot",), "int32", "which of the cells' backgrounds is the shot's",
                 comment="index along cell"),
    )
}  # fmt: skip
"""Variables of a background that is known."""

COORDINATES = ("pixel_position", "q", "solid_angle", "polarization", "assembled_row", "assembled_col", "mask",
               "atom_position", "atom_element", "atom_occupancy")  # fmt: skip
"""Variables that a Dataset carries as coordinates."""


_COMPONENT = re.compile(r"c\d+", re.ASCII)


def is_taken(name: str) -> bool:
    """Whether a name is that of a variable or a group of a store, or what expressions call a component of an embedding.

    Examples
    --------
    >>> is_taken("photons"), is_taken("labels"), is_taken("is_single"), is_taken("c0"), is_taken("hit_score")
    (True, True, True, True, False)
    """
    return name in {*VARIABLES, *LATENT, *BACKGROUND, *GROUPS, *WORKED_OUT} or _COMPONENT.fullmatch(name) is not None


def named(role: str) -> list[Variable]:
    """Variables of a role, in the order of the table.

    Examples
    --------
    >>> [v.name for v in named("total")]
    ['photon_count', 'lost_photons', 'shot_status']
    """
    return [v for v in VARIABLES.values() if v.role == role]
