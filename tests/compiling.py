"""How XLA compiles what runs for moments: quickly, whatever the result's speed.

Here and in the processes that tests start alike, so that all of them find what one has compiled.
"""

# XLA's emitters of fusions take half of its time, at whatever level.
FLAGS = (
    "--xla_cpu_prefer_vector_width=256 --xla_backend_optimization_level=0"
    " --xla_cpu_use_fusion_emitters=false"
)
