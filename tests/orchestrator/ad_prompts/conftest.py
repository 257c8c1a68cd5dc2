"""A real HTTP server in the place of a language model, and the pipeline over it."""

import asyncio
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from vitrine_orchestrator.ad_prompts.endpoint import Endpoint
from vitrine_orchestrator.ad_prompts.pipeline import prepare_ad_prompt
from vitrine_orchestrator.pipeline.request_context import PlainContext
from vitrine_orchestrator.stages.calls import FakeStages

KEY = "sk-very-secret"


class LanguageModel:
    """Answers with `replies` in order, the last one again: (status, text of the message or body, headers)."""

    def __init__(self):
        self.replies, self.asked, self.pause_s = [], [], 0.0
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                model.asked.append((self.path, self.headers.get("Authorization"), body))
                time.sleep(model.pause_s)
                status, content, headers = model.replies[0]
                del model.replies[: len(model.replies) > 1]
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=[0.02], daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def reply(self, status, content, **headers):
        """One more reply: text is put into a chat completion, bytes are the whole body."""
        if isinstance(content, str):
            content = json.dumps({"choices": [{"message": {"content": content}}]}).encode()
        self.replies.append((status, content, {name.replace("_", "-"): one for name, one in headers.items()}))
        return self


@pytest.fixture
def model():
    """The server; stopped at the end."""
    model = LanguageModel()
    yield model
    model.server.shutdown()
    model.server.server_close()


@pytest.fixture
def endpoint(model):
    """The model's endpoint."""
    return Endpoint(model.url, "tiny", KEY, timeout_s=5, retries=1)


@pytest.fixture
def prepared():
    """Runs the pipeline: prompt, negative prompt, report."""

    def run(sentence, endpoint=None, **options):
        texts = {"sentence": sentence, **options}
        inputs = {
            name: np.array([one.encode()], np.object_) for name, one in texts.items() if one is not None
        }
        outputs = asyncio.run(prepare_ad_prompt(PlainContext(FakeStages()), endpoint, inputs))
        prompt, negative = (outputs[name][0].decode() for name in ("prompt", "negative_prompt"))
        return prompt, negative, json.loads(outputs["report"][0])

    return run
