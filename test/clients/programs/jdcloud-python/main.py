"""PyPI jdcloud_sdk through its own HTTP client."""

import os
import sys
from urllib.parse import urlsplit

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from job import NotExpressible, query_object, run_job

from jdcloud_sdk.core.config import Config
from jdcloud_sdk.core.credential import Credential
from jdcloud_sdk.core.jdcloudclient import JDCloudClient
from jdcloud_sdk.core.jdcloudrequest import JDCloudRequest
from jdcloud_sdk.core.logger import FATAL, Logger


def connect(job):
    endpoint = urlsplit(job["endpoint"])
    client = JDCloudClient(
        Credential(job["keyId"], job["secret"]),
        Config(endpoint=endpoint.netloc, scheme=endpoint.scheme),
        "orders",
        "0.0.1",
        Logger(FATAL),
    )

    def send(case):
        query = query_object(case["query"])
        if any(isinstance(value, list) for value in query.values()):
            raise NotExpressible("the SDK sends a list as name.1, name.2")
        if any("&" in value for value in query.values()):
            raise NotExpressible("the SDK does not escape & in a value")
        if "bodyBase64" in case:
            raise NotExpressible("the SDK sends JSON bodies only")
        if case["method"] != "GET" and "json" not in case:
            raise NotExpressible("the SDK always sends a JSON body with this method")
        # The first segment of the path is what the SDK calls the version.
        _, version, path = case["path"].split("/", 2)
        request = JDCloudRequest("/" + path, case["method"], dict(case.get("headers", {})), version)
        request.parameters = case.get("json", query)
        error = client.send(request).error
        return 200 if error is None else error.code

    return send


run_job(connect)
