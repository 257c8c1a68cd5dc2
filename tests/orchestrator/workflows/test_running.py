"""Running graphs: what is independent runs together, what is known is not run again, what fails is named."""

import asyncio
import json

import numpy as np
import pytest
from vitrine.errors import Busy, Cancelled, StageFailed
from vitrine_orchestrator.pipeline.request_context import PlainContext
from vitrine_orchestrator.stages.z_image import FAMILY as Z_IMAGE
from vitrine_orchestrator.workflows import running
from vitrine_orchestrator.workflows.kept import KeptNodes
from vitrine_orchestrator.workflows.pipeline import run_workflow, workflow_stream
from workflow_models import answer, node, pixel, png, publish


def ad(seed=200, strength=0.5):
    """A sentence, a picture, a change of it, and a file."""
    return {
        "words": node("prepare_ad_prompt", sentence="빨간 머그잔"),
        "draw": node("text_to_image", prompt=["words", 0], seed=seed),
        "change": node("image_to_image", prompt=["words", 0], image=["draw", 0], strength=strength, seed=1),
        "save": node("save_image", image=["change", 0], name="ad.png"),
    }


def statuses(nodes):
    """Status by id."""
    return {name: one["status"] for name, one in nodes.items()}


def test_values_travel_along_the_links(workflow, models):
    """The prompt's text reaches both models, the picture the second one, and the file has its result."""
    files, nodes = workflow(ad())
    assert pixel(files["ad.png"]) == (100, 50, 50)
    assert set(statuses(nodes).values()) == {"done"}
    assert nodes["words"]["values"]["prompt"] == "english 빨간 머그잔"
    assert nodes["draw"]["values"] == {"seed": 200}
    assert [name for name, _ in models.stages.calls] == [
        "prepare_ad_prompt",
        "text_to_image",
        "image_to_image",
    ]
    sent = models.stages.calls[2][1]
    assert sent["prompt"][0].decode() == "english 빨간 머그잔"
    assert (sent["strength"].dtype, sent["seed"].dtype) == (np.float32, np.uint64)


def test_the_report_is_the_contract_s(workflow):
    """{total_time, nodes: [{name, time, status}]}, each node after those that feed it."""
    workflow(ad())
    assert workflow.report.keys() == {"total_time", "nodes"}
    assert [one["name"] for one in workflow.report["nodes"]] == list(ad())
    assert {"name", "time", "status", "class_type"} <= workflow.report["nodes"][0].keys()
    assert workflow.report["total_time"] >= max(one["time"] for one in workflow.report["nodes"])


def test_after_one_change_only_what_it_feeds_runs_again(workflow, models):
    """The same graph runs nothing; a new strength runs the last model; a new seed both."""
    first, _ = workflow(ad())
    assert models.called == ["prepare_ad_prompt", "text_to_image", "image_to_image"]
    again, nodes = workflow(ad())
    assert again == first
    assert models.called == []
    assert statuses(nodes) == {"words": "reused", "draw": "reused", "change": "reused", "save": "done"}
    workflow(ad(strength=0.4))
    assert models.called == ["image_to_image"]
    other, nodes = workflow(ad(seed=100))
    assert models.called == ["text_to_image", "image_to_image"]
    assert pixel(other["ad.png"]) == (50, 50, 50)
    assert statuses(nodes)["words"] == "reused"


def test_a_picture_s_content_counts_and_not_its_name(workflow, models):
    """Another file under the same name is another input; the same one under another name is not."""
    graph = {"load": node("load_image", image="mug"), "cut": node("cut_out", image=["load", 0])}
    workflow(graph, {"mug": png((250, 0, 0))})
    workflow(graph, {"mug": png((0, 250, 0))})
    assert models.called == ["cut_out", "cut_out"]
    graph["load"] = node("load_image", image="other")
    workflow(graph, {"other": png((250, 0, 0))})
    assert models.called == []


def test_chance_and_adapters_are_not_kept(workflow, models):
    """Without a seed two pictures are wanted; an adapter's file can change under its name."""
    for inputs in ({"prompt": "x"}, {"prompt": "x", "seed": 1, "lora": ["night"]}):
        for _ in range(2):
            workflow({"1": node("text_to_image", **inputs)})
        assert models.called == ["text_to_image", "text_to_image"]


