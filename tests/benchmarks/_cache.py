"""To be imported before anything that imports numba: kernels compiled for earlier sources must not be measured."""

from aiops._kernel_cache import use_own_cache

use_own_cache()
