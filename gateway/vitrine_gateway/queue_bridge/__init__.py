"""Serves try-ons that an application queues with BullMQ, as the workers of CloszIT's `vto-queue` did."""

from vitrine_gateway.queue_bridge.bridge import QueueBridge, serve_queue
from vitrine_gateway.queue_bridge.queued import QueuedTryOn

__all__ = ["QueueBridge", "QueuedTryOn", "serve_queue"]
