"""A workflow on a real server: its picture is the pipelines' own, and one change runs only what it feeds."""

from __future__ import annotations

import json
import threading

import pytest
from served_jobs import cancelled_jobs, wait_for_cancelled, wait_for_running
from vitrine import BadRequest, Cancellation, Cancelled, Progress, Vitrine, Workflow


def graph(strength: float) -> dict:
    """A Korean sentence, a picture of it, a change of that, two files; and a node that must fail."""
    return {
        "words": {"class_type": "prepare_ad_prompt", "inputs": {"sentence": "카페의 빨간 머그잔"}},
        "draw": {
            "class_type": "text_to_image",
            "inputs": {"prompt": ["words", 0], "seed": 7, "steps": 2, "width": 64, "height": 64},
        },
        "change": {
            "class_type": "image_to_image",
            "inputs": {"prompt": "a cup", "image": ["draw", 0], "strength": strength, "seed": 7},
        },
        "cut": {"class_type": "cut_out", "inputs": {"image": ["draw", 0]}},
        "small": {"class_type": "resize", "inputs": {"image": ["change", 0], "width": 32, "height": 32}},
        "a": {"class_type": "save_image", "inputs": {"image": ["draw", 0], "name": "drawn.png"}},
        "b": {"class_type": "save_image", "inputs": {"image": ["small", 0], "name": "작은.jpg"}},
    }


def test_a_workflow_is_served(vitrine):
    """Its files are those of the same calls one by one; the missing cut-out model is one node's failure."""
    done = vitrine.run_workflow(graph=graph(1.0))
    statuses = {node.name: node.status for node in done.nodes}
    assert statuses == {**dict.fromkeys(graph(1.0), "done"), "cut": "failed"}
    (failed,) = done.failed
    assert (failed.name, failed.error.word) == ("cut", "unavailable")
    prompt = vitrine.prepare_ad_prompt(sentence="카페의 빨간 머그잔").prompt
    assert prompt.startswith("a medium-sized red mug on a dark wooden table in a cafe")
    alone = vitrine.text_to_image(prompt=prompt, seed=7, steps=2, width=64, height=64)
    assert done.files["drawn.png"] == alone.encoded
    assert (done.image("작은.jpg").format, done.image("작은.jpg").size) == ("JPEG", (32, 32))


def test_one_change_runs_only_what_it_feeds(vitrine):
    """The second time the first picture is taken from memory; nothing of the failed node is."""
    vitrine.run_workflow(graph=graph(0.9))
    done = vitrine.run_workflow(graph=graph(0.8))
    statuses = {node.name: node.status for node in done.nodes}
    assert (statuses["words"], statuses["draw"]) == ("reused", "reused")
    assert (statuses["change"], statuses["cut"]) == ("done", "failed")


def test_a_workflow_is_followed_over_grpc(vitrine):
    """Events count the nodes; the last one is the result."""
    *events, done = vitrine.workflow_stream(graph=graph(0.7))
    assert isinstance(done, Workflow)
    assert all(isinstance(one, Progress) for one in events)
    assert (events[-1].step, events[-1].steps) == (7, 7)
    assert ("draw", "running") in {(one.node, one.status) for one in events}


def test_a_graph_without_files_and_a_wrong_one(vitrine, server):
    """No file is an empty answer, over both protocols; a wrong graph is refused before any node runs."""
    empty = {"1": {"class_type": "text", "inputs": {"text": "x"}}}
    assert dict(vitrine.run_workflow(graph=empty).files) == {}
    with Vitrine(server.http, protocol="http") as http:
        done = http.run_workflow(graph=json.dumps(empty))
        assert (dict(done.files), done.nodes[0].values) == ({}, {"text": "x"})
        with pytest.raises(BadRequest, match=r"node 'x' \(text\), input text must be given: TEXT"):
            http.run_workflow(graph={"x": {"class_type": "text", "inputs": {}}})


def slow(seed: int) -> dict:
    """A picture that takes some seconds, and a file of it."""
    asked = {"prompt": "a cup", "seed": seed, "steps": 100, "width": 512, "height": 512, "model": "z-image"}
    return {
        "draw": {"class_type": "text_to_image", "inputs": asked},
        "file": {"class_type": "save_image", "inputs": {"image": ["draw", 0], "name": "a.png"}},
    }


def test_leaving_a_workflow_s_stream_frees_what_runs(vitrine, server):
    """The picture's job ends in `denoise` long before its hundredth step; the next workflow is served."""
    before = cancelled_jobs(server)
    events = vitrine.workflow_stream(graph=slow(1))
    next(one for one in events if (one.node, one.status) == ("draw", "running"))
    wait_for_running(server)
    events.close()
    wait_for_cancelled(server, before + 1)
    assert vitrine.run_workflow(graph=graph(0.6)).files


def test_a_cancelled_workflow_frees_what_runs(vitrine, server):
    """The same for a call that answers once."""
    before, cancellation = cancelled_jobs(server), Cancellation()

    def cancel():
        wait_for_running(server)
        cancellation.cancel()

    cancelling = threading.Thread(target=cancel)
    cancelling.start()
    with pytest.raises(Cancelled):
        vitrine.run_workflow(graph=slow(2), cancellation=cancellation)
    cancelling.join()
    wait_for_cancelled(server, before + 1)
