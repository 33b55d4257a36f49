"""Following a trial: what is told while it trains."""

from __future__ import annotations

from dataclasses import replace

import pytest

from study.engine import run
from study.engine.compiled import engine as compiled
from study.trial.config import TrialConfig
from tests.engine.compiled.test_population import POPULATION, SMALL, some_trials

AXES = {"units": 4, "timesteps": 12, "features": 4, "batch_size": 8, "updates": 20, "clipnorm": None, "max_norm": None}
DIVERGES = TrialConfig(**AXES, learning_rate=300, seed=3)
SURVIVES = TrialConfig(**AXES, learning_rate=300, seed=2)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("config", [DIVERGES, SURVIVES], ids=["diverges", "survives"])
def test_every_update_is_told_in_order_and_no_number_is_changed_by_it(
    engine: str, config: TrialConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "SECONDS_PER_CALL", 0.0)
    told: list[tuple[int, int, str]] = []
    followed = run([config], engine=engine, on_update=lambda *update: told.append((*update[:2], str(update[2]))))[0]
    assert told == [(0, number, str(loss)) for number, loss in enumerate(followed.loss, start=1)]
    alone = run([config], engine=engine)[0]
    assert replace(alone, seconds=0).to_json() == replace(followed, seconds=0).to_json()
    assert alone.outcome.name == ("diverged" if config is DIVERGES else "survived")
    assert alone.updates > 2


def test_side_by_side_every_update_is_told_with_the_place_of_its_trial() -> None:
    told: dict[int, list[str]] = {}
    configs = some_trials(SMALL, count=POPULATION + 2, seed=7)
    results = run(
        configs,
        population=POPULATION,
        on_update=lambda place, _, loss: told.setdefault(place, []).append(str(loss)),
    )
    assert told == {place: [str(loss) for loss in result.loss] for place, result in enumerate(results)}


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_what_a_follower_raises_ends_the_training_and_the_next_trial_is_whole(engine: str) -> None:
    told = []

    def on_update(place: int, update: int, loss: float) -> None:
        told.append(update)
        if update == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([SURVIVES], engine=engine, on_update=on_update)
    assert told == [1, 2]
    assert run([SURVIVES], engine=engine)[0].updates == SURVIVES.updates
