from pathlib import Path

from aiops import config
from aiops.app import all_packs
from aiops.demo.settings import demo_settings_text


def test_the_demo_runs_on_a_configuration_a_user_could_write(tmp_path):
    settings = config.parse(demo_settings_text(8081, tmp_path / "it's here.sqlite"), where="demo", environment={})
    assert settings.listen.port == 8081
    assert Path(settings.store.path) == tmp_path / "it's here.sqlite"
    assert settings.push.step_s == 60
    assert [type(n).__name__ for n in settings.notifiers] == ["ConsoleReceiver"]
    assert settings.prometheus == []


def test_its_packs_exist():
    packs = config.parse(demo_settings_text(0, "x"), where="demo", environment={}).push.packs
    assert set(packs) <= set(all_packs(config.Settings()))
