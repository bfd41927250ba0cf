"""Platforms that delete the home folder or cannot prompt: the lines that save a token there."""

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
    """A token that is in the secrets of all platforms."""
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
def test_the_lines_for_the_next_notebook_work(world: World, secret, runtime):
    """The next step names the platform's secrets; its lines save the token in a new home."""
    world.patch.setenv(MARKS[runtime], "1")
    row = _home(world)
    assert runtime in row.evidence
    assert "Secrets of" in row.next_step.text
    for path in (world.server_file, world.default_file, world.local_file):
        path.unlink()
    for line in row.next_step.commands:
        assert not world.run(line).error
    assert secret in world.server_file.read_text()


def test_a_platform_without_secrets_says_so(world: World):
    """There the token has to be pasted each time."""
    world.patch.setenv(MARKS["Binder"], "1")
    next_step = _home(world).next_step
    assert "secrets cannot be kept here" in next_step.text
    assert next_step.commands == ("%cave_save",)


@pytest.mark.parametrize("runtime", WITH_SECRETS)
def test_a_batch_run_names_the_platforms_lines(world: World, secret, runtime):
    """Without a prompt, the message ends in lines that save the token for the right server."""
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


def test_a_batch_run_without_secrets_uses_a_variable(world: World):
    """On Binder, an environment variable is the only way."""
    world.patch.setenv(MARKS["Binder"], "1")
    sit_at_terminal(world.patch, can_ask=False)
    assert "%cave_save --from-env CAVE_TOKEN" in world.run("%cave_save").message


def test_the_lines_for_a_batch_run_need_no_prompt(world):
    """In a batch run on Binder, the line for the next session reads a variable."""
    world.patch.setenv(MARKS["Binder"], "1")
    sit_at_terminal(world.patch, can_ask=False)
    row = next(row for row in world.check().rows if row.id == "home")
    assert all("--from-env CAVE_TOKEN" in command for command in row.next_step.commands)
