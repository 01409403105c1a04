"""LUTE task: a run's frames go through ``xfeldask process`` to verdicts and a report.

Put it into ``lute/io/models``, import it in the ``__init__`` there, and add to ``lute/managed_tasks.py``:
SingleParticleSorter: Executor = Executor("SortSingleParticles")
"""

from typing import Any, Dict, Optional

from lute.io.models.base import ThirdPartyParameters
from pydantic import Field, validator


class SortSingleParticlesParameters(ThirdPartyParameters):
    """Parameters of ``xfeldask process``, in the order in which they stand on the command line."""

    class Config(ThirdPartyParameters.Config):
        set_result: bool = True

    executable: str = Field("xfeldask", description="Command of an environment that has xfeldask.")
    command: str = Field("process", description="What it is asked to do.", flag_type="")
    source: str = Field(..., description="A file of hits, or exp=EXPERIMENT:run=RUN:det=DETECTOR.", flag_type="")
    store: str = Field("", description="Store of the run; rNNNN.zarr in work_dir by default.", flag_type="",
                       is_result=True)  # fmt: skip
    detector: Optional[str] = Field(None, description="Geometry, such as a psana .data file.", flag_type="--")
    wavelength: Optional[float] = Field(None, description="In m, where the file does not tell.", flag_type="--")
    photonize: Optional[str] = Field(None, description="ADU of one photon, for frames in ADU.", flag_type="--")
    common_mode: Optional[str] = Field(None, description="Pixels that share an offset.", flag_type="--",
                                       rename_param="common-mode")  # fmt: skip
    model: Optional[str] = Field(None, description="Store whose model is applied.", flag_type="--")
    max_contamination: Optional[float] = Field(None, description="Largest fraction of other shots.",
                                               flag_type="--", rename_param="max-contamination")  # fmt: skip
    workers: Optional[int] = Field(None, description="Number of threads.", flag_type="--")
    quiet: bool = Field(True, description="Print the summary alone, one line of JSON.", flag_type="--")

    @validator("store", always=True)
    def name_store(cls, store: str, values: Dict[str, Any]) -> str:
        """Name the store by the run, where it is not named."""
        header = values["lute_config"]
        return store or f"{header.work_dir}/r{int(header.run):04d}.zarr"
