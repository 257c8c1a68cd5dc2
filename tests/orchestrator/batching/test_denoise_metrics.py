"""What the counters say on Triton's metrics port."""

from types import SimpleNamespace
from typing import ClassVar

from vitrine_orchestrator.batching.metrics import FIGURES, Counters, TritonMetrics
from vitrine_orchestrator.try_on.garment_cache import GarmentCache


class FakeFamily:
    """Stands for pb_utils.MetricFamily; keeps every value by name and labels."""

    COUNTER, GAUGE = "counter", "gauge"
    values: ClassVar[dict] = {}

    def __init__(self, name, description, kind):
        self.name, self.kind = name, kind

    def Metric(self, labels):
        key = (self.name, *sorted(labels.items()))
        FakeFamily.values[key] = 0.0

        def increment(change):
            assert self.kind == self.COUNTER
            assert change >= 0
            FakeFamily.values[key] += change

        def put(value):
            assert self.kind == self.GAUGE
            FakeFamily.values[key] = value

        return SimpleNamespace(increment=increment, set=put)


def test_figures_reach_triton_with_their_labels():
    """Counters grow by what happened since the last time, gauges say how it is now."""
    FakeFamily.values = {}
    metrics = TritonMetrics(SimpleNamespace(MetricFamily=FakeFamily))
    counters, cache = Counters(), GarmentCache(10)
    for _ in range(2):
        counters.call(4, 0.5)
        counters.jobs["done"] += 1
        counters.running = 3 - counters.calls[4]
        metrics.publish(counters, cache)
    model = ("model", "denoise")
    assert FakeFamily.values["vitrine_denoise_calls_total", model, ("rows", "4")] == 2
    assert FakeFamily.values["vitrine_denoise_step_seconds_total", model] == 1.0
    assert FakeFamily.values["vitrine_denoise_jobs_total", model, ("outcome", "done")] == 2
    assert FakeFamily.values["vitrine_denoise_running", model] == 1


def test_every_figure_is_described():
    """Names are unique and of Prometheus' form; counters of events end in _total."""
    assert len({figure.name for figure in FIGURES}) == len(FIGURES)
    for figure in FIGURES:
        assert figure.about
        assert figure.name.endswith("_total") == (figure.kind == "COUNTER")
