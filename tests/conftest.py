"""Before anything else: kernels compiled for other sources must not be run."""

from aiops._kernel_cache import use_own_cache

use_own_cache()
