"""Makes the pictures of the pages from real runs: `python -m pytest tests/whole_way/browser/make_pictures.py`, with Pillow."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from cave_magic.sandbox import Sandbox

from .conftest import Jupyter, Notebook
from .test_signin import STARTUP, Desktop, is_done, sign_in_as

PICTURES = Path(__file__).resolve().parents[3] / "docs" / "pictures"
WORK = 'from caveclient import CAVEclient\nclient = CAVEclient("minnie65_public")'
LARGEST = 150_000


@pytest.fixture
def cave() -> Iterator[Sandbox]:
    """A practice server at its usual address."""
    with Sandbox(port=8900, local_port=8901) as sandbox:
        yield sandbox


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_a_fault_is_found_and_fixed(
    jupyter: Jupyter, browser: Any, kernel: str, home: Path, cave: Sandbox, set_up: str, theme: str
):
    """CAVEclient fails, the check names the cause, its link is followed, and the check is green."""
    config = home / ".ipython" / "profile_default" / "ipython_config.py"
    config.write_text('c = get_config()\nc.InteractiveShell.xmode = "Minimal"\n')
    sharp = browser.browser.new_context(device_scale_factor=2, viewport={"width": 980, "height": 1400})
    try:
        notebook = open_in(sharp, jupyter, kernel)
        notebook.switch_theme(f"JupyterLab {theme}")
        fail_and_mend(notebook, cave)
        store([shot(notebook, 2)], PICTURES / f"check-{theme.lower()}.png")
    finally:
        sharp.close()


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_one_click_signs_in(jupyter: Jupyter, browser: Any, kernel: str, home: Path, cave: Sandbox, theme: str):
    """The notebook waits, the person clicks on an account in the tab that has opened, and the notebook goes on."""
    note, startup = home / "opened", home / ".ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True, exist_ok=True)
    (startup / "00-desktop.py").write_text(STARTUP.format(note=str(note)))
    sharp = browser.browser.new_context(
        device_scale_factor=2, viewport={"width": 980, "height": 1400}, color_scheme=theme.lower()
    )
    try:
        desk = Desktop(open_in(sharp, jupyter, kernel), note)
        desk.notebook.switch_theme(f"JupyterLab {theme}")
        setup = desk.start("%cave_setup new")
        tab = desk.tab()
        tab.set_viewport_size({"width": 980, "height": 420})
        desk.notebook.sees(setup, "waiting for your sign-in")
        before, page = shot(desk.notebook, 1), tab.screenshot()
        sign_in_as(tab, "ada@example.org")
        assert is_done(tab)
        assert "You are set up." in desk.notebook.wait(setup)
        store([before, page, shot(desk.notebook, 1)], PICTURES / f"sign-in-{theme.lower()}.png")
    finally:
        sharp.close()


def open_in(context: Any, jupyter: Jupyter, kernel: str) -> Notebook:
    """A fresh notebook in JupyterLab without side bars."""
    import nbformat

    path = jupyter.notebooks / f"{kernel}.ipynb"
    fresh = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell()])
    fresh.metadata.kernelspec = {"name": kernel, "display_name": "Python 3", "language": "python"}
    nbformat.write(fresh, path)
    page = context.new_page()
    page.goto(jupyter.link("lab", path))
    page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.wait_for()
    page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
    page.wait_for_timeout(3000)
    return Notebook(page, path)


def fail_and_mend(notebook: Notebook, cave: Sandbox) -> None:
    """The person has not accepted the terms of service; the report's link leads to them, and it turns green by itself."""
    cave.withdraw_terms("ada", "minnie65_public")
    cave.forget()
    assert "403" in notebook.run(WORK)
    checked = notebook.start("%cave_check")
    notebook.sees(checked, "this goes on by itself")
    link = notebook.output(checked).locator("a").last
    with notebook.page.context.expect_page() as opened:
        link.click()
    opened.value.get_by_text("ada@example.org").click()
    opened.value.get_by_role("button", name="I accept").click()
    opened.value.wait_for_load_state()
    opened.value.close()
    assert "All well" in notebook.wait(checked)


def shot(notebook: Notebook, cells: int) -> bytes:
    """A screenshot of the first cells."""
    page = notebook.page
    page.bring_to_front()
    page.evaluate("() => document.activeElement.blur()")
    page.evaluate("() => document.querySelector('.jp-WindowedPanel-outer').scrollTo(0, 0)")
    page.wait_for_timeout(500)
    first, last = notebook.cell(0).bounding_box(), notebook.cell(cells - 1).bounding_box()
    first["height"] = last["y"] + last["height"] - first["y"]
    png: bytes = page.screenshot(clip=first)
    return png


def store(shots: list[bytes], path: Path) -> None:
    """Stores screenshots one below the other, each as wide as the first, small enough for a README."""
    image = pytest.importorskip("PIL.Image")
    parts = [image.open(BytesIO(png)).convert("RGB") for png in shots]
    width = parts[0].width
    parts = [part.resize((width, part.height * width // part.width)) for part in parts]
    whole = image.new("RGB", (width, sum(part.height for part in parts)))
    top = 0
    for part in parts:
        whole.paste(part, (0, top))
        top += part.height
    path.parent.mkdir(exist_ok=True)
    whole.quantize(160, dither=image.Dither.NONE).save(path, optimize=True)
    assert path.stat().st_size < LARGEST
