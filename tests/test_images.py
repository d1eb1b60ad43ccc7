"""Images as bytes and as numbers: what is read, what is refused, and that the same pixels are the same bytes."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from image_records import bomb, encoded
from PIL import Image

from tasks import images
from tasks.images import ImageError

GREY = np.arange(64, dtype=np.uint8).reshape(8, 8)
COLOUR = np.random.default_rng(1).integers(0, 256, (9, 7, 3), dtype=np.uint8)
shapes = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(lambda s: st.sampled_from([s, (*s, 3)]))


@settings(max_examples=60, deadline=None)
@given(shapes.flatmap(lambda shape: arrays(np.uint8, shape)))
def test_our_png_is_read_back_pixel_by_pixel(pixels):
    with Image.open(io.BytesIO(images.png(pixels))) as image:
        assert (np.asarray(image) == pixels).all()


def test_our_png_has_the_same_bytes_everywhere_also_when_it_needs_several_blocks():
    assert images.png(GREY).hex()[:66] == "89504e470d0a1a0a0000000d4948445200000008000000080800000000e164e157"
    large = np.random.default_rng(2).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    assert (np.asarray(images.opened(images.png(large))) == large).all()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP", "BMP"])
def test_every_form_is_read_and_its_media_type_is_told_by_its_first_bytes(form):
    content = encoded(GREY, form)
    assert images.opened(content).size == (8, 8)
    assert images.media_type(content) == images.FORMATS[form]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty: no bytes"),
        (b"hello", "no image: not one of PNG, JPEG"),
        (encoded(COLOUR)[:-30], "broken: "),
        (encoded(GREY, "TIFF"), "no image"),
        (bomb(), "huge: "),
        (bomb(7_000), "huge: 7000 x 7000 pixels, more than 40,000,000"),
    ],
)
def test_what_is_no_image_is_refused_in_words_and_without_unpacking_it(content, words):
    with pytest.raises(ImageError, match=words):
        images.opened(content)


def test_an_image_is_turned_upright_as_its_camera_says():
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = images.opened(encoded(COLOUR, exif=exif.tobytes()))
    assert turned.size == (9, 7)
    assert turned.format == "PNG"


def test_an_image_is_fitted_into_a_square_without_being_stretched():
    wide = np.zeros((10, 30), dtype=np.uint8)
    wide[:, 10:20] = 255
    assert (images.fitted(Image.fromarray(wide), 10, "grey") == 255).all()
    assert images.fitted(Image.fromarray(GREY), 8, "rgb").shape == (8, 8, 3)


def test_what_is_transparent_becomes_white():
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert (images.fitted(clear, 4, "grey") == 255).all()


@given(st.binary(max_size=200), st.sampled_from(["image/png", "image/x-odd+form"]))
def test_bytes_survive_a_data_uri(content, kind):
    assert images.from_data_uri(images.data_uri(content, kind)) == (content, kind)


@pytest.mark.parametrize("text", ["photo.png", "data:image/png;base64,A", "data:image/png,abc", ""])
def test_a_text_that_is_no_data_uri_is_its_own_bytes(text):
    assert images.from_data_uri(text) == (text.encode(), "text/plain")
