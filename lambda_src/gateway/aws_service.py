"""Signed POST requests to an AWS service, whose responses are read as they arrive."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from gateway.http_client import HttpClient, Response
from gateway.settings import SettingsError
from gateway.signing import CredentialSource, Signer

# DNS suffixes of AWS's partitions by the beginning of their regions' names, as in botocore's partitions.json.
_DNS_SUFFIXES: Final = {
    "cn-": "amazonaws.com.cn",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "eu-isoe-": "cloud.adc-e.uk",
    "us-isof-": "csp.hci.ic.gov",
}


class AwsService:
    """Client for one service in the function's region.

    Args:
        environ: environment variables, which configure it as they configure botocore.
        host: the first part of its host name, such as `runtime.sagemaker`.
        signing_name: its name in signatures.
        variable: end of the name of its `AWS_ENDPOINT_URL_…`.

    Raises:
        SettingsError: an environment variable is missing or invalid.
    """

    def __init__(self, environ: Mapping[str, str], host: str, signing_name: str, variable: str) -> None:
        region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
        if not region:
            raise SettingsError("AWS_REGION is missing")
        try:
            url = urlsplit(service_url(environ, host, region, variable))
            port = url.port or (443 if url.scheme == "https" else 80)
        except ValueError as error:
            raise SettingsError(f"AWS_ENDPOINT_URL is not a URL: {error}") from error
        if url.scheme not in ("http", "https") or not url.hostname:
            raise SettingsError("AWS_ENDPOINT_URL must be a URL that begins with http:// or https://")
        tls = tls_context(environ) if url.scheme == "https" else None
        self._client = HttpClient(url.hostname, port, tls)
        self._path = url.path.rstrip("/")
        self._host = host_header(url.hostname, port, 443 if tls else 80)
        self._signer = Signer(region, signing_name)
        self._credentials = CredentialSource()

    async def post(
        self,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        unsigned: Mapping[str, str] = MappingProxyType({}),
    ) -> Response:
        """Send a request; returns before its response begins.

        Args:
            path: its path, whose characters need no escapes.
            headers: see `Signer.sign`.
            body: its body.
            unsigned: headers that are not part of the signature.

        Raises:
            HttpError: the service cannot be reached.
            CredentialsError: there are no credentials.
            ssl.SSLError: the service's certificate is not valid.
        """
        path = f"{self._path}{path}"
        credentials = await self._credentials.get()
        signed = self._signer.sign(path, {**headers, "host": self._host}, body, credentials)
        lines = "".join(f"{name}: {value}\r\n" for name, value in {**signed, **unsigned}.items())
        head = f"POST {path} HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n"
        return await self._client.send(head.encode() + body)


def service_url(environ: Mapping[str, str], host: str, region: str, variable: str) -> str:
    """The service's address, or what the environment names in its place; see `AwsService`."""
    if environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() != "true":
        for name in (f"AWS_ENDPOINT_URL_{variable}", "AWS_ENDPOINT_URL"):
            if environ.get(name):
                return environ[name]
    suffixes = [suffix for prefix, suffix in _DNS_SUFFIXES.items() if region.startswith(prefix)]
    return f"https://{host}.{region}.{suffixes[0] if suffixes else 'amazonaws.com'}"


def host_header(host: str, port: int, default_port: int) -> str:
    """The value of the header `Host`: RFC 9110, section 7.2, and RFC 3986, section 3.2.2."""
    name = f"[{host}]" if ":" in host else host
    return name if port == default_port else f"{name}:{port}"


def tls_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """A context that verifies the service's certificate by the configured authorities, or by botocore's."""
    file = environ.get("AWS_CA_BUNDLE") or environ.get("REQUESTS_CA_BUNDLE")
    if not file:
        botocore = find_spec("botocore")
        folders = botocore.submodule_search_locations if botocore is not None else None
        file = str(Path(folders[0]) / "cacert.pem") if folders else None
    try:
        # Not `create_default_context`: since Python 3.13 it refuses certificates that botocore accepts.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.set_alpn_protocols(["http/1.1"])
        if file:
            context.load_verify_locations(file)
        else:
            context.load_default_certs()
    except OSError as error:
        raise SettingsError(f"cannot read the certificates of {file}: {error}") from error
    return context