def test_a_new_release_is_asked_again(workflow, models, tmp_path):
    """Its digest is in the key. While the old one still answers, nothing is kept under the new one's."""
    graph = {"1": node("text_to_image", prompt="x", seed=1)}
    workflow(graph)
    old, new = models.digest, publish(tmp_path, "text_to_image", Z_IMAGE, "c", version=2)
    models.called  # noqa: B018
    for digest in (old, new):
        models.digest = digest
        workflow(graph)
        assert models.called == ["text_to_image"]
    workflow(graph)
    assert models.called == []


def test_without_a_readable_release_nothing_is_kept(workflow, models, tmp_path):
    """What cannot be told apart is computed."""
    (tmp_path / "text_to_image" / "1" / "manifest.json").write_text("{")
    for _ in range(2):
        workflow({"1": node("text_to_image", prompt="x", seed=1)})
    assert models.called == ["text_to_image", "text_to_image"]


def test_a_failed_node_names_itself_and_stops_only_what_needs_it(workflow, models):
    """Others finish; those behind it are not run; the files of the others come back."""
    models.stages.answers["cut_out"] = StageFailed("cut_out_network", "out of memory")
    graph = {
        "good": node("text_to_image", prompt="x", seed=3),
        "bad": node("cut_out", image=["good", 0]),
        "behind": node("resize", image=["bad", 0], width=8, height=8),
        "far": node("save_image", image=["behind", 0], name="far.png"),
        "saved": node("save_image", image=["good", 0], name="good.png"),
    }
    files, nodes = workflow(graph)
    assert list(files) == ["good.png"]
    assert statuses(nodes) == {
        "good": "done",
        "bad": "failed",
        "behind": "not run",
        "far": "not run",
        "saved": "done",
    }
    assert nodes["bad"]["error"] == {"word": "stage failed", "message": "cut_out_network: out of memory"}


def test_a_defect_in_a_node_is_its_own_failure(workflow, models):
    """Its details stay in the log."""
    models.stages.answers["cut_out"] = lambda inputs: 1 / 0
    _, nodes = workflow(
        {"1": node("text_to_image", prompt="x", seed=3), "2": node("cut_out", image=["1", 0])}
    )
    assert nodes["2"]["error"] == {
        "word": "internal",
        "message": "internal error; the server's log says more",
    }
    assert nodes["1"]["status"] == "done"


class Slow:
    """Models that wait until as many calls run as were expected, or until their job is cancelled."""

    def __init__(self, models, expected):
        self.models, self.expected, self.running, self.most = models, expected, 0, 0
        self.all_here, self.stopped = asyncio.Event(), []

    async def __call__(self, name, inputs):
        if name == "denoise":
            self.stopped.append(inputs["job"][0])
            return {}
        self.running += 1
        self.most = max(self.most, self.running)
        if self.running == self.expected:
            self.all_here.set()
        try:
            while not self.all_here.is_set():
                if inputs["job"][0] + b"-0" in self.stopped:
                    raise Cancelled("the job was cancelled")
                await asyncio.sleep(0.005)
            return await self.models.stages(name, inputs)
        finally:
            self.running -= 1


def fan(count):
    """Independent pictures."""
    return {str(index): node("text_to_image", prompt="x", seed=index) for index in range(count)}


@pytest.mark.parametrize(("count", "together"), [(3, 3), (9, running.AT_ONCE)])
def test_independent_nodes_run_at_the_same_time(count, together, workflow, models):
    """As many as are allowed: each waits for the others, so one after another would time out."""
    slow = Slow(models, together)
    _, nodes = workflow(fan(count), stages=slow)
    assert set(statuses(nodes).values()) == {"done"}
    assert slow.most == together


