"""Where the home folder is thrown away, and where nobody can be asked: the lines for a token that work in that place."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from ...support.shell import sit_at_terminal
from .world import World

MARKS = {
    "Colab": "COLAB_RELEASE_TAG",
    "Kaggle": "KAGGLE_KERNEL_RUN_TYPE",
    "Code Ocean": "CO_CAPSULE_ID",
    "Binder": "BINDER_SERVICE_HOST",
}
WITH_SECRETS = ["Colab", "Kaggle", "Code Ocean"]


@pytest.fixture
def secret(world: World) -> str:
    """A token that is kept in the secrets of every place at once."""
    token = world.cave.new_token("ada")
    colab = SimpleNamespace(userdata=SimpleNamespace(get={"CAVE_TOKEN": token}.get))
    kaggle = SimpleNamespace(UserSecretsClient=lambda: SimpleNamespace(get_secret={"CAVE_TOKEN": token}.get))
    world.patch.setitem(sys.modules, "google", SimpleNamespace(colab=colab))
    world.patch.setitem(sys.modules, "google.colab", colab)
    world.patch.setitem(sys.modules, "kaggle_secrets", kaggle)
    world.patch.setenv("CAVE_TOKEN", token)
    return token


def _home(world: World):
    return next(row for row in world.check().rows if row.id == "home")


@pytest.mark.parametrize("runtime", WITH_SECRETS)
def test_the_next_notebook_begins_with_lines_that_work_there(world: World, secret, runtime):
    """The remedy names the place for secrets and the lines that read one; typed into a new home, they save the token."""
    world.patch.setenv(MARKS[runtime], "1")
    row = _home(world)
    assert runtime in row.evidence
    assert "Secrets of" in row.next_step.text
    for path in (world.server_file, world.default_file, world.local_file):
        path.unlink()
    for line in row.next_step.commands:
        assert not world.run(line).error
    assert secret in world.server_file.read_text()


def test_a_place_without_secrets_says_so(world: World):
    """Nothing is promised that is not there: the token is pasted each time."""
    world.patch.setenv(MARKS["Binder"], "1")
    next_step = _home(world).next_step
    assert "secrets cannot be kept here" in next_step.text
    assert next_step.commands == ("%cave_save",)


@pytest.mark.parametrize("runtime", WITH_SECRETS)
def test_where_nobody_can_be_asked_the_lines_of_the_place_are_named(world: World, secret, runtime):
    """In a batch run the message ends in lines that save the token for the server that was meant."""
    world.patch.setenv(MARKS[runtime], "1")
    sit_at_terminal(world.patch, can_ask=False)
    message = world.run(f"%cave_save --server {world.cave.server}").message
    assert "Secrets of" in message
    *first, last = message.split(", then ")[1:]
    assert f" --server {world.cave.server}" in last
    world.server_file.unlink()
    world.default_file.unlink()
    for line in (*first, last):
        assert not world.run(line).error
    assert secret in world.server_file.read_text()


def test_where_there_are_no_secrets_an_environment_variable_is_left(world: World):
    """In a batch run on Binder nothing else remains."""
    world.patch.setenv(MARKS["Binder"], "1")
    sit_at_terminal(world.patch, can_ask=False)
    assert "%cave_save --from-env CAVE_TOKEN" in world.run("%cave_save").message


def test_nobody_is_asked_for_the_next_token_where_nobody_answers(world):
    """In a batch run on Binder `%cave_save` alone would fail: the line takes the token from a variable."""
    world.patch.setenv(MARKS["Binder"], "1")
    sit_at_terminal(world.patch, can_ask=False)
    row = next(row for row in world.check().rows if row.id == "home")
    assert all("--from-env CAVE_TOKEN" in command for command in row.next_step.commands)
