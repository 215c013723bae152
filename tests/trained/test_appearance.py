"""How classes look, by what is known of them."""

import json

import pytest

import rsf_jax as rsf
from rsf_jax.trained.appearance import appearance_in, appearance_of, class_label, load_appearance

ORANGE = [230, 159, 0]


def test_named_colors_are_kept_and_the_first_class_is_clear():
    found = appearance_of(3, ["a", "b", "c"], [[1, 2, 3], [4, 5, 6], [7, 8, 9]], (4, 6))
    assert found.colors.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert (found.background, found.frame_size) == (0, (4, 6))


@pytest.mark.parametrize("background", [0, 2, None])
def test_the_background_is_what_the_dataset_says(tmp_path, background):
    values = {"class_names": ["a", "b", "c"], "frame_size": [4, 6], "background": background}
    (tmp_path / "results.json").write_text(json.dumps(values))
    config = rsf.get_config("own_s1f1").replace(classes=3, input_channels=3)
    found = load_appearance(tmp_path, config)
    assert found.background == background
    assert found.colors[1].tolist() == ORANGE


def test_what_earlier_versions_took_from_a_palette_is_no_named_color():
    assert appearance_in({"colors": [[61, 53, 139], [161, 18, 1]]}, 2).colors[1].tolist() == ORANGE
    assert rsf.load_pretrained("quickstart_live16").appearance.colors[1].tolist() == ORANGE


def test_a_background_that_is_no_class_is_refused():
    with pytest.raises(rsf.InputError, match="of background 3, the classes are 0 to 2"):
        appearance_of(3, background=3)


def test_a_number_is_called_a_class():
    assert (class_label("1"), class_label("disc")) == ("class 1", "disc")
