"""PyPI jdcloud-apim-sdk through its own HTTP client."""

import os
import sys
from urllib.parse import urlsplit

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from job import NotExpressible, body_of, query_object, run_job

from jdcloud_apim_sdk.core.config import Config
from jdcloud_apim_sdk.core.credential import Credential
from jdcloud_apim_sdk.core.logger import FATAL, Logger
from jdcloud_apim_sdk.simpleclient import SimpleClient
from jdcloud_apim_sdk.simplerequest import SimpleRequest


def connect(job):
    endpoint = urlsplit(job["endpoint"])
    client = SimpleClient(
        Config(endpoint=endpoint.netloc, scheme=endpoint.scheme),
        Credential(job["keyId"], job["secret"]),
        Logger(FATAL),
    )

    def send(case):
        query = query_object(case["query"])
        if any(isinstance(value, list) for value in query.values()):
            raise NotExpressible("the SDK sends a list as name.1, name.2")
        if any("&" in value for value in query.values()):
            raise NotExpressible("the SDK does not escape & in a value")
        binary = body_of(case)
        if case["method"] != "GET" and "json" not in case and binary is None:
            raise NotExpressible("the SDK always sends a JSON body or a file with this method")
        headers = dict(case.get("headers", {}))
        if "contentType" in case:
            headers["Content-Type"] = case["contentType"]
        request = SimpleRequest(case["path"], case["method"], query, case.get("json"), headers, binary)
        return client.send(request).status_code

    return send


run_job(connect)
