"""The public face: loading weights, encoding, logits, and damaged folders."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

import model


def test_logits_are_float32_for_each_id_from_a_zero_state(tiny_weights: Path) -> None:
    tiny = model.load(tiny_weights)
    ids = tiny.encode("rain on the road")
    logits = tiny.logits(ids)
    assert logits.dtype == np.float32
    assert logits.shape == (len(ids), tiny.config.vocabulary_size)
    np.testing.assert_array_equal(tiny.logits(ids), logits)
    np.testing.assert_allclose(tiny.logits(ids[:2]), logits[:2], atol=1e-5)
    assert tiny.logits([]).shape == (0, tiny.config.vocabulary_size)


def test_ids_outside_the_vocabulary_are_refused(tiny_weights: Path) -> None:
    tiny = model.load(tiny_weights)
    for ids in ([-1], [tiny.config.vocabulary_size]):
        with pytest.raises(model.RequestError, match="Token ids"):
            tiny.logits(ids)


def test_any_text_comes_back_from_its_ids(tiny_weights: Path) -> None:
    tiny = model.load(tiny_weights)

    @given(st.text())
    def round_trip(text: str) -> None:
        assert tiny.decode(tiny.encode(text)) == text

    round_trip()


def test_a_version_names_the_folder_and_changes_with_the_weights(
    tiny_weights: Path, tmp_path: Path
) -> None:
    first = model.load(tiny_weights)
    assert first.version.startswith("tiny-")
    shutil.copytree(tiny_weights, tmp_path / "tiny")
    assert model.load(tmp_path / "tiny").version == first.version
    path = tmp_path / "tiny" / "model.safetensors"
    tensors = safetensors.numpy.load_file(path)
    tensors["decoder.bias"] += np.float16(1)
    safetensors.numpy.save_file(tensors, path)
    assert model.load(tmp_path / "tiny").version != first.version


def test_tensors_stand_on_disk_as_float16_under_the_names_of_a_pytorch_state_dict(
    tiny_weights: Path,
) -> None:
    tensors = safetensors.numpy.load_file(tiny_weights / "model.safetensors")
    config = model.load(tiny_weights).config
    v, e, h = config.vocabulary_size, config.embedding_size, config.hidden_size
    assert {name: tensor.shape for name, tensor in tensors.items()} == {
        "embedding.weight": (v, e),
        "rnn.weight_ih_l0": (4 * h, e),
        "rnn.weight_hh_l0": (4 * h, h),
        "rnn.bias_ih_l0": (4 * h,),
        "rnn.bias_hh_l0": (4 * h,),
        "projection.weight": (e, h),
        "projection.bias": (e,),
        "decoder.bias": (v,),
    }
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype(np.float16)}


def cut_short(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def no_tensors(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def other_shape(folder: Path) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["network"]["hidden_size"] += 1
    path.write_text(json.dumps(config))


def unknown_cell(folder: Path) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["network"]["cell"] = "gru"
    path.write_text(json.dumps(config))


def not_json(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def not_finite(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = safetensors.numpy.load_file(path)
    tensors["decoder.bias"][0] = np.nan
    safetensors.numpy.save_file(tensors, path)


def other_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"type": "characters", "characters": "ab\\n"}')


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut_short, "model.safetensors is damaged or cut short"),
        (no_tensors, "holds no weights"),
        (no_tokenizer, "tokenizer.json cannot be used"),
        (other_shape, "weights of another shape"),
        (unknown_cell, "config.json cannot be used"),
        (not_json, "config.json cannot be used"),
        (not_finite, "not finite"),
        (other_tokenizer, "files are of different models"),
    ],
)
def test_a_damaged_folder_is_refused_naming_what_is_wrong(
    tiny_weights: Path, tmp_path: Path, damage: Callable[[Path], None], words: str
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(tiny_weights, folder)
    damage(folder)
    with pytest.raises(model.WeightsError, match=words):
        model.load(folder)


def test_a_missing_folder_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(model.WeightsError, match="python -m model train"):
        model.load(tmp_path / "nowhere")
