"""The order of training, and variation of what is learned from."""

import itertools

import numpy as np
import pytest

from tasks.paths import Paths
from tasks.train import image_variation
from tasks.train.batches import epoch_batches
from tasks.train.classify_text import _thinned


def test_an_epoch_sees_every_example_once_in_another_order_each_time():
    lengths = list(range(1, 101))
    first, second = (epoch_batches(lengths, 8, 17, epoch) for epoch in (0, 1))
    assert sorted(itertools.chain.from_iterable(first)) == list(range(100))
    assert first != second
    assert first == epoch_batches(lengths, 8, 17, 0)


PIXELS = np.random.default_rng(4).integers(0, 256, (40, 10, 12, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "vary",
    [
        image_variation.flipped,
        lambda pixels, random: image_variation.shifted(pixels, 2, random),
        lambda pixels, random: image_variation.cut_out(pixels, 4, random),
        lambda pixels, random: image_variation.changed(pixels, 9, random),
        lambda pixels, random: image_variation.changed(pixels[..., :1], 30, random),
    ],
)
def test_a_variation_follows_from_the_generator_alone_and_leaves_its_images_alone(vary):
    before = PIXELS.copy()
    one, same, other = (vary(PIXELS, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one.dtype == np.uint8
    assert one.shape[:3] == PIXELS.shape[:3]
    assert (one == same).all()
    assert (one != other).any()
    assert (before == PIXELS).all()


def test_a_shift_moves_by_no_more_than_asked_and_a_flip_mirrors_about_half():
    ramp = np.broadcast_to(np.arange(12, dtype=np.uint8), (40, 10, 12))[..., None]
    moved = image_variation.shifted(ramp, 2, np.random.default_rng(1))[:, 0, 5, 0].astype(int) - 5
    assert set(moved) == {-2, -1, 0, 1, 2}
    mirrored = image_variation.flipped(ramp, np.random.default_rng(1))[:, 0, 0, 0] == 11
    assert 10 < mirrored.sum() < 30


def test_a_cut_is_a_grey_square():
    white = np.full((9, 10, 10, 1), 255, dtype=np.uint8)
    cut = image_variation.cut_out(white, 2, np.random.default_rng(1))
    assert set(np.unique(cut)) == {128, 255}
    assert ((cut == 128).sum(axis=(1, 2, 3)) <= 9).all()


def test_word_dropout_keeps_the_special_tokens_and_one_word():
    random = np.random.default_rng(1)
    rows = [_thinned([101, *range(1, 30), 102], 0.5, random) for _ in range(50)]
    assert all(row[0] == 101 and row[1] == 1 and row[-1] == 102 for row in rows)
    assert 10 < np.mean([len(row) for row in rows]) < 22
    assert _thinned([101, 5, 102], 0.9, random) == [101, 5, 102]


def test_paths_of_a_recipe_lie_below_its_own_folder(tmp_path):
    assert Paths(tmp_path, "feedback").stage("train") == tmp_path / "data/feedback/train"
