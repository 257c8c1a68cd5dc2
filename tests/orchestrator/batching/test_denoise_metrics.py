"""The counters are published on the metrics port."""

import numpy as np
from vitrine_orchestrator.adapters.metrics import FakeMetrics, FigureMetrics
from vitrine_orchestrator.batching.metrics import FIGURES, Counters
from vitrine_orchestrator.try_on.engine.fake import FakeEngine
from vitrine_orchestrator.try_on.metrics import FIGURES as TRY_ON_FIGURES


def test_figures_are_published_with_their_labels():
    """Counters grow by the events since the last publication, gauges get the current value."""
    counters, metrics = Counters(), FakeMetrics()
    figures = FigureMetrics(FIGURES, counters, metrics)
    for _ in range(2):
        counters.call(4, 0.5)
        counters.jobs["done"] += 1
        counters.running = 3 - counters.calls[4]
        figures.publish()
    assert metrics.sums["vitrine_denoise_calls_total", "4"] == 2
    assert metrics.sums["vitrine_denoise_step_seconds_total",] == 1.0
    assert metrics.sums["vitrine_denoise_jobs_total", "done"] == 2
    assert metrics.sums["vitrine_denoise_running",] == 1


def test_a_program_has_figures_of_its_own(jobs):
    """The try-on's program counts garment rows computed, looked up and kept."""
    program, metrics, job = jobs.program(FakeEngine()), FakeMetrics(), jobs.job()
    job.start(0.0)
    program.join([job])
    program.share([job])
    assert np.isfinite(program.predict([job])).all()
    FigureMetrics(TRY_ON_FIGURES, program, metrics).publish()
    assert metrics.sums["vitrine_garment_rows_total",] == 4
    assert metrics.sums["vitrine_garment_lookups_total", "miss"] == 1
    assert metrics.sums["vitrine_garment_bytes",] == 4000


def test_every_figure_is_described():
    """Names are unique and valid for Prometheus; counters of events end in _total."""
    assert len({figure.name for figure in (*FIGURES, *TRY_ON_FIGURES)}) == len(FIGURES) + len(TRY_ON_FIGURES)
    for figure in (*FIGURES, *TRY_ON_FIGURES):
        assert figure.about
        assert figure.name.endswith("_total") == (figure.kind == "COUNTER")
