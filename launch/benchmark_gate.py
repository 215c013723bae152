"""Shows which frames of videos a gate leaves out and where it begins anew, without any model.

python launch/benchmark_gate.py --inputs=door.mp4 --policy=gate:0.01:0.45:pool=4+s1f1
"""

from absl import flags
from benchmarks import gates

import rsf_jax as rsf
from rsf_jax.commands import choices, opening, program, shared
from rsf_jax.media import open_source
from rsf_jax.run_folder import writable_folder

_INPUTS = choices.inputs("video files and folders of images")
_POLICY = flags.DEFINE_string("policy", "gate:0.01:0.45:pool=4+s1f1", "a gate around any policy")
_SIZE = choices.frame_size("that of the first frame")
_CHANNELS = flags.DEFINE_integer("channels", 3, "3 for color, 1 for gray")
_MAX_FRAMES = flags.DEFINE_integer("max_frames", 0, "frames of each input; 0 for all", 0)


def main() -> None:
    shared.refuse_settings()
    policy = gates.gate(_POLICY.value)
    inputs = _INPUTS()
    if not inputs:
        raise rsf.InputError("--inputs is empty: give video files or folders of images")
    size = shared.frame_size(_SIZE.value) if _SIZE.value else None
    folder = writable_folder(opening.workdir("runs/benchmark"))
    found = []
    for text in inputs:
        with open_source(text, size, _CHANNELS.value) as source:
            found.append(gates.watch(policy, source, _MAX_FRAMES.value))
    gates.print_report(found)
    print(f"Figures are in {gates.save(folder, policy, found)}")


if __name__ == "__main__":
    program.run(main)
