"""HTTP routes, one file for each contract."""

from vitrine_gateway.routers import (
    batches,
    credits,
    fashn,
    files,
    garments,
    health,
    history,
    jobs,
    old_ads,
    old_app,
    old_gpu_host,
    old_preparing,
    openai_images,
    page,
    people,
)

ROUTERS = (
    health.router,
    jobs.router,
    batches.router,
    files.router,
    garments.router,
    history.router,
    credits.router,
    people.router,
    old_app.router,
    old_gpu_host.router,
    old_preparing.router,
    old_ads.router,
    fashn.router,
    openai_images.router,
    page.router,
)
"""Every router, in the order in which routes are compared."""
