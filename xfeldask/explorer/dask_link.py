"""The way from the explorer to Dask's dashboard, whose cluster need not be there before somebody goes."""

from __future__ import annotations

import asyncio

from bokeh.server.views.auth_request_handler import AuthRequestHandler
from tornado.web import HTTPError, authenticated

from xfeldask.work.compute import active_client


class DaskLink(AuthRequestHandler):  # type: ignore[misc]
    """Leads to the dashboard of the cluster, which is started if it waits for work."""

    def prepare(self) -> None:
        """Refuse what another page asks for, in which a picture of this address would start a cluster."""
        if self.request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
            raise HTTPError(403)

    @authenticated
    async def get(self) -> None:
        """Answer with the address of the dashboard."""
        client = await asyncio.to_thread(active_client)
        if client is None or not client.dashboard_link:
            raise HTTPError(404)
        self.redirect(client.dashboard_link)
