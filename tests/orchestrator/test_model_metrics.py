"""Metrics of a model as Triton gets them: with labels, counters together, gauges at once."""

import threading
import time
from types import SimpleNamespace

from vitrine_orchestrator.adapters.metrics import METRIC_FAMILIES, ModelMetrics


def test_metrics_carry_the_model_and_their_labels():
    """Each row is one family, each combination of labels one metric; counters are published together."""
    told = []

    class Family:
        COUNTER, GAUGE = "counter", "gauge"

        def __init__(self, name, description, kind):
            self.name = name

        def Metric(self, labels):
            return SimpleNamespace(increment=lambda value: told.append((self.name, labels, value)))

    metrics = ModelMetrics(SimpleNamespace(MetricFamily=Family), "try_on")
    for value in (1, 2, 4):
        metrics.add("vitrine_requests_total", value, outcome="done")
    assert not told
    for _ in range(2):
        metrics.publish()
    assert told == [("vitrine_requests_total", {"model": "try_on", "outcome": "done"}, 7)]
    assert all(family.about for family in METRIC_FAMILIES)


def test_a_gauge_does_not_wait_for_all_counters():
    """The event loop sends gauges: it waits for the counter that is being sent, not for all."""
    told, began = [], threading.Event()

    class Family:
        COUNTER = GAUGE = 1

        def __init__(self, name, description, kind):
            self.name = name

        def Metric(self, labels):
            return SimpleNamespace(increment=self.increment)

        def increment(self, value):
            told.append(self.name)
            began.set()
            time.sleep(0.001)  # a round trip to Triton, in which other threads run

    metrics = ModelMetrics(SimpleNamespace(MetricFamily=Family), "try_on")
    for stage in range(100):
        metrics.add("vitrine_stage_calls_total", stage=str(stage), outcome="done")
    publishing = threading.Thread(target=metrics.publish)
    publishing.start()
    began.wait()
    metrics.add("vitrine_in_flight")
    publishing.join()
    assert len(told) == 101
    assert told[-1] != "vitrine_in_flight"
