"""Images that stand in files as bare numbers, in tables, and as files of their own."""

import io
import struct
import zipfile

import numpy as np
import pandas as pd
import pytest
from image_records import encoded

from tasks.collect import packages
from tasks.collect.labels import Known, label_rows
from tasks.collect.reading import Part, file_parts
from tasks.collect.records import records_of
from tasks.collect.tables import text_of
from tasks.errors import SourceError
from tasks.images import from_data_uri, opened
from tasks.recipe import LabelSource, Origin, RecordSource
from tasks.records import record_id

GREY = np.random.default_rng(1).integers(0, 256, (5, 3, 4), dtype=np.uint8)
IDX = struct.pack(">HBBIII", 0, 8, 3, 5, 3, 4) + GREY.tobytes()
LABELS = struct.pack(">HBBI", 0, 8, 1, 5) + bytes([0, 2, 1, 1, 0])
PLANES = np.random.default_rng(2).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
CIFAR = b"".join(bytes([7]) + image.tobytes() for image in PLANES)


def source(url="file:x", **more):
    return RecordSource.model_validate({"name": "rows", "url": url, "columns": {"image": "image"}, **more})


def read(tmp_path, content, **more):
    (tmp_path / "x").write_bytes(content)
    (part,) = file_parts(source(**more), tmp_path / "x")
    return part


def pixels(cell):
    return np.asarray(opened(from_data_uri(cell)[0]))


def test_an_idx_file_gives_its_images_and_labels_by_position(tmp_path):
    rows = read(tmp_path, IDX, format="idx").rows
    assert rows["key"].tolist() == list("01234")
    assert all((pixels(cell) == image).all() for cell, image in zip(rows["image"], GREY, strict=True))
    assert read(tmp_path, LABELS, format="idx").rows["label"].tolist() == list("02110")


def test_a_cifar_file_gives_labels_and_colour_images(tmp_path):
    rows = read(tmp_path, CIFAR, format="cifar").rows
    assert rows["label"].tolist() == ["7", "7"]
    assert (pixels(rows["image"][1]) == PLANES[1].transpose(1, 2, 0)).all()


def test_pixel_columns_become_one_image_column(tmp_path):
    table = b"label,a,b,c,d\n1,0,16,8,4\n0,16,16,0,0\n"
    rows = read(tmp_path, table, format="csv", pixels={"first": 1, "width": 2, "height": 2, "white": 16}).rows
    assert list(rows.columns) == ["label", "image"]
    assert pixels(rows["image"].iloc[0]).tolist() == [[0, 255], [128, 64]]


@pytest.mark.parametrize(
    ("content", "more", "words"),
    [
        (IDX[:-1], {"format": "idx"}, "holds 59 numbers where its header says"),
        (b"no", {"format": "idx"}, "is no idx file"),
        (CIFAR[:-1], {"format": "cifar"}, "is no multiple of 3073"),
        (b"a,b\n1,2\n", {"format": "csv", "pixels": {"width": 2, "height": 2}}, "fewer than the 4"),
        (b"a,b\n1,x\n", {"format": "csv", "pixels": {"width": 2, "height": 1}}, "a pixel that is no number"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_told_in_words(tmp_path, content, more, words):
    with pytest.raises(SourceError, match=words):
        read(tmp_path, content, **more)


def test_image_files_in_an_archive_become_records_and_their_folders_labels(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("cat/1.png", "dog/2.png"):
            archive.writestr(name, encoded(GREY[0] if name < "d" else GREY[1]))
        archive.writestr("dog/3.jpg", b"broken")
    part = read(tmp_path, buffer.getvalue(), format="images", member="**/*")
    columns = {"image": "image", "key": "path", "domain": {"column": "path", "pattern": "^([^/]+)/"}}
    table = records_of(source(columns=columns), [part], "classify_image")
    assert table["record_id"].tolist() == [record_id(c) for c in (encoded(GREY[0]), encoded(GREY[1]), b"broken")]
    assert table["domain"].tolist() == ["cat", "dog", "dog"]
    assert table["media_type"].tolist() == ["image/png", "image/png", "image/jpeg"]


def test_bytes_of_an_image_pass_through_a_text_cell_and_other_bytes_are_text():
    content = encoded(GREY[0])
    assert from_data_uri(text_of(content)) == (content, "image/png")
    assert from_data_uri(text_of({"bytes": content, "path": "a.gif"})) == (content, "image/gif")
    assert text_of("Grüße".encode()) == "Grüße"


def labels(**more):
    given = {"name": "writers", "url": "file:x", "columns": {"image": "image", "label": "label"}, **more}
    return LabelSource.model_validate(given)


def test_labels_find_images_by_their_content_and_numbers_get_names():
    images = [text_of(encoded(image)) for image in GREY[:2]]
    part = Part("x.csv", pd.DataFrame({"image": images, "label": ["1", "0"]}, dtype="str"))
    known = Known(frozenset(record_id(encoded(image)) for image in GREY[:2]), {})
    table = label_rows(labels(names=["cat", "dog"]), [part], known).table
    assert table["label"].tolist() == ["dog", "cat"]
    with pytest.raises(SourceError, match="is no number from 0 to 0, which `names` gives a name"):
        label_rows(labels(names=["cat"]), [part], known)


def test_a_file_of_an_installed_package_is_a_source(tmp_path):
    packages.installed(origin("package:sklearn/datasets/data/digits.csv.gz"), tmp_path / "digits")
    assert (tmp_path / "digits").stat().st_size > 50_000


def origin(url):
    return Origin(url=url, sha256="0" * 64)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("package:no_such_package/x", "no Python package 'no_such_package' is installed"),
        ("package:sklearn/none.csv", "the package sklearn has no file 'none.csv'"),
        ("package:sklearn/../../../../../../../etc/passwd", "has no file"),
        ("package:../sklearn/x", "no Python package '..' is installed"),
    ],
)
def test_a_package_file_that_is_not_there_or_lies_outside_is_refused(tmp_path, url, words):
    with pytest.raises(SourceError, match=words):
        packages.installed(origin(url), tmp_path / "x")
