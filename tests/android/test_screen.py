"""The app's screen, on Android 10's own code: picking, sharing, photographing, turning, refusing, measuring."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.android.screen_run import ScreenRun

NAMES = (
    "firstRunTestsItselfAndTheResearchLineStands",
    "pickedFilmGetsTheAnswerOfPython",
    "bothEnginesAndAllThreadsCanBeChosen",
    "measuringTimesPreprocessingAndInferenceApart",
    "resultSurvivesARotation",
    "filmSurvivesTheEndOfTheProcess",
    "filmIsForgottenWhenTheAppIsClosed",
    "sharedFilmIsOpened",
    "cameraWritesIntoTheAppsOwnProvider",
    "whatIsNoFilmIsRefusedWithTheReason",
    "anotherBundleIsOpenedAndADamagedOneIsRefused",
    "germanDarkAndLarge",
    "everyControlHasAWordForTalkBack",
    "decodedFilmsHaveThePixelsOfPython",
    "cutFilmsAreRefused",
)


@pytest.mark.parametrize("name", NAMES)
def test_screen(screen_run: ScreenRun, name: str) -> None:
    assert name in screen_run.names
    assert screen_run.failures.get(name) is None, screen_run.failures[name]


def test_every_test_of_the_screen_is_listed(screen_run: ScreenRun) -> None:
    assert screen_run.names == set(NAMES)


def test_screen_was_drawn(screen_run: ScreenRun, case_folder: Path) -> None:
    for name in ("screen.png", "dark.png"):
        with Image.open(case_folder / "screen" / name) as picture:
            assert picture.width > 1000
            # A film, a banner and text, not one colour.
            assert len(picture.convert("RGB").getcolors(2**24) or ()) > 100