def test_a_cancelled_workflow_cancels_its_nodes(models):
    """The denoising jobs of those that run are cancelled, those that wait never begin."""
    graph = fan(6) | {"6": node("cut_out", image=["0", 0])}
    slow = Slow(models, expected=99)

    async def cancelled():
        inputs = {"graph": np.array([json.dumps(graph).encode()], np.object_)}
        task = asyncio.create_task(run_workflow(PlainContext(slow), KeptNodes(0), inputs))
        while slow.running < running.AT_ONCE:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(cancelled(), 10))
    assert (len(set(slow.stopped)), slow.running) == (running.AT_ONCE, 0)
    assert models.called == []


def test_a_busy_model_is_asked_again(workflow, models):
    """A full queue is no failure of the graph."""
    replies = [Busy("full"), Busy("full")]

    def drawn(inputs):
        if replies:
            raise replies.pop()
        return models.drawn(inputs)

    models.stages.answers["text_to_image"] = drawn
    _, nodes = workflow({"1": node("text_to_image", prompt="x", seed=1)})
    assert nodes["1"]["status"] == "done"
    assert len(models.called) == 3


def test_too_many_bytes_at_a_time_fail_the_node_that_makes_them(workflow, monkeypatch):
    """The limit is of what later nodes still need."""
    monkeypatch.setattr(running, "MAX_LIVE", 150)
    _, nodes = workflow(
        {
            "1": node("text", text="x" * 100),
            "2": node("text", text=["1", 0]),
            "3": node("text", text=["1", 0]),
        }
    )
    failed = [one for one in nodes.values() if one["status"] == "failed"]
    assert [one["error"]["message"] for one in failed] == [
        "a workflow must hold at most 150 bytes at a time, got 200"
    ] * 2


def test_nothing_of_a_try_on_is_kept(workflow, models):
    """Pictures of people do not stay in memory after the answer."""
    seed = np.array([1], np.uint64)
    models.stages.answers["try_on"] = lambda inputs: answer(
        inputs["person"][0], "d", mask=np.array([b"m"], np.object_), seed=seed
    )
    graph = {
        "me": node("load_image", image="me"),
        "on": node(
            "try_on",
            person=["me", 0],
            garment=[["me", 0], ["me", 0]],
            category=["dresses", "upper_body"],
            seed=1,
        ),
    }
    for _ in range(2):
        workflow(graph, {"me": png((9, 9, 9))})
    sent = models.stages.calls[0][1]
    assert (len(sent["garment"]), sent["category"].tolist()) == (2, [b"dresses", b"upper_body"])
    assert models.called == ["try_on", "try_on"]
    assert workflow.kept.bytes == 0


def test_events_tell_of_every_node(models, tmp_path):
    """Each node begins and ends, the count grows to all, and the last response is the result."""
    sent = []

    async def streamed():
        inputs = {"graph": np.array([json.dumps(ad()).encode()], np.object_)}
        context = PlainContext(models.stages, repository=tmp_path)
        return await workflow_stream(context, KeptNodes(0), inputs, sent.append)

    last = asyncio.run(streamed())
    events = [json.loads(one["event"][0]) for one in sent]
    assert [(one["node"]["name"], one["node"]["status"]) for one in events[:4]] == [
        ("words", "running"),
        ("words", "done"),
        ("draw", "running"),
        ("draw", "done"),
    ]
    assert [one["step"] for one in events] == sorted(one["step"] for one in events)
    assert (events[-1]["step"], events[-1]["steps"]) == (4, 4)
    assert json.loads(last["event"][0]) == {"kind": "result"}
    assert last["file_name"].tolist() == [b"ad.png"]


def test_kept_answers_stay_within_their_bytes_and_time():
    """The one that was used longest ago goes first; old ones are forgotten; 0 keeps nothing."""
    now = [0.0]
    kept = KeptNodes(2000, ttl_s=10, clock=lambda: now[0])
    for key in "abc":
        kept.put(key, ("x" * 100,))
    kept.get("a")
    kept.put("d", ("x" * 100,))
    assert [key for key in "abcd" if kept.get(key)] == ["a", "c", "d"]
    kept.put("big", ("x" * 3000,))
    assert kept.get("big") is None
    assert kept.bytes == 1800
    now[0] = 10.0
    assert kept.get("a") is None
    assert kept.bytes == 0
    off = KeptNodes(0)
    off.put("a", ("x",))
    assert off.get("a") is None
