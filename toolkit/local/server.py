"""The embedded cloud's process: one HTTP address on 127.0.0.1 for every AWS API.

`services()` creates each service with the `Cloud` and the services that it depends on. All of them implement
`toolkit.local.service.Service`:

    routes()       Starlette routes, tried in the order of `services()`. `awsapi.SignedRoute` is a path of one
                   service's REST API (identified by the signature), `awsapi.TargetRoute` a JSON-RPC service,
                   a plain `Route` or `Mount` everything that is not an AWS API. Unmatched requests go to
                   moto.
    start/stop     awaited in the event loop, in order and in reverse order. They may read and change moto's
                   models: moto's own requests run in threads.
    status()       `toolkit.local.status` items, for `/_toolkit/status`.

Handlers run in the event loop and must not block it: use `asyncio.to_thread`. `toolkit.local.client` starts
the process.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from toolkit.local import clock, guard, state, timescale
from toolkit.local.apigateway.domains import CustomDomainMiddleware
from toolkit.local.apigateway.service import ApiGatewayService
from toolkit.local.autoscaling.service import AutoScalingService
from toolkit.local.bedrock.service import BedrockService
from toolkit.local.billing.service import BillingService
from toolkit.local.cbor import CborMiddleware
from toolkit.local.cloudwatch.service import Metrics
from toolkit.local.controlplane import application, s3
from toolkit.local.disconnects import DisconnectMiddleware
from toolkit.local.functions.service import FunctionService
from toolkit.local.header_names import NamesProtocol
from toolkit.local.iam.authentication import HEALTH, AuthenticationMiddleware
from toolkit.local.iam.enforcement import Enforcement
from toolkit.local.iam.middleware import EnforceIamMiddleware
from toolkit.local.iam.service import SETTING, IamService
from toolkit.local.pricing.service import PricingService
from toolkit.local.quotas.service import QuotaService
from toolkit.local.retry_cache import RetryCacheMiddleware
from toolkit.local.sagemaker.meter import METER
from toolkit.local.sagemaker.service import SageMakerService
from toolkit.local.service import Cloud, Service
from toolkit.local.status import CloudStatus, by_kind
from toolkit.local.validation import ValidationMiddleware
from toolkit.processes import is_set

_log = logging.getLogger(__name__)

# How long a stopping cloud waits for requests in progress.
SHUTDOWN_SECONDS = 2
# Longer than clients keep an idle connection (AWS SDK for Go: 90 s): a server that closes first can drop a
# request in flight, and the retry finds its work already done.
KEEP_ALIVE_SECONDS = 120
# How often the cloud checks that its record still names it.
_WATCH_SECONDS = 2.0


def services(cloud: Cloud, enforcement: Enforcement) -> list[Service]:
    """All services of the cloud, in start order."""
    iam = IamService(enforcement)
    metrics = Metrics()
    sagemaker = SageMakerService(cloud, enforcement, metrics)
    autoscaling = AutoScalingService(sagemaker.endpoints.operations(), metrics)
    sagemaker.endpoints.is_scaled = autoscaling.is_registered
    account = enforcement.account
    account.scalable_target = autoscaling.arn_of
    account.tags.add_source("application-autoscaling", lambda arn: autoscaling.tags_of(arn.region, str(arn)))
    functions = FunctionService(cloud, enforcement, metrics)
    apis = ApiGatewayService(functions.runner, enforcement, metrics)
    others: list[Service] = [BedrockService(), QuotaService(), PricingService(), BillingService(account.tags)]
    return [iam, metrics, sagemaker, autoscaling, functions, apis, *others]


@dataclass
class Server:
    """The assembled cloud.

    Attributes:
        code_version: of the loaded code.
        secret: of the root user's access key.
    """

    cloud: Cloud
    code_version: str
    secret: str = field(repr=False)
    started_at: float = field(default_factory=time.time)
    _enforcement: Enforcement = field(init=False)
    _services: list[Service] = field(init=False)

    def __post_init__(self) -> None:
        self._enforcement = Enforcement(enforced=is_set(SETTING), root_secret=self.secret)
        self._services = services(self.cloud, self._enforcement)

    def app(self) -> Starlette:
        """The ASGI application."""
        own = [
            Route(HEALTH, self._health),
            Route("/_toolkit/status", self._status),
            clock.route(),
        ]
        routes: list[BaseRoute] = [*own, *(route for part in self._services for route in part.routes())]
        # Never moto's, which would take other paths for objects of a bucket.
        routes.append(Mount("/_toolkit", PlainTextResponse("no such path\n", status_code=404)))
        middleware = [
            Middleware(DisconnectMiddleware),
            Middleware(CustomDomainMiddleware),
            Middleware(guard.LoopbackOnlyMiddleware),
            Middleware(AuthenticationMiddleware, account=self._enforcement.account),
            Middleware(CborMiddleware),
            Middleware(RetryCacheMiddleware),
            Middleware(EnforceIamMiddleware, enforcement=self._enforcement),
            Middleware(ValidationMiddleware),
        ]
        app = Starlette(routes=routes, lifespan=self._lifespan, middleware=middleware)
        app.router.redirect_slashes = False
        app.router.default = application.application()
        return app

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for service in self._services:
                stack.push_async_callback(service.stop)
                await service.start()
            yield

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"instance_id": self.cloud.instance_id})

    async def _status(self, _: Request) -> Response:
        status = await asyncio.to_thread(self.status)
        return JSONResponse(status.to_json())

    def status(self) -> CloudStatus:
        """Return the running resources and processes."""
        items = [item for service in self._services for item in service.status()]
        return CloudStatus(
            endpoint_url=self.cloud.endpoint_url,
            instance_id=self.cloud.instance_id,
            pid=os.getpid(),
            started_at=self.started_at,
            uptime_seconds=time.time() - self.started_at,
            memory_bytes=psutil.Process().memory_info().rss,
            code_version=self.code_version,
            time_scale=timescale.scale(),
            empty=not items and not s3.has_buckets(),
            instances=tuple(METER.read().by_type()),
            **by_kind(items),
        )


def listen(preferred_port: int | None) -> socket.socket:
    """A socket bound to 127.0.0.1, at the preferred port unless another program has it."""
    # With the protocol named, asyncio sets TCP_NODELAY; without it, a response in two writes takes 44 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # Connections of the previous cloud in TIME_WAIT must not block the port.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", preferred_port or 0))
    except OSError as error:
        _log.warning("cannot listen on port %s (%s): using another one", preferred_port, error)
        listener.bind(("127.0.0.1", 0))
    return listener


class _Uvicorn(uvicorn.Server):
    """Writes the cloud's record as soon as it accepts requests."""

    def __init__(self, config: uvicorn.Config, folder: state.Folder, record: state.Record) -> None:
        super().__init__(config)
        self._folder = folder
        self._record = record

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._folder.write(self._record)
            self._watch = asyncio.create_task(self._stop_when_abandoned())

    async def _stop_when_abandoned(self) -> None:
        """Stop when no command finds this cloud any more, as after `make clean`."""
        while self._folder.read() == self._record:
            await asyncio.sleep(_WATCH_SECONDS)
        _log.warning("the record of this cloud is gone: stopping")
        self.should_exit = True


