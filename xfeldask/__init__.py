"""Simulate, embed and sort single-particle X-ray diffraction shots over Dask and Zarr."""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
