import dataclasses
import json
from pathlib import Path

import pytest

import rsf_jax as rsf
from rsf_jax.json_files import write_json
from rsf_jax.trained.records import (
    Record,
    Result,
    Still,
    from_json,
    hardware,
    plain_config,
    read_record,
)


def _record(**changes):
    config = rsf.get_config("quickstart").replace(
        seed=3, data_dir="/somewhere", init_from="/somewhere/runs/other", **changes
    )
    test = Result(0.5, [0.6, 0.4], [3.0, 1.0], 100.0, 7)
    return Record(
        config=plain_config(config),
        version="1.0.0",
        parameters=10,
        update=5,
        updates=6,
        epochs=1.5,
        seconds=90.0,
        hardware=hardware(),
        jax="0.0",
        validation={"loss": 0.1, "miou": 0.7},
        frame_size=[8, 9],
        class_names=["a", "b"],
        colors=[[0, 0, 0], [1, 1, 1]],
        tests={"s3f1": test},
    )


def test_a_record_is_read_as_it_was_written(tmp_path):
    record, path = _record(), tmp_path / "record.json"
    write_json(path, record)
    assert read_record(path) == record
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]


def test_a_record_says_what_is_not_the_presets_and_nothing_of_the_machine():
    record = _record(channels=4, max_minutes=5.0, save_every=7, eval_batch_size=9)
    assert record.changes == {"channels": 4, "init_from": "other"}
    assert record.label == "quickstart channels=4 init_from=other"
    assert record.schedule == "s3f1"
    assert "somewhere" not in json.dumps(dataclasses.asdict(record))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"tests": {"s3f1": {"miou": 1.0}}}, "not the entries of a record"),
        ({"tests": None}, "not the entries of a record"),
        ({"config": {"name": "quickstart", "colour": 1}}, "colour"),
        ({"config": {"slow_steps": 0}}, "config.slow_steps is 0"),
        ({"more": 1}, "more"),
    ],
)
def test_what_is_no_record_is_told(change, says):
    with pytest.raises(rsf.InputError, match=says):
        from_json(dataclasses.asdict(_record()) | change)


def test_a_path_that_is_an_address_is_told():
    with pytest.raises(rsf.InputError, match=r"gs:/bucket/run is an address: give a folder"):
        read_record(Path("gs://bucket/run"))


@pytest.mark.parametrize("text", ["", "[1]", '{"config": 1}', "nul"])
def test_files_that_are_no_records_are_named(tmp_path, text):
    path = tmp_path / "record.json"
    path.write_text(text)
    with pytest.raises(rsf.InputError, match=r"record\.json cannot be read as a record"):
        read_record(path)


def test_a_record_that_was_written_once_is_read_by_every_later_version():
    """As it was left by a run in November 2026; never to be written anew."""
    record = read_record(Path(__file__).parents[1] / "reproduction" / "record_format_2.json")
    assert record.format == 2
    assert record.label == "easy64_s6f1 updates=300"
    assert (record.parameters, record.updates, record.videos, record.seed) == (
        284_227,
        300,
        2400,
        0,
    )
    assert record.version == "2.0.0"
    assert record.validation["miou"] == pytest.approx(0.6261, abs=1e-4)
    assert record.core_hours == pytest.approx(2 * 283.6 / 3600, rel=1e-3)
    (test,) = record.tests.values()
    assert record.tests.keys() == {"s6f1"}
    assert (test.videos, len(test.miou_by_frame)) == (2000, 6)


def test_policies_of_earlier_records_have_the_texts_of_this_version():
    values = dataclasses.asdict(_record())
    test = values["tests"].pop("s3f1")
    assert test.pop("policy_spec") == {"kind": "schedule", "slow_steps": 3, "fast_steps": 1}
    values["tests"] = dict.fromkeys(("pattern:1e-09:7:rtol=0.1", "mine:0.5:7", "s3f1"), test)
    record = from_json(values | {"format": 2})
    assert list(record.tests) == ["pattern:rtol=0.1:7", "mine:0.5:7", "s3f1"]
    assert record.tests["pattern:rtol=0.1:7"].policy_spec["threshold"] == 1e-9
    assert record.tests["mine:0.5:7"].policy_spec == {"kind": "mine"}
    assert record.tests["s3f1"] == _record().tests["s3f1"]
    assert from_json(dataclasses.asdict(record)) == record


def test_earlier_records_leave_the_first_class_clear():
    values = dataclasses.asdict(_record())
    del values["background"]
    assert from_json(values | {"format": 4}).background == 0


def test_records_without_a_format_are_those_of_the_first():
    values = dataclasses.asdict(_record())
    del values["format"]
    assert from_json(values).format == 1


def test_a_record_of_a_later_version_says_so():
    with pytest.raises(rsf.InputError, match="a record of format 6: this version of rsf_jax reads"):
        from_json(dataclasses.asdict(_record()) | {"format": 6})


def test_a_record_says_after_how_many_frames_a_model_has_lost_what_it_saw():
    kept = Still("s3f1", 0.05, 1000, 1000, 0.97, {"1": 0.6, "1000": 0.8})
    lost = Still("s3f1", 0.0, 1000, 8, 0.4, {"1": 0.6, "1000": 0.3})
    other = dataclasses.replace(lost, policy="s6f1", lasts=3)
    record = dataclasses.replace(_record(), still=[other, kept, lost])
    assert (kept.holds, lost.holds, record.lasts) == (True, False, 8)
    assert from_json(dataclasses.asdict(record)) == record
    assert dataclasses.replace(record, still=[kept]).lasts is None
    values = dataclasses.asdict(_record())
    del values["still"]
    assert from_json(values).still == []


def test_videos_and_core_hours_are_counted():
    record = dataclasses.replace(_record(), hardware="4 cores, a processor", seconds=1800.0)
    assert record.videos == 6 * record.config["batch_size"]
    assert record.core_hours == 2
    assert dataclasses.replace(record, hardware="8 x H100").core_hours is None
