"""A data set's promises: what it refuses, how it splits, what its pixels, masks and fingerprint are."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr_edge.data import dataset
from cxr_edge.errors import DataError, UnsafeFileError
from cxr_edge.phantom.sets import write_folder

HEADER = "path,class,split,source,patient_id"
GOOD_LINES = [
    f"{split}/{label}{n}.png,{label},{split},hospital,{split}-{label}-{n}"
    for split in ("train", "val", "test")
    for label in ("covid", "noncovid")
    for n in (0, 1)
]


def write_film(path: Path, shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    gradient = np.add.outer(np.arange(48), np.arange(40)) + shade
    Image.fromarray((gradient % 256).astype(np.uint8)).save(path)


def write_set(folder: Path, lines: list[str], header: str = HEADER) -> Path:
    for shade, line in enumerate(lines):
        path = folder / line.split(",")[0]
        if ".." not in path.parts and not path.exists():
            write_film(path, shade)
    (folder / "manifest.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_set(tmp_path / "set", GOOD_LINES)


def with_line(index: int, change: Callable[[str], str]) -> list[str]:
    lines = list(GOOD_LINES)
    lines[index] = change(lines[index])
    return lines


def write_unsplit(folder: Path, patients: int = 40, films: int = 2) -> Path:
    names = [
        (label, patient, n) for label in ("covid", "noncovid") for patient in range(patients) for n in range(films)
    ]
    lines = [f"{label}{patient}_{n}.png,{label},{label}-{patient}" for label, patient, n in names]
    for line in lines:
        folder.mkdir(exist_ok=True)
        (folder / line.split(",")[0]).touch()
    (folder / "manifest.csv").write_text("\n".join(["path,class,patient_id", *lines]), encoding="utf-8")
    return folder


def test_open_reads_labels_splits_and_sources_from_manifest(good: Path) -> None:
    data = dataset.open_dataset(good)
    assert data.labels == ("covid", "noncovid")
    assert [item.split for item in data.items] == [line.split(",")[2] for line in GOOD_LINES]
    assert {item.source for item in data.items} == {"hospital"}
    assert data.items[0].patient_id == "train-covid-0"
    assert data.notes == ()


def test_select_keeps_one_split_and_its_targets(good: Path) -> None:
    val = dataset.open_dataset(good).select(split="val")
    assert len(val.items) == 4
    assert val.targets().tolist() == [0, 0, 1, 1]


def test_select_names_the_splits_there_are_when_one_is_absent(tmp_path: Path) -> None:
    data = dataset.open_dataset(write_set(tmp_path, [line for line in GOOD_LINES if ",test," in line]))
    assert "no training split" in data.notes[0]
    with pytest.raises(DataError, match=r"split 'train', only in test"):
        data.select(split="train")


def test_select_of_absent_source_is_empty(good: Path) -> None:
    nothing = dataset.open_dataset(good).select(source="elsewhere")
    assert nothing.pixels().shape == (0, 224, 224, 3)
    assert nothing.targets().shape == (0,)


def test_pixels_equal_each_item_decoded_alone(good: Path) -> None:
    data = dataset.open_dataset(good)
    told: list[tuple[int, int]] = []
    pixels = data.pixels(progress=lambda done, total: told.append((done, total)))
    assert pixels.shape == (12, 224, 224, 3)
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, np.stack([item.pixels() for item in data.items]))
    assert told == [(done, 12) for done in range(1, 13)]


def test_open_says_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such data folder"):
        dataset.open_dataset(tmp_path / "absent")


def test_open_names_missing_column(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"manifest.csv: has no column 'class' but path, label"):
        dataset.open_dataset(write_set(tmp_path, ["a.png,covid"], "path,label"))


def test_open_ignores_other_columns_and_the_case_of_names(tmp_path: Path) -> None:
    lines = [f"{line.split(',')[0]},62,{','.join(line.split(',')[1:])}" for line in GOOD_LINES]
    data = dataset.open_dataset(write_set(tmp_path, lines, "\ufeffPath,age,CLASS,Split,source,Patient ID"))
    assert len(data.items) == 12
    assert data.items[0].patient_id == "train-covid-0"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            with_line(3, lambda line: line.replace(",train,", ",holdout,")),
            "manifest.csv line 5: unknown split 'holdout'",
        ),
        (with_line(3, lambda line: line.replace(",train,", ",,")), "manifest.csv line 5: unknown split ''"),
        (with_line(2, lambda line: line.replace(",noncovid,", ",,")), "manifest.csv line 4: the class is empty"),
        (
            with_line(4, lambda line: line.replace("val-covid-0", "train-covid-0")),
            "line 6: patient 'train-covid-0' is in",
        ),
        ([*GOOD_LINES, GOOD_LINES[0]], r"line 14: lists covid0.png, as .* line 2 does"),
        ([line for line in GOOD_LINES if ",covid," not in line], "a class is missing, 'noncovid' is the only one"),
        ([line for line in GOOD_LINES if ",covid,val," not in line], "split 'val' has no film of class 'covid'"),
        (
            [line for line in GOOD_LINES if ",noncovid,train," not in line],
            "split 'train' has no film of class 'noncovid'",
        ),
        (with_line(0, lambda line: line.replace(",covid,", ",normal,")), r"3 classes \(covid, noncovid, normal\)"),
        (
            [line.replace(",covid,", ",sick,") for line in GOOD_LINES],
            "no class is named 'covid'; its classes are noncovid, sick. Name .* such as --positive sick",
        ),
        ([], "has no images"),
    ],
)
def test_open_refuses_a_list_that_does_not_hold_together(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        dataset.open_dataset(write_set(tmp_path, lines))
    assert "\n" not in str(caught.value)


def test_open_takes_another_positive_class(tmp_path: Path) -> None:
    lines = [line.replace(",covid,", ",sick,") for line in GOOD_LINES]
    data = dataset.open_dataset(write_set(tmp_path, lines), positive="sick")
    assert (data.labels, data.positive) == (("noncovid", "sick"), "sick")


def test_open_names_line_of_missing_file(good: Path) -> None:
    (good / "val" / "covid1.png").unlink()
    with pytest.raises(DataError, match=r"manifest.csv line 7: image file 'val/covid1.png' does not exist"):
        dataset.open_dataset(good)


@pytest.mark.parametrize("path", ["../secret.png", "/etc/hostname", "a/../../b.png", r"C:\films\a.png", r"..\a.png"])
def test_open_refuses_path_out_of_the_folder(tmp_path: Path, path: str) -> None:
    write_film(tmp_path / "secret.png", 1)
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "manifest.csv").write_text(f"path,class\n{path},covid\n", encoding="utf-8")
    with pytest.raises(UnsafeFileError, match=r"line 2: path .* leads out of the data folder"):
        dataset.open_dataset(folder)


def test_open_refuses_manifest_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_bytes(b"path,class\n\xff\xfe\x00")
    with pytest.raises(DataError, match="not UTF-8 text"):
        dataset.open_dataset(tmp_path)


def test_pixels_refuses_copies_and_names_both(good: Path) -> None:
    shutil.copy(good / "train" / "covid0.png", good / "train" / "covid1.png")
    with pytest.raises(
        DataError, match=r"1 images are in the set more than once \(train/covid0.png = train/covid1.png"
    ):
        dataset.open_dataset(good).select(split="train").pixels()


def test_pixels_sees_a_copy_in_a_split_read_before(good: Path) -> None:
    shutil.copy(good / "train" / "covid0.png", good / "test" / "covid0.png")
    data = dataset.open_dataset(good)
    data.select(split="train").pixels()
    with pytest.raises(DataError, match=r"test/covid0\.png = train/covid0\.png"):
        data.select(split="test").pixels()


def test_copies_lists_the_groups(good: Path) -> None:
    shutil.copy(good / "train" / "covid0.png", good / "test" / "covid0.png")
    data = dataset.open_dataset(good)
    assert data.copies() == (("test/covid0.png", "train/covid0.png"),)
    assert data.select(split="train").copies() == ()


def test_pixels_reports_one_unreadable_image_by_its_own_error(good: Path) -> None:
    (good / "train" / "covid0.png").write_bytes(b"not an image")
    with pytest.raises(DataError, match=r"train/covid0\.png"):
        dataset.open_dataset(good).pixels()


def test_pixels_counts_unreadable_images_and_names_the_first_five(good: Path) -> None:
    for line in GOOD_LINES[:7]:
        (good / line.split(",")[0]).write_bytes(b"not an image" + line.encode())
    with pytest.raises(DataError, match=r"7 images cannot be read \(train/covid0.png, .* and 2 more\)"):
        dataset.open_dataset(good).pixels()


def test_split_is_by_patient_stratified_and_a_tenth_each(tmp_path: Path) -> None:
    data = dataset.open_dataset(write_unsplit(tmp_path))
    for label in data.labels:
        patients = {
            split: {i.patient_id for i in data.items if (i.split, i.label) == (split, label)}
            for split in ("train", "val", "test")
        }
        assert [len(found) for found in patients.values()] == [32, 4, 4]
        assert len(set.union(*patients.values())) == 40


def test_split_is_the_same_for_a_seed_and_place_and_another_for_another_seed(tmp_path: Path) -> None:
    def splits_of(folder: Path, seed: int) -> list[str]:
        return [item.split for item in dataset.open_dataset(folder, seed=seed).items]

    first = write_unsplit(tmp_path / "one")
    moved = Path(shutil.copytree(first, tmp_path / "two"))
    assert splits_of(first, 0) == splits_of(moved, 0)
    assert splits_of(first, 0) != splits_of(first, 1)


def test_split_keeps_patient_with_films_of_both_classes_whole(tmp_path: Path) -> None:
    lines = [f"{n}.png,{'covid' if n % 3 else 'noncovid'},p{n // 2}" for n in range(60)]
    lines += [f"n{n}.png,noncovid,q{n}" for n in range(10)]
    data = dataset.open_dataset(write_set(tmp_path, lines, "path,class,patient_id"))
    splits: dict[str, set[str]] = {}
    for item in data.items:
        splits.setdefault(item.patient_id, set()).add(item.split)
    assert all(len(found) == 1 for found in splits.values())


def test_split_of_unknown_patients_is_by_image_with_a_note_and_survives_a_move(tmp_path: Path) -> None:
    lines = [f"{label}{n}.png,{label}" for label in ("covid", "noncovid") for n in range(10)]
    folder = write_set(tmp_path / "one", lines, "path,class")
    data = dataset.open_dataset(folder)
    assert "20 of 20 images have no patient id" in data.notes[0]
    moved = dataset.open_dataset(shutil.copytree(folder, tmp_path / "two"))
    assert [item.split for item in moved.items] == [item.split for item in data.items]


def test_split_needs_three_patients_a_class(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="class 'covid' has 2 patients to train on, too few to split"):
        dataset.open_dataset(write_unsplit(tmp_path, patients=2))


def test_missing_validation_split_is_taken_from_training_with_a_note(tmp_path: Path) -> None:
    lines = [
        f"{split}{label}{n}.png,{label},{split},h,{split}{label}{n}"
        for split in ("train", "test")
        for label in ("covid", "noncovid")
        for n in range(10)
    ]
    data = dataset.open_dataset(write_set(tmp_path, lines))
    assert "has no val split; a tenth of the training patients stands in" in data.notes[0]
    assert {split: len(data.select(split=split).items) for split in ("train", "val", "test")} == {
        "train": 18,
        "val": 2,
        "test": 20,
    }


def test_fingerprint_is_of_content_and_not_of_place_or_order(good: Path, tmp_path: Path) -> None:
    before = dataset.open_dataset(good).fingerprint()
    moved = write_set(Path(shutil.copytree(good, tmp_path / "moved")), GOOD_LINES[::-1])
    assert dataset.open_dataset(moved).fingerprint() == before


def test_fingerprint_changes_with_a_label_and_with_a_pixel(good: Path, tmp_path: Path) -> None:
    before = dataset.open_dataset(good).fingerprint()
    write_film(good / "val" / "covid0.png", 99)
    repainted = dataset.open_dataset(good).fingerprint()
    relabelled = dataset.open_dataset(
        write_set(good, with_line(0, lambda line: line.replace(",covid,", ",noncovid,")))
    ).fingerprint()
    assert len({before, repainted, relabelled}) == 3


def test_mask_is_read_from_its_column_and_squashed(good: Path) -> None:
    mask = np.zeros((48, 40), dtype=np.uint8)
    mask[:24] = 1
    Image.fromarray(mask).save(good / "mask.png")
    lines = [f"{line},{'mask.png' if at == 0 else ''}" for at, line in enumerate(GOOD_LINES)]
    items = dataset.open_dataset(write_set(good, lines, f"{HEADER},mask")).items
    found = items[0].mask()
    assert found is not None
    assert found.shape == (224, 224)
    assert found[:110].all()
    assert not found[114:].any()
    assert items[1].mask() is None


def test_phantom_is_the_fixed_embedded_set() -> None:
    data = dataset.open_dataset("phantom")
    assert {split: len(data.select(split=split).items) for split in dataset.PHANTOM_COUNTS} == dataset.PHANTOM_COUNTS
    assert data.labels == ("covid", "noncovid")
    assert data.fingerprint() == dataset.open_dataset("phantom", seed=7).fingerprint()


def test_phantom_films_have_pixels_and_masks() -> None:
    data = dataset.open_dataset("phantom")
    covid = next(item for item in data.items if item.label == "covid")
    mask = covid.mask()
    assert covid.pixels().shape == (224, 224, 3)
    assert mask is not None
    assert mask.shape == (224, 224)
    assert mask.any()


def test_folder_named_phantom_is_read_when_given_as_a_path(
    tmp_path: Path, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good.rename(tmp_path / "phantom")
    monkeypatch.chdir(tmp_path)
    assert len(dataset.open_dataset(Path("phantom")).items) == 12
    assert len(dataset.open_dataset("./phantom").items) == 12


def test_real_films_open_by_their_manifest(real_data: Path) -> None:
    data = dataset.open_dataset(real_data / "cxr")
    assert {split: len(data.select(split=split).items) for split in ("train", "val", "test")} == {
        "train": 1201,
        "val": 150,
        "test": 150,
    }
    within = data.select(source="ieee8023")
    assert set(within.targets().tolist()) == {0, 1}
    assert data.notes == ()


def test_phantom_written_to_disk_reads_back_as_the_same_films(tmp_path: Path) -> None:
    write_folder(tmp_path / "out", {"train": 2, "val": 2, "test": 2})
    written = dataset.open_dataset(tmp_path / "out").select(split="val").items[0]
    drawn = dataset.open_dataset("phantom").select(split="val").items[0]
    assert np.array_equal(written.pixels(), drawn.pixels())
    read_back, exact = written.mask(), drawn.mask()
    assert read_back is not None
    assert exact is not None
    assert np.array_equal(read_back, exact)


def test_open_names_line_that_is_not_csv(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(f'path,class\na.png,"{"x" * 200_000}\n', encoding="utf-8")
    with pytest.raises(DataError, match="line 2: not valid CSV"):
        dataset.open_dataset(tmp_path)


def test_only_real_leaves_out_drawn_films_where_there_are_others(good: Path) -> None:
    drawn, real = dataset.open_dataset("phantom"), dataset.open_dataset(good)
    assert real.join(drawn).only_real().items == real.items
    assert drawn.only_real() is drawn
    assert real.only_real().items == real.items
