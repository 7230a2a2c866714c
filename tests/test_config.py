"""Configuration: one strict file and the environment, and every mistake named."""

import pytest

from sdk.config import (
    Config,
    load_config,
    open_credentials,
    open_ledger,
    open_vault,
    read_credentials,
    read_ledger,
)
from sdk.errors import ConfigError, LedgerError


def configured(tmp_path, text, **variables):
    path = tmp_path / "config.toml"
    path.write_text(text) if isinstance(text, str) else path.write_bytes(text)
    return load_config({"SDK_CONFIG": str(path), **variables})


def test_without_a_file_everything_has_a_default(tmp_path):
    config = load_config({"XDG_CONFIG_HOME": str(tmp_path)})
    assert (config.policy, config.ledger, config.vault) == ("default", "", "")


def test_the_file_is_read_and_the_environment_wins(tmp_path):
    text = 'policy = "strict"\nledger = "somewhere.db"'
    config = configured(tmp_path, text)
    assert (config.policy, config.ledger) == ("strict", "somewhere.db")
    assert configured(tmp_path, text, SDK_POLICY="kids").policy == "kids"
    assert configured(tmp_path, text, SDK_POLICY="").policy == "strict"
    assert configured(tmp_path, text, SDK_LEDGER="other.db").ledger == "other.db"


def test_the_home_is_said_by_the_environment_alone(tmp_path, monkeypatch):
    """Plugins read it too, and they know no configuration file."""
    monkeypatch.setenv("SDK_HOME", str(tmp_path / "studio"))
    assert load_config({"XDG_CONFIG_HOME": str(tmp_path)}).home == tmp_path / "studio"
    with pytest.raises(ConfigError, match="unknown keys home"):
        configured(tmp_path, 'home = "elsewhere"')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('polcy = "strict"', "found unknown keys polcy; known: .*ledger.*, policy"),
        ("policy = 7", "asked for policy = 7; give text in quotes"),
        ("ledger = ['a']", "give text in quotes"),
        ("policy = ", "mend or remove it"),
        (b'policy = "\xff"', "mend or remove it"),
    ],
)
def test_a_wrong_file_is_refused_with_the_key(tmp_path, text, said):
    with pytest.raises(ConfigError, match=said):
        configured(tmp_path, text)


def test_a_file_that_was_named_must_be_there(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        load_config({"SDK_CONFIG": str(tmp_path / "missing.toml")})
    with pytest.raises(ConfigError, match="directory"):
        load_config({"SDK_CONFIG": str(tmp_path)})


def test_an_unknown_variable_is_refused():
    with pytest.raises(ConfigError, match=r"unknown variable SDK_POLCY .*SDK_POLICY"):
        load_config({"SDK_POLCY": "strict"})
    assert load_config({"SDK_VAULT_KEY": "x", "SDK_TEST_POSTGRES": "y", "PATH": "z"})


def test_ledger_and_vault_are_made_in_the_home_for_its_owner_alone(tmp_path):
    config = Config(home=tmp_path / "a" / "home")
    with open_ledger(config) as ledger, open_vault("commit", config) as vault:
        assert vault.commit("me", {"prompt": "x"})
        assert ledger.append({"type": "test"}).index == 0
    assert (config.home.stat().st_mode & 0o777) == 0o700
    assert open_vault("none", config) is None


def test_reading_makes_nothing(tmp_path):
    config = Config(home=tmp_path / "home")
    with pytest.raises(LedgerError, match="found no ledger there; generate something first"):
        read_ledger(config)
    assert read_credentials(config) is None
    assert not config.home.exists()


def test_what_was_written_is_read(tmp_path):
    config = Config(home=tmp_path / "home")
    with open_ledger(config) as ledger, open_credentials(config):
        ledger.append({"type": "test"})
        public = ledger.public_key
    with read_ledger(config) as ledger, read_credentials(config):
        assert ledger.verify().size == 1
    elsewhere = Config(home=tmp_path, ledger=str(config.home / "ledger.db"), ledger_key=public)
    with read_ledger(elsewhere) as ledger:
        assert ledger.verify().key_trusted


def test_a_home_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="set SDK_HOME"):
        open_ledger(Config(home=tmp_path / "file" / "home"))