def _fresh_directory(parent: Path, name: str) -> Path:
    """Create an empty directory for this cloud, and remove those of earlier clouds."""
    shutil.rmtree(parent, ignore_errors=True)
    directory = parent / name
    directory.mkdir(parents=True)
    # moto spools files there too: the system's temporary directory may be in memory.
    tempfile.tempdir = str(directory)
    application.extend(directory / "objects")
    return directory


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cloud until SIGTERM."""
    parser = argparse.ArgumentParser(prog="toolkit.local.server")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--instance-id", required=True)
    options = parser.parse_args(arguments)
    folder = state.Folder(options.directory)
    guard.configure_logging(folder.log)
    guard.refuse_outgoing_connections()
    last = folder.read()
    secret = secrets.token_urlsafe(30)
    folder.write_secret(secret)
    listener = listen(last.port if last else None)
    record = state.Record(
        listener.getsockname()[1],
        os.getpid(),
        options.instance_id,
        state.code_version(),
        timescale.scale(),
    )
    directory = _fresh_directory(folder.path / "run", options.instance_id)
    server = Server(Cloud(directory, record.endpoint_url, record.instance_id), record.code_version, secret)
    config = uvicorn.Config(
        server.app(),
        log_config=None,
        access_log=False,
        server_header=False,
        # A header must not change the address that API Gateway sees.
        proxy_headers=False,
        http=NamesProtocol,
        lifespan="on",
        ws="none",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    uvicorn_server = _Uvicorn(config, folder, record)
    # Exclude everything loaded so far from garbage collection.
    gc.collect()
    gc.freeze()
    uvicorn_server.run(sockets=[listener])
    return 0 if uvicorn_server.started else 1


if __name__ == "__main__":
    raise SystemExit(main())
