"""Folders, datasets, checkpoints, weights and videos that are missing, damaged or of another."""

import pytest
from bad_cases import Launched

TINY = "--config=quickstart --config.dataset=t_pathfinder/tiny --config.data_dir={data}"
NEW = f"{TINY} --workdir={{new}}"
STREAM = "--workdir={run} --frame_size=36x36 --out={new}"
CASES = [
    # Folders
    Launched("train", f"{TINY} --workdir=/proc/none", "/proc/none cannot be written to"),
    Launched("train", f"{TINY} --workdir={{bad}}/a_file", "a_file cannot be written to (File exi"),
    Launched("train", f"{TINY} --workdir=~no_such_user/x", "write the folder instead of ~"),
    Launched("evaluate", "--workdir=/nowhere", "no checkpoints in /nowhere: train first"),
    Launched("evaluate", "--workdir={bad}/a_file", "no checkpoints in"),
    Launched("stream", "--workdir=/nowhere --inputs=a.mp4", "no checkpoints in /nowhere"),
    Launched("report", "--config=quickstart_s5f2", "runs/quickstart_s5f2 has no results: train"),
    Launched("report", "--workdir=/nowhere --run_missing", "no checkpoints in /nowhere"),
    Launched("describe", "--workdir=/nowhere", "no checkpoints in /nowhere"),
    Launched("serve", "--demo --port=0 --snapshot={bad}/a_file/x", "a_file cannot be written to"),
    Launched("serve", "--demo --port=0 --snapshot={bad}", "is a folder: a file for the streams"),
    Launched("serve", "--demo --port=0 --certificate={new}", "new is no certificate: "),
    Launched("serve", "--demo --port=0 --certificate={bad}/a_file", "a_file is no certificate"),
    Launched("serve", "--demo --port=0 --key={bad}/a_file", "is the key of no certificate"),
    # Cells
    Launched("train", "--config=quickstart_mine --cells=none.py", "none.py is no Python file"),
    Launched("train", f"{NEW} --cells={{bad}}/syntax.py", "syntax.py, line 1: SyntaxError"),
    Launched("train", f"{NEW} --cells={{bad}}/bytes.py", "bytes.py"),
    Launched("train", f"{NEW} --cells={{bad}}/raises.py", "raises.py, line 2: ValueError: one"),
    Launched("train", f"{NEW} --cells={{bad}}/exits.py", "exits.py, line 2: SystemExit: 3"),
    Launched("train", f"{NEW} --cells={{bad}}/nothing.py", "nothing.py registers nothing"),
    # Datasets
    Launched("train", f"{NEW} --config.dataset=../x", "is neither built nor has a builder in"),
    Launched("train", f"{NEW} --config.dataset=", "config.dataset is ''"),
    Launched("train", f"{NEW} --config.dataset=t_pathfinder", "write t_pathfinder/CONFIG"),
    Launched("train", f"{NEW} --config.data_dir={{bad}}/a_file", "a folder is needed, this is a"),
    Launched("train", f"{NEW} --config.data_dir=~no_such_user", "write the folder instead of ~"),
    Launched("train", f"{NEW} --config.shrink=100", "no pixel is left; lower it"),
    Launched("train", f"{NEW} --config.calibration_share=0.99", "none would be left to train on"),
    Launched(
        "train",
        f"{NEW} --config.batch_size=99 --config.norm_statistics=batch",
        "there are 39 training videos, and a batch has none of them twice",
    ),
    Launched(
        "train",
        "--config=camvid_s3f3_dru --config.data_dir={new}_data --config.manual_dir=/nowhere "
        "--workdir={new}",
        "cannot build camvid/pairs: Manual directory /nowhere does not exist",
    ),
    Launched("train", f"{NEW} --config.devices=64", "config.devices is 64: this machine has"),
    Launched("evaluate", "--workdir={run} --config.dataset=t_pathfinder/no", "has the configs eas"),
    Launched("evaluate", "--workdir={run} --sweep --videos=99 --policies=s1f1", "the split has 10"),
    Launched("analyze", "--workdir={run} --videos=11", "there are 1 to 10 test videos to choose"),
    Launched("analyze", "--workdir={run} --video=99", "the test videos are numbered 0 to 9"),
    # Checkpoints
    Launched("evaluate", "--workdir={run} --checkpoint=7", "no checkpoint of update 7; it has 0"),
    Launched(
        "evaluate", "--workdir={bad}/no_checkpoint --checkpoint=0", "of update 0; it has none"
    ),
    Launched("evaluate", "--workdir={bad}/flipped", "is not what was saved"),
    Launched("train", f"{TINY} --workdir={{bad}}/flipped", "every checkpoint in"),
    Launched("train", f"{TINY} --workdir={{run}}", "channels=3 there, 12 here, kernel_size=3 the"),
    Launched("evaluate", "--workdir={run} --config.channels=5", "channels=3 there, 5 here"),
    Launched("evaluate", "--workdir={run} --config=quickstart_clstm", "model='hgru' there, 'clstm"),
    Launched("reuse", "--workdir={run}", "reuse is for ff6, ff8, ffres6"),
    # Calibrated policies
    Launched("evaluate", "--workdir={run} --policy=calibrated", "has no calibrated policy: cal"),
    Launched(
        "evaluate", "--workdir={bad}/bad_policy --policy=calibrated", "policy.json is damaged"
    ),
    Launched(
        "calibrate",
        "--workdir={run} --max_miou_drop=0.01 --config.dataset=t_pathfinder/hard",
        "the checkpoint was trained with 't_pathfinder/tiny'",
    ),
    Launched("calibrate", "--workdir={run} --max_miou_drop=0.01", "20 calibration videos can guar"),
    # Sweeps and reports
    Launched("compare", "--sweeps=a.json,b.json", "sweep 'a.json' is not NAME=FILE"),
    *(
        Launched(
            "compare",
            f"--sweeps=A={{bad}}/sweep.json,B={{bad}}/{name} --workdir={{new}}",
            f"{name} {what}",
        )
        for name, what in {
            "none.json": "cannot be read (No such file",
            "cut.json": "is no sweep",
            "list.json": "is no sweep",
            "bytes.json": "is no sweep",
            "points.json": "is no sweep",
            "point.json": "is no sweep",
        }.items()
    ),
    Launched("report", "--workdir={bad}/cut_results", "results.json is damaged"),
    Launched("report", "--workdir={bad}/other_results", "is not what this version writes"),
    # Weights
    Launched("import_weights", f"--weights=none.pt {NEW}", "none.pt is no file"),
    Launched("import_weights", f"--weights={{bad}} {NEW}", "is no file"),
    Launched("import_weights", f"--weights={{bad}}/notes.pt {NEW}", "is not a zip archive"),
    Launched("import_weights", f"--weights={{bad}}/notes.safetensors {NEW}", "as safetensors: "),
    # Videos
    Launched("stream", "--workdir={run} --out={new}", "no inputs: give a video file"),
    Launched("stream", "--workdir={run} --inputs=a.mp4 --out={new}", "give --frame_size"),
    Launched("stream", f"{STREAM} --inputs={{bad}}/none.mp4", "none.mp4 does not exist"),
    Launched("stream", f"{STREAM} --inputs={{bad}}/notes.mp4", "cannot be read as a video"),
    Launched("stream", f"{STREAM} --inputs={{bad}}/empty.mp4", "cannot be read as a video"),
    Launched("stream", f"{STREAM} --inputs={{bad}}/no_images", "holds no images"),
    Launched("stream", f"{STREAM} --inputs={{bad}}/notes.mp4 --write=film", "'film' cannot be wri"),
    Launched("stream", f"{STREAM} --inputs=http://127.0.0.1:9/x", "cannot be opened: Connection"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_bad_file_ends_a_launcher_with_one_line(case, ends_with_one_line):
    ends_with_one_line(case)
