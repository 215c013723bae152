"""How XLA compiles what runs for moments: quickly, whatever the result's speed.

Here and in the processes that tests start alike, so that all of them find what one has compiled.
"""

from importlib import metadata

FLAGS = "--xla_cpu_prefer_vector_width=256 --xla_backend_optimization_level=0"
# In one piece: each of the 32 that XLA cuts a program into costs time of its own.
FLAGS += " --xla_cpu_parallel_codegen_split_count=1"
# The emitters of fusions take half of XLA's time, at whatever level. Later versions have no other
# way, and stop at flags that they do not know.
if tuple(map(int, metadata.version("jaxlib").split(".")[:2])) < (0, 11):
    FLAGS += " --xla_cpu_use_fusion_emitters=false"
