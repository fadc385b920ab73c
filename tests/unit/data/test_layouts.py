"""The public collections and class folders, each in the form in which it is handed out."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxr_edge.data import dataset, layouts
from cxr_edge.data.listing import Listing
from cxr_edge.errors import DataError, UnsafeFileError

# A line of the last ieee8023 metadata.csv has more columns and ends with an unnamed one.
IEEE_HEADER = "patientid,offset,finding,view,modality,folder,filename,clinical_notes,"


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def labels_of(listing: Listing) -> dict[str, str]:
    return {row.path.relative_to(listing.folder).as_posix(): row.label for row in listing.rows}


def splits_of(listing: Listing) -> dict[str, str | None]:
    return {row.path.relative_to(listing.folder).as_posix(): row.split for row in listing.rows}


def write_ieee(folder: Path, *lines: str, header: str = IEEE_HEADER) -> Path:
    touch(folder, *(f"images/{n}.jpg" for n in range(10)))
    (folder / "metadata.csv").write_text("\n".join([header, *lines]), encoding="utf-8")
    return folder


def test_ieee8023_keeps_frontal_films_with_a_finding(tmp_path: Path) -> None:
    folder = write_ieee(
        tmp_path,
        '2,0,Pneumonia/Viral/COVID-19,PA,X-ray,images,0.jpg,"a note, with a comma\nand a line break",',
        "2,3,Pneumonia/Viral/COVID-19,AP Supine,X-ray,images,1.jpg,,",
        "3,0,Pneumonia/Viral/SARS,AP,X-ray,images,2.jpg,,",
        "4,0,No Finding,AP Erect,X-ray,images,3.jpg,,",
        "5,0,Pneumonia/Viral/COVID-19,L,X-ray,images,4.jpg,,",
        "6,0,Pneumonia/Viral/COVID-19,Axial,CT,volumes,5.nii.gz,,",
        "7,0,todo,PA,X-ray,images,6.jpg,,",
    )
    listing = layouts.read_folder(folder)
    assert labels_of(listing) == {
        "images/0.jpg": "covid",
        "images/1.jpg": "covid",
        "images/2.jpg": "noncovid",
        "images/3.jpg": "noncovid",
    }
    assert [row.patient_id for row in listing.rows] == ["2", "2", "3", "4"]
    assert "left out 2 images that are no frontal X-ray and 1 without a finding" in listing.notes[0]


def test_ieee8023_reads_its_first_form_too(tmp_path: Path) -> None:
    folder = write_ieee(
        tmp_path,
        "1,COVID-19,PA,0.jpg",
        "17,COVID-19,CT,1.jpg",
        "3,SARS,PA,2.jpg",
        header="Patientid,finding,view,filename",
    )
    assert labels_of(layouts.read_folder(folder)) == {"images/0.jpg": "covid", "images/2.jpg": "noncovid"}


def test_ieee8023_is_split_by_patient(tmp_path: Path) -> None:
    finding = ["Pneumonia/Viral/COVID-19", "Pneumonia"]
    lines = [f"{n // 2},0,{finding[n // 2 % 2]},PA,X-ray,images,{n}.jpg,," for n in range(40)]
    touch(tmp_path, *(f"images/{n}.jpg" for n in range(40)))
    data = dataset.open_dataset(write_ieee(tmp_path, *lines))
    assert all(left.split == right.split for left, right in zip(data.items[::2], data.items[1::2], strict=True))


def test_ieee8023_names_line_of_missing_film(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"metadata.csv line 2: image file 'images/gone.jpg' does not exist"):
        layouts.read_folder(write_ieee(tmp_path, "1,0,COVID-19,PA,X-ray,images,gone.jpg,,"))


def test_metadata_of_another_set_names_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text("id,diagnosis\n", encoding="utf-8")
    with pytest.raises(DataError, match="has no column 'patientid' but id, diagnosis"):
        layouts.read_folder(tmp_path)


def test_covidx_reads_lists_with_and_without_source(tmp_path: Path) -> None:
    touch(tmp_path, "train/a.jpeg", "train/b.png", "val/e.png", "test/c.png", "test/COVID-19 (7).png")
    (tmp_path / "train.txt").write_text("2 a.jpeg positive cohen\nANON5 b.png negative actmed\n\n", encoding="utf-8")
    (tmp_path / "val.txt").write_text("9 e.png negative bimcv\n", encoding="utf-8")
    (tmp_path / "test.txt").write_text("s7 c.png normal\nx COVID-19 (7).png COVID-19\n", encoding="utf-8")
    listing = layouts.read_folder(tmp_path)
    assert labels_of(listing) == {
        "train/a.jpeg": "covid",
        "train/b.png": "noncovid",
        "val/e.png": "noncovid",
        "test/c.png": "noncovid",
        "test/COVID-19 (7).png": "covid",
    }
    assert [row.source for row in listing.rows] == ["cohen", "actmed", "bimcv", "covidx", "covidx"]
    assert [row.patient_id for row in listing.rows] == ["2", "ANON5", "9", "s7", "x"]


def test_covidx_reads_named_lists_and_file_before_patient(tmp_path: Path) -> None:
    touch(tmp_path, "data/train/a.png", "b.png")
    (tmp_path / "train_COVIDx9B.txt").write_text("a.png 12 positive rsna\n", encoding="utf-8")
    (tmp_path / "test_COVIDx9B.txt").write_text("13 b.png pneumonia\n", encoding="utf-8")
    listing = layouts.read_folder(tmp_path)
    assert splits_of(listing) == {"data/train/a.png": "train", "b.png": "test"}
    assert [row.patient_id for row in listing.rows] == ["12", "13"]


def test_covidx_refuses_several_lists_of_a_split(tmp_path: Path) -> None:
    touch(tmp_path, "train_COVIDx7A.txt", "train_COVIDx7B.txt")
    with pytest.raises(DataError, match="several lists for 'train'"):
        layouts.read_folder(tmp_path)


@pytest.mark.parametrize("line", ["1 a.png", "1 a.png maybe rsna", "positive"])
def test_covidx_names_line_without_a_class(tmp_path: Path, line: str) -> None:
    (tmp_path / "train.txt").write_text(f"\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"train.txt line 2: no class of COVIDx"):
        layouts.read_folder(tmp_path)


def test_covidx_refuses_file_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("1 ../../a.png positive\n", encoding="utf-8")
    with pytest.raises(UnsafeFileError, match="leads out of the data folder"):
        layouts.read_folder(tmp_path)


def test_covidx_refuses_patient_in_two_lists(tmp_path: Path) -> None:
    touch(tmp_path, "train/a.png", "test/b.png")
    (tmp_path / "train.txt").write_text("7 a.png positive rsna\n", encoding="utf-8")
    (tmp_path / "test.txt").write_text("7 b.png negative rsna\n", encoding="utf-8")
    with pytest.raises(DataError, match="patient '7' is in split 'test' but in 'train'"):
        dataset.open_dataset(tmp_path)


def test_radiography_reads_images_and_not_its_lung_masks(tmp_path: Path) -> None:
    root = tmp_path / "COVID-19_Radiography_Dataset"
    for name in ("COVID", "Normal", "Lung_Opacity", "Viral Pneumonia"):
        touch(root, f"{name}/images/{name}-1.png", f"{name}/masks/{name}-1.png")
    touch(root, "COVID.metadata.xlsx", "README.md.txt")
    listing = layouts.read_folder(tmp_path)
    assert listing.name == "radiography"
    assert labels_of(listing) == {
        "COVID/images/COVID-1.png": "covid",
        "Lung_Opacity/images/Lung_Opacity-1.png": "noncovid",
        "Normal/images/Normal-1.png": "noncovid",
        "Viral Pneumonia/images/Viral Pneumonia-1.png": "noncovid",
    }
    assert all(row.mask_path is None for row in listing.rows)


def test_radiography_reads_its_first_form_too(tmp_path: Path) -> None:
    touch(tmp_path, "COVID-19/COVID-19 (1).png", "NORMAL/NORMAL (1).png", "Viral Pneumonia/Viral Pneumonia (1).png")
    assert sorted(labels_of(layouts.read_folder(tmp_path)).values()) == ["covid", "noncovid", "noncovid"]


def test_radiography_names_a_folder_it_does_not_know(tmp_path: Path) -> None:
    touch(tmp_path, "COVID/images/1.png", "Normal/images/2.png", "Viral Pneumonia/images/3.png", "mine/4.png")
    with pytest.raises(DataError, match="mine: not a class of the radiography layout"):
        layouts.read_folder(tmp_path)


def test_dlai3_phase_3_is_found_inside_its_two_folders(tmp_path: Path) -> None:
    touch(tmp_path / "DLAI3_Phase3" / "DLAI3_Phase3", "COVID-19/a/1.png", "NOFINDING/2.png", "THORAXDISEASE/3.png")
    listing = layouts.read_folder(tmp_path)
    assert listing.name == "dlai3"
    assert labels_of(listing) == {
        "COVID-19/a/1.png": "covid",
        "NOFINDING/2.png": "noncovid",
        "THORAXDISEASE/3.png": "noncovid",
    }


def test_dlai3_mini_set_has_positive_and_negative_below_its_splits(tmp_path: Path) -> None:
    root = touch(
        tmp_path / "datasets" / "datasets",
        *(f"{split}/{name}/{split}{name}.jpg" for split in ("train", "test") for name in ("positive", "negative")),
    )
    listing = layouts.read_folder(root.parent)
    assert listing.name == "dlai3"
    assert splits_of(listing)["test/positive/testpositive.jpg"] == "test"
    assert labels_of(listing)["test/positive/testpositive.jpg"] == "covid"


def test_class_folders_keep_their_names_and_skip_what_is_no_image(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "covid/a.PNG",
        "covid/deep/b.dcm",
        "covid/notes.txt",
        "other/c.jpeg",
        "other/.hidden.png",
        ".git/d.png",
    )
    listing = layouts.read_folder(tmp_path)
    assert labels_of(listing) == {"covid/a.PNG": "covid", "covid/deep/b.dcm": "covid", "other/c.jpeg": "other"}
    assert {row.split for row in listing.rows} == {None}


def test_class_folders_below_split_folders_are_read_as_splits(tmp_path: Path) -> None:
    touch(tmp_path, "train/covid/a.png", "Validation/covid/b.png", "test/other/c.png")
    assert splits_of(layouts.read_folder(tmp_path)) == {
        "train/covid/a.png": "train",
        "Validation/covid/b.png": "val",
        "test/other/c.png": "test",
    }


def test_more_than_two_class_folders_are_named_with_the_way_out(tmp_path: Path) -> None:
    touch(tmp_path, "covid/a.png", "normal/b.png", "pneumonia/c.png")
    with pytest.raises(DataError, match=r"3 classes \(covid, normal, pneumonia\).*class column of manifest.csv"):
        dataset.open_dataset(tmp_path)


def test_folder_without_images_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no images"):
        dataset.open_dataset(touch(tmp_path, "readme.txt"))


def test_manifest_goes_before_every_other_form(tmp_path: Path) -> None:
    touch(tmp_path, "COVID/images/1.png", "Normal/images/2.png", "Viral Pneumonia/images/3.png", "a.png")
    (tmp_path / "manifest.csv").write_text("path,class\na.png,mine\n", encoding="utf-8")
    assert labels_of(layouts.read_folder(tmp_path)) == {"a.png": "mine"}
